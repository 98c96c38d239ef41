"""One container: a process tree of its own, its state as the API shows it."""

import collections
import os
import signal
import subprocess
import threading
import time

from . import launch
from .clock import now
from .log import log
from .probes import Prober, hook

# Lines of a container's log that are kept.
LOG_LINES = 200_000
# A container that ran so long starts its back-off anew.
HEALTHY_SECONDS = 600
LONGEST_BACKOFF = 300


class Container:
    """A container of a pod. `process` is unshare on the host, whose child is the container's process 1."""

    def __init__(self, pod, spec, init=False):
        self.pod, self.spec, self.name, self.init = pod, spec, spec["name"], init
        self.sidecar = init and spec.get("restartPolicy") == "Always"
        self.process, self.first = None, None
        self.state = {"waiting": {"reason": "ContainerCreating" if init else "PodInitializing"}}
        self.last_state = None
        self.restarts, self.recent_restarts, self.failed_pulls = 0, 0, 0
        self.started = self.ready = self.stopping = False
        self.begun, self.not_before = 0.0, 0.0
        self.output, self.output_grew = collections.deque(maxlen=LOG_LINES), threading.Condition()
        self.prober = Prober(self)

    # --- starting

    def try_start(self):
        """Starts, or says why not and tries again later: a Secret may come after the pod that asks for it."""
        try:
            self.start()
        except Exception as error:  # pylint: disable=broad-except
            self.state = {"waiting": {"reason": "CreateContainerConfigError", "message": str(error)[:500]}}
            self.not_before = time.time() + 1

    def start(self):
        image = self.pod.kubelet.image(self.spec["image"])
        if image is None:
            self.no_image()
            return
        self.process = subprocess.Popen(
            launch.command(self, image, self.pod.kubelet.options.bin),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        threading.Thread(target=self.collect, args=(self.process.stdout,), daemon=True).start()
        self.first, self.begun = None, time.time()
        self.prober.reset(self.begun)
        self.state = {"running": {"startedAt": now()}}
        self.started, self.ready = "startupProbe" not in self.spec, False
        after = self.spec.get("lifecycle", {}).get("postStart")
        if after:
            hook(self, after, 30)

    def no_image(self):
        reason = "ImagePullBackOff" if self.failed_pulls else "ErrImagePull"
        self.state = {"waiting": {"reason": reason, "message": f"no command is known for {self.spec['image']}"}}
        self.failed_pulls += 1
        self.not_before = time.time() + self.pod.kubelet.options.crash_backoff

    def collect(self, stream):
        """Keeps what the container writes. Not by lines alone: a last one without an end is shown too."""
        while chunk := stream.read1(65536):
            with self.output_grew:
                self.output.extend((time.time(), line) for line in chunk.splitlines(keepends=True))
                self.output_grew.notify_all()

    # --- running

    def running(self):
        return self.process is not None and self.process.poll() is None

    def exit_code(self):
        """How it ended, None if it has not."""
        return self.state.get("terminated", {}).get("exitCode")

    def done(self):
        """Whether what comes after an init container may start."""
        return self.started and self.running() if self.sidecar else self.exit_code() == 0

    def first_process(self):
        """The host's number of the container's process 1."""
        if self.first is None and self.running():
            try:
                children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
                with open(children, encoding="ascii") as file:
                    self.first = int(file.read().split()[0])
            except (OSError, IndexError, ValueError):
                # unshare has not forked yet.
                return None
        return self.first

    def probe(self, terminating):
        if self.running():
            self.prober.run(terminating)

    def reap(self):
        """Notices that it has ended; True if that is news."""
        if self.process is None or self.process.poll() is None or "terminated" in self.state:
            return False
        code = self.process.returncode
        code = 128 - code if code < 0 else code
        self.state = {
            "terminated": {
                "exitCode": code,
                "reason": "Error" if code else "Completed",
                "startedAt": self.state.get("running", {}).get("startedAt", now()),
                "finishedAt": now(),
            }
        }
        self.ready = self.started = False
        self.first = None
        return True

    def again(self):
        """Prepares the next start: at once the first time, then later and later."""
        if time.time() - self.begun > HEALTHY_SECONDS:
            self.recent_restarts = 0
        self.recent_restarts += 1
        self.last_state, self.process = self.state, None
        self.restarts += 1
        if self.recent_restarts == 1:
            self.not_before = 0.0
            self.state = {"waiting": {"reason": "ContainerCreating"}}
        else:
            pause = self.pod.kubelet.options.crash_backoff * 2 ** (self.recent_restarts - 2)
            self.not_before = time.time() + min(LONGEST_BACKOFF, pause)
            self.state = {"waiting": {"reason": "CrashLoopBackOff"}}

    # --- ending

    def restart(self, why):
        log(self.pod.key, self.name, why, "- it is restarted")
        deadline = time.time() + self.pod.grace()
        threading.Thread(target=self.stop, args=(deadline,), daemon=True).start()

    def stop(self, deadline):
        """preStop, SIGTERM, SIGKILL at the deadline."""
        if self.stopping or not self.running():
            return
        self.stopping = True
        try:
            lifecycle = self.spec.get("lifecycle", {})
            if "preStop" in lifecycle:
                hook(self, lifecycle["preStop"], max(0.0, deadline - time.time()))
            self.signal(getattr(signal, lifecycle.get("stopSignal", "SIGTERM")))
            try:
                self.process.wait(max(0.1, deadline - time.time()))
            except subprocess.TimeoutExpired:
                log(self.pod.key, self.name, "is killed at the end of its grace period")
                self.signal(signal.SIGKILL)
                self.process.wait(5)
        finally:
            self.stopping = False

    def signal(self, number):
        process = self.first_process()
        try:
            if process:
                os.kill(process, number)
            elif self.running():
                os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        self.signal(signal.SIGKILL)

    def await_end(self):
        if self.process:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                log(self.pod.key, self.name, "does not end")

    def status(self):
        status = {
            "name": self.name,
            "image": self.spec["image"],
            "imageID": f"process://{self.spec['image']}",
            "containerID": f"process://{self.process.pid}" if self.process else "",
            "ready": self.exit_code() == 0 if self.init and not self.sidecar else self.ready,
            "started": self.started and self.running(),
            "restartCount": self.restarts,
            "state": self.state,
        }
        return {**status, "lastState": self.last_state} if self.last_state else status
