"""Binds pods to nodes: round robin, honouring node selectors, cordons, and what DaemonSets ask for."""

import http.client
import queue
import threading
import time

from .api import ApiError
from .log import log


class Scheduler:
    """One thread that binds pod after pod."""

    def __init__(self, kubelet):
        self.kubelet, self.api = kubelet, kubelet.api
        self.pending = queue.Queue()
        self.turn = 0

    def start(self):
        threading.Thread(target=self.run, daemon=True).start()

    def add(self, pod):
        self.pending.put(pod)

    def run(self):
        while True:
            pod = self.pending.get()
            try:
                self.bind(pod)
            except ApiError as error:
                # It has gone, or somebody else has bound it.
                if error.code not in (404, 409):
                    log("bind", pod["metadata"]["name"], error)
            except (OSError, http.client.HTTPException) as error:
                log("bind", repr(error))
                self.pending.put(pod)
                time.sleep(1)

    def bind(self, pod):
        fitting = [node for node in self.api.req("GET", "/api/v1/nodes")["items"] if self.fits(pod, node)]
        if not fitting:
            # A node may be uncordoned later.
            threading.Timer(2, self.again, (pod,)).start()
            return
        self.turn += 1
        metadata = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "uid": metadata["uid"]},
            "target": {
                "apiVersion": "v1",
                "kind": "Node",
                "name": fitting[self.turn % len(fitting)]["metadata"]["name"],
            },
        }
        self.api.req("POST", f"{path(pod)}/binding", binding)

    def fits(self, pod, node):
        name = node["metadata"]["name"]
        if name not in self.kubelet.nodes:
            return False
        by_daemon_set = daemon_node(pod)
        wanted = by_daemon_set or pod["metadata"].get("annotations", {}).get("pkubelet/node")
        if wanted not in (None, name) or (node["spec"].get("unschedulable") and not by_daemon_set):
            return False
        labels = node["metadata"]["labels"]
        return all(labels.get(key) == value for key, value in pod["spec"].get("nodeSelector", {}).items())

    def again(self, pod):
        try:
            current = self.api.req("GET", path(pod))
        except (ApiError, OSError, http.client.HTTPException):
            return
        if not current["spec"].get("nodeName") and current["metadata"]["uid"] == pod["metadata"]["uid"]:
            self.pending.put(current)


def path(pod):
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def daemon_node(pod):
    """The node that a DaemonSet made the pod for."""
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    names = [
        value
        for term in required.get("nodeSelectorTerms", [])
        for match in term.get("matchFields", [])
        if match["key"] == "metadata.name"
        for value in match["values"]
    ]
    return names[0] if names else None
