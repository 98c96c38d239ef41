"""The proxy as a Deployment in the cluster."""

import pathlib
import string
import textwrap

from .waiting import Timeout

MANIFEST = pathlib.Path(__file__).parent.parent / "manifests" / "weir.yaml"
NAMESPACE = "weir-system"
READY_SECONDS = 30
CONFIG = """\
ops: {address: 0.0.0.0:9902}
peers: {address: 0.0.0.0:9903}
listeners:
  - {name: http, address: 0.0.0.0:8080}
"""


class Weir:
    """One installation of the proxy: where clients reach it, and its replicas."""

    def __init__(self, kube, namespace):
        self.kube, self.namespace = kube, namespace

    @property
    def address(self):
        """The cluster address that clients ask; port 80 is the listener "http"."""
        return self.kube.service_address("weir", self.namespace)

    def pods(self):
        return self.kube.list("pods", self.namespace, selector="app=weir")

    def logs(self, lines=5):
        """The last lines of each replica."""
        told = []
        for pod in self.pods():
            name = pod["metadata"]["name"]
            told.append(f"{name}: {self.kube.kubectl('logs', name, f'--tail={lines}', namespace=self.namespace).strip()}")
        return "; ".join(told) or "no pods"

    def scale(self, replicas):
        self.kube.patch("deployments", "weir", {"spec": {"replicas": replicas}}, self.namespace)
        self.kube.wait_available("weir", 60, self.namespace)

    def down(self):
        """Removes it at once: what drains was measured before."""
        self.kube.delete("namespaces", self.namespace)
        self.kube.delete("deployments", "weir", self.namespace)
        for pod in self.pods():
            self.kube.delete("pods", pod["metadata"]["name"], self.namespace, grace=0)
        self.kube.wait_gone("namespaces", self.namespace, 60)


def weir_up(kube, namespace=NAMESPACE, replicas=1, config=CONFIG):
    """Installs the proxy, waits until all replicas are ready."""
    text = string.Template(MANIFEST.read_text(encoding="utf-8")).substitute(
        namespace=namespace, replicas=replicas, config=textwrap.indent(config, "    ")
    )
    kube.ensure_namespace(namespace)
    kube.apply(text, namespace)
    weir = Weir(kube, namespace)
    try:
        kube.wait_available("weir", READY_SECONDS, namespace)
    except Timeout as timeout:
        raise AssertionError(f"the proxy is not ready after {READY_SECONDS} s; it says: {weir.logs()}") from timeout
    return weir
