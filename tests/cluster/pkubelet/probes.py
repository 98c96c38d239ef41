"""Probes and hooks: what the kubelet asks a container."""

import collections
import http.client
import socket
import ssl
import subprocess
import time

USER_AGENT = "kube-probe/1.36"


class Prober:
    """The three probes of one run of a container."""

    def __init__(self, container):
        self.container = container
        self.reset(time.time())

    def reset(self, begun):
        self.begun = begun
        self.due = {}
        self.failures, self.successes = collections.Counter(), collections.Counter()

    def run(self, terminating):
        """Asks what is due. A container that ends is asked for its readiness only."""
        container = self.container
        if not container.started:
            if not terminating:
                self.ask("startupProbe")
            return
        if not terminating:
            self.ask("livenessProbe")
        if "readinessProbe" in container.spec:
            self.ask("readinessProbe")
        elif not terminating:
            container.ready = True

    def ask(self, kind):
        probe = self.container.spec.get(kind)
        now = time.time()
        if probe is None or now < self.due.setdefault(kind, self.begun + probe.get("initialDelaySeconds", 0)):
            return
        self.due[kind] = now + probe.get("periodSeconds", 10)
        if check(self.container, probe, probe.get("timeoutSeconds", 1)):
            self.failures[kind] = 0
            self.successes[kind] += 1
            if self.successes[kind] >= probe.get("successThreshold", 1):
                self.passed(kind)
        else:
            self.successes[kind] = 0
            self.failures[kind] += 1
            if self.failures[kind] >= probe.get("failureThreshold", 3):
                self.failed(kind)

    def passed(self, kind):
        if kind == "readinessProbe":
            self.container.ready = True
        elif kind == "startupProbe":
            self.container.started = True

    def failed(self, kind):
        if kind == "readinessProbe":
            self.container.ready = False
            return
        self.failures[kind] = 0
        self.container.restart(f"{kind} failed")


def check(container, handler, timeout):
    """One question to the container; whether the answer was good."""
    try:
        if "exec" in handler:
            return execute(container, handler["exec"]["command"], timeout)
        if "httpGet" in handler:
            return http_get(container, handler["httpGet"], timeout)
        target = handler.get("tcpSocket") or handler["grpc"]
        address = (target.get("host") or container.pod.address, port(container, target["port"]))
        socket.create_connection(address, timeout).close()
        return True
    except (OSError, http.client.HTTPException, ValueError):
        return False


def http_get(container, wanted, timeout):
    host, number = wanted.get("host") or container.pod.address, port(container, wanted["port"])
    if wanted.get("scheme") == "HTTPS":
        # The kubelet does not verify certificates either.
        context = ssl._create_unverified_context()  # pylint: disable=protected-access
        connection = http.client.HTTPSConnection(host, number, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, number, timeout=timeout)
    headers = {each["name"]: each["value"] for each in wanted.get("httpHeaders", [])}
    connection.request("GET", wanted.get("path", "/"), headers={"User-Agent": USER_AGENT, "Connection": "close", **headers})
    status = connection.getresponse().status
    connection.close()
    return 200 <= status < 400


def execute(container, words, timeout):
    """Runs a command inside the container."""
    process = container.first_process()
    if not process:
        return False
    enter = ["nsenter", "-t", str(process), "-m", "-p", "-n", "-u", "-i", "-r", "-w"]
    try:
        done = subprocess.run(
            enter + words, timeout=timeout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def hook(container, handler, limit):
    """A postStart or preStop hook, for no longer than the limit."""
    if "sleep" in handler:
        time.sleep(min(limit, handler["sleep"]["seconds"]))
    else:
        check(container, handler, limit)


def port(container, wanted):
    """The number of a port that may be given by name."""
    if isinstance(wanted, int):
        return wanted
    named = (each["containerPort"] for each in container.spec.get("ports", []) if each.get("name") == wanted)
    return next(named, None) or int(wanted)
