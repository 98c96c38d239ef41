"""The proxy as its users install it: deploy/base with the settings of the scenario."""

import json
import os
import pathlib
import subprocess
import tempfile

from .waiting import Timeout

BASE = pathlib.Path(__file__).parent.parent.parent.parent / "deploy" / "base"
NAMESPACE = "weir-system"
READY_SECONDS = 60
DIALECTS = "dialects: [http]"


class Weir:
    """One installation of the proxy: where clients reach it, and its replicas."""

    def __init__(self, kube, namespace=NAMESPACE):
        self.kube, self.namespace = kube, namespace

    @property
    def address(self):
        """The cluster address that clients ask; port 80 is the listener "http"."""
        return self.kube.service_address("weir", self.namespace)

    @property
    def ops(self):
        """Where rollout controllers ask, by address: the cluster has no DNS."""
        return f"http://{self.kube.service_address('weir-ops', self.namespace)}:9902"

    def pods(self):
        return self.kube.list("pods", self.namespace, selector="app=weir")

    def statuses(self):
        """What "weir status" tells on each replica."""
        return [json.loads(command_in(pod, "status", "--output", "json")) for pod in self.pods()]

    def logs(self, lines=5):
        """The last lines of each replica."""
        return "; ".join(f"{pod['metadata']['name']}: {self.log(pod, lines).strip()}" for pod in self.pods()) or "no pods"

    def log(self, pod, lines):
        """The last lines of one replica."""
        return self.kube.kubectl("logs", pod["metadata"]["name"], f"--tail={lines}", namespace=self.namespace)

    def scale(self, replicas):
        self.kube.patch("deployments", "weir", {"spec": {"replicas": replicas}}, self.namespace)
        self.kube.wait_available("weir", 60, self.namespace)


def process_of(pod):
    """Where the kernel tells of the proxy's process in a pod."""
    mark = f"POD_NAME={pod['metadata']['name']}".encode()
    return next(found for found in pathlib.Path("/proc").iterdir() if is_proxy(found, mark))


def is_proxy(folder, mark):
    """Whether it is the proxy itself and no shell that started it."""
    if not folder.name.isdigit():
        return False
    try:
        return os.readlink(folder / "exe").endswith("/weir") and mark in (folder / "environ").read_bytes().split(b"\0")
    except OSError:
        # It has ended, or is a thread of the kernel.
        return False


def command_in(pod, *arguments):
    """The answer of the proxy's own command line, asked in its pod as "kubectl exec" would."""
    folder = process_of(pod)
    command = ["nsenter", f"--target={folder.name}", "--net", str(folder / "exe"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


def command(kube, *arguments):
    """The answer of the proxy's command line on an administrator's machine; its exit status is told apart by nobody."""
    environment = {**os.environ, "KUBECONFIG": kube.kubeconfig}
    done = subprocess.run(
        [os.environ["WEIR_BINARY"], *arguments], capture_output=True, text=True, check=False, timeout=30, env=environment
    )
    if done.stderr:
        raise AssertionError(f"weir {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def rendered(kube, replicas, dialects, arguments):
    """deploy/base with so many replicas, the families of metrics that these dialects have, and further arguments."""
    target = {"kind": "Deployment", "name": "weir", "namespace": NAMESPACE}
    changes = [("replace", "/spec/replicas", replicas)]
    changes += [("add", "/spec/template/spec/containers/0/args/-", argument) for argument in arguments]
    patch = [{"op": verb, "path": path, "value": value} for verb, path, value in changes]
    with tempfile.TemporaryDirectory() as folder:
        overlay = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            # A path from the overlay: kustomize takes no absolute one.
            "resources": [os.path.relpath(BASE, os.path.realpath(folder))],
            "patches": [{"target": target, "patch": json.dumps(patch)}],
        }
        pathlib.Path(folder, "kustomization.yaml").write_text(json.dumps(overlay), encoding="utf-8")
        text = kube.kubectl("kustomize", folder)
    if DIALECTS not in text:
        raise AssertionError(f"deploy/base has no {DIALECTS!r} any more")
    return text.replace(DIALECTS, f"dialects: [{dialects}]")


def weir_up(kube, replicas=1, dialects="http", arguments=()):
    """Installs the proxy, waits until all replicas are ready."""
    kube.apply(rendered(kube, replicas, dialects, arguments), NAMESPACE)
    weir = Weir(kube)
    try:
        kube.wait_available("weir", READY_SECONDS, NAMESPACE)
    except Timeout as timeout:
        raise AssertionError(f"the proxy is not ready after {READY_SECONDS} s; it says: {weir.logs()}") from timeout
    return weir
