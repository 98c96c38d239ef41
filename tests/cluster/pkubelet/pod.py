"""One pod: a thread that starts its containers, looks after them, and ends them."""

import json
import shutil
import threading
import time
import traceback

from .api import STRATEGIC_MERGE, ApiError
from .container import Container
from .log import log
from .podstatus import PodStatus
from .sandbox import Sandbox
from .volumes import Volumes, field, object_data

# How long after its deadline a pod is waited for before it is killed.
PATIENCE = 3


class Pod:
    """A pod bound to one of this kubelet's nodes."""

    def __init__(self, kubelet, obj):
        self.kubelet, self.api, self.obj, self.spec = kubelet, kubelet.api, obj, obj["spec"]
        metadata = obj["metadata"]
        self.namespace, self.name, self.uid = metadata["namespace"], metadata["name"], metadata["uid"]
        self.key = f"{self.namespace}/{self.name}"
        self.path = f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"
        self.folder = f"{kubelet.options.state}/{self.uid}"
        self.node = kubelet.nodes[self.spec["nodeName"]]
        self.sandbox, self.volumes = Sandbox(self, kubelet.options.host_ip), Volumes(self)
        self.init = [Container(self, spec, init=True) for spec in self.spec.get("initContainers", [])]
        self.main = [Container(self, spec) for spec in self.spec["containers"]]
        self.status, self.sent = PodStatus(self), None
        self.phase, self.initialized = "Pending", False
        self.wake, self.stale = threading.Event(), threading.Event()
        self.deadline, self.gone, self.stopper = None, False, None
        threading.Thread(target=self.run, daemon=True).start()

    @property
    def address(self):
        return self.sandbox.address

    def grace(self):
        return self.spec.get("terminationGracePeriodSeconds", 30)

    # --- what containers ask for

    def field(self, path):
        return field(self, path)

    def data(self, kind, name, source):
        """The contents of a Secret or ConfigMap of the pod's namespace; `source` may say that it is optional."""
        return object_data(self.api, self.namespace, kind, name, source.get("optional"))

    # --- what the API server tells

    def update(self, event, obj):
        if event == "DELETED":
            self.gone = True
        else:
            self.obj = obj
            # Labels and annotations may be shown in files of the pod.
            self.stale.set()
            metadata = obj["metadata"]
            grace = metadata.get("deletionGracePeriodSeconds", 30)
            if "deletionTimestamp" in metadata and (self.deadline is None or grace == 0):
                self.deadline = time.time() + grace
        self.wake.set()

    def object_changed(self, kind, name):
        """A Secret or ConfigMap of the namespace has changed."""
        if self.volumes.follows(kind, name):
            self.stale.set()
            self.wake.set()

    # --- life

    def run(self):
        try:
            self.sandbox.open()
            self.report()
            annotations = self.obj["metadata"].get("annotations", {})
            self.pause(float(annotations.get("pkubelet/start-delay", 0)) + self.kubelet.options.start_delay)
            while not self.gone and not self.step():
                self.wake.wait(5 if self.over() and not self.dying() else self.kubelet.options.tick)
                self.wake.clear()
        except Exception:  # pylint: disable=broad-except
            log(self.key, traceback.format_exc())
        finally:
            self.kill()
            self.finish()

    def pause(self, seconds):
        """Waits, but not beyond the pod's end."""
        end = time.time() + seconds
        while not self.dying() and (left := end - time.time()) > 0:
            self.wake.wait(left)
            self.wake.clear()

    def dying(self):
        return self.deadline is not None or self.gone

    def over(self):
        return self.phase in ("Succeeded", "Failed")

    def step(self):
        """One look at everything; True when the pod has ended."""
        current = self.next_init()
        active = self.active(current)
        if not self.over() or self.dying():
            for container in active:
                self.look_after(container)
        if self.stale.is_set():
            self.refresh_volumes()
        if self.dying() and self.stopper is None and not self.gone:
            self.stopper = threading.Thread(target=self.stop_all, daemon=True)
            self.stopper.start()
        running = any(container.running() for container in active)
        self.choose_phase(current, running)
        self.report()
        stopped = self.stopper is None or not self.stopper.is_alive()
        if self.dying() and not running and stopped:
            return True
        return self.deadline is not None and time.time() > self.deadline + PATIENCE

    def next_init(self):
        """The init container whose turn it is."""
        if self.initialized:
            return None
        current = next((container for container in self.init if not container.done()), None)
        self.initialized = current is None
        return current

    def active(self, current):
        """The containers that run or should."""
        sidecars = [c for c in self.init if c.sidecar and c is not current and (c.process or self.initialized)]
        return ([current] if current else []) + sidecars + (self.main if self.initialized else [])

    def look_after(self, container):
        if container.reap() and not self.dying() and self.restarts(container):
            container.again()
        if not self.dying() and container.process is None and time.time() >= container.not_before:
            container.try_start()
        container.probe(self.dying())

    def restarts(self, container):
        """Whether a container that has ended is started again."""
        failed = container.exit_code() != 0
        policy = self.spec.get("restartPolicy", "Always")
        if container.sidecar:
            return True
        if container.init:
            return failed and policy != "Never"
        return policy == "Always" or (policy == "OnFailure" and failed)

    def refresh_volumes(self):
        self.stale.clear()
        try:
            self.volumes.refresh()
        except (ApiError, OSError, KeyError) as error:
            # Such as a Secret that is being replaced: the files stay as they are until it is back.
            log(self.key, "volumes:", repr(error))

    def choose_phase(self, current, running):
        ended = all("terminated" in c.state or (self.dying() and not c.running()) for c in self.main)
        if self.initialized and ended and not (self.dying() and running):
            # Sidecars end after the containers they are there for.
            for sidecar in (c for c in self.init if c.sidecar):
                sidecar.stop(time.time() + self.grace())
                sidecar.reap()
            failed = any(container.exit_code() != 0 for container in self.main)
            self.phase = "Failed" if failed else "Succeeded"
        elif self.initialized and any(container.process for container in self.main):
            self.phase = "Running"
        elif current and "terminated" in current.state and self.spec.get("restartPolicy") == "Never":
            self.phase = "Failed"

    # --- its end

    def stop_all(self):
        """Main containers at once, sidecars after them."""
        for group in (self.main, self.init):
            threads = [threading.Thread(target=c.stop, args=(self.deadline,), daemon=True) for c in group]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def kill(self):
        for container in self.init + self.main:
            container.kill()
        for container in self.init + self.main:
            container.await_end()
        self.sandbox.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def finish(self):
        """Removes the object: like the real kubelet only when nothing runs any more."""
        if self.gone or self.deadline is None:
            return
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": self.uid},
        }
        # The API server may be away for a while: the object stays until somebody removes it.
        while not self.gone:
            try:
                self.api.req("DELETE", self.path, options)
                return
            except ApiError as error:
                if error.code not in (404, 409):
                    log(self.key, "delete:", error)
                return
            except OSError as error:
                log(self.key, "delete:", repr(error))
                time.sleep(1)

    def report(self):
        """Sends the status if it has changed."""
        status = self.status.compose()
        text = json.dumps(status, sort_keys=True)
        if text == self.sent:
            return
        try:
            change = {"metadata": {"uid": self.uid}, "status": status}
            self.api.req("PATCH", self.path + "/status", change, STRATEGIC_MERGE)
            self.sent = text
        except ApiError as error:
            if error.code in (404, 409):
                self.gone = True
            else:
                log(self.key, "status:", error)
        except OSError as error:
            # Tried again at the next look.
            log(self.key, "status:", repr(error))
