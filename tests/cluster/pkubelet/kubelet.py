"""The kubelet: follows pods, runs those of its nodes, keeps the nodes alive."""

import json
import re
import signal
import threading
import time

from .api import Api
from .log import log
from .logserver import serve
from .node import Node
from .pod import Pod
from .scheduler import Scheduler
from .serviceproxy import ServiceProxy

HEARTBEAT_SECONDS = 10


class Kubelet:
    """All of it, for a number of fake nodes."""

    def __init__(self, options):
        self.options, self.api = options, Api(options.kubeconfig)
        self.pods = {}
        self.nodes = {node.name: node for node in (Node(self, n) for n in range(1, options.nodes + 1))}
        self.scheduler = Scheduler(self)

    def image(self, name):
        """The command of an image. The file is read each time: a test may add to it while this runs."""
        with open(self.options.images, encoding="utf-8") as file:
            known = json.load(file)
        return next((image for pattern, image in known.items() if re.fullmatch(pattern, name)), None)

    def run(self):
        """Runs until SIGTERM or SIGINT, and takes all pods with it."""
        for node in self.nodes.values():
            node.renew_lease()
            node.register()
            serve(self, node.address)
        self.scheduler.start()
        ServiceProxy(self.api).start()
        threading.Thread(target=self.heartbeat, daemon=True).start()
        self.follow("/api/v1/pods", self.on_pod, self.forget_others)
        for kind in ("secrets", "configmaps"):
            self.follow(f"/api/v1/{kind}", self.on_object(kind))
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        log("running", ", ".join(self.nodes))
        stop.wait()
        self.end()

    def follow(self, path, on_event, on_list=None):
        threading.Thread(target=self.api.watch, args=(path, on_event, on_list), daemon=True).start()

    def on_pod(self, event, obj):
        uid, spec, metadata = obj["metadata"]["uid"], obj["spec"], obj["metadata"]
        pod = self.pods.get(uid)
        if pod:
            pod.update(event, obj)
        if event == "DELETED":
            self.pods.pop(uid, None)
        elif not spec.get("nodeName"):
            if "deletionTimestamp" not in metadata and not spec.get("schedulingGates"):
                self.scheduler.add(obj)
        elif not pod and spec["nodeName"] in self.nodes and obj["status"].get("phase") not in ("Succeeded", "Failed"):
            self.pods[uid] = Pod(self, obj)
            if "deletionTimestamp" in metadata:
                self.pods[uid].update(event, obj)

    def forget_others(self, listed):
        """After a gap in the watch: pods that went away meanwhile."""
        alive = {obj["metadata"]["uid"] for obj in listed}
        for uid in [uid for uid in self.pods if uid not in alive]:
            self.pods.pop(uid).update("DELETED", None)

    def on_object(self, kind):
        """Tells the pods that show a Secret or ConfigMap of its change."""

        def changed(_, obj):
            metadata = obj["metadata"]
            for pod in list(self.pods.values()):
                if pod.namespace == metadata["namespace"]:
                    pod.object_changed(kind, metadata["name"])

        return changed

    def heartbeat(self):
        while True:
            for node in self.nodes.values():
                try:
                    node.renew_lease()
                except Exception as error:  # pylint: disable=broad-except
                    # The API server may be away for a while.
                    log("lease", node.name, repr(error))
            time.sleep(HEARTBEAT_SECONDS)

    def end(self):
        log("ending: pods are killed")
        pods = list(self.pods.values())
        for pod in pods:
            pod.gone = True
            pod.wake.set()
        for pod in pods:
            pod.kill()
