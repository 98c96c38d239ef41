"""What a scenario is given: a namespace of its own, the proxy, backends, clients, and what they saw."""

import pathlib
import string
import subprocess

from .audit import changes
from .kube import Kube
from .load import Load, shares
from .waiting import wait_until
from .websockets import WebSockets
from .weir import CONFIG, NAMESPACE, weir_up

MANIFESTS = pathlib.Path(__file__).parent.parent / "manifests"
CLUSTER = pathlib.Path(__file__).parent.parent / "cluster"


class Scenario:
    """One run of one scenario; whatever it starts is ended with it."""

    def __init__(self, name, kube, cache):
        self.name, self.kube, self.cache = name, kube, cache
        self.namespace = kube.namespace
        self.clients, self.installed, self.others = [], [], []
        self.requests = 0

    def weir_up(self, replicas=1, config=CONFIG, namespace=NAMESPACE):
        """Installs the proxy for this scenario."""
        weir = weir_up(self.kube, namespace, replicas, config)
        self.installed.append(weir)
        return weir

    def beside(self, namespace):
        """A second namespace of the same scenario, with its own objects."""
        other = Scenario(self.name, Kube(self.kube.kubeconfig, namespace, self.kube.program), self.cache)
        other.kube.ensure_namespace(namespace)
        self.others.append(other)
        return other

    def apply(self, manifests, **values):
        """Applies YAML, after putting $values into it."""
        return self.kube.apply(string.Template(manifests).safe_substitute(namespace=self.namespace, **values))

    def manifest(self, name, namespace=None):
        """A manifest of the cache's or of this folder's, as it is."""
        for folder in (MANIFESTS, pathlib.Path(self.cache) / "manifests"):
            if (folder / name).exists():
                return self.kube.apply((folder / name).read_text(encoding="utf-8"), namespace)
        raise AssertionError(f"no manifest {name}")

    def backend(self, name, version, app="shop", replicas=2):
        """A Deployment and a Service of that name, answering as that version."""
        text = (MANIFESTS / "backend.yaml").read_text(encoding="utf-8")
        self.apply(text, name=name, app=app, version=version, replicas=replicas)
        self.kube.wait_available(name)

    def load(self, address, host, port=80, **options):
        """Constant load from now on; its failures end the scenario."""
        load = Load(address, port, host, **options).start()
        self.clients.append(load)
        return load

    def websockets(self, address, host, count, port=80):
        """WebSockets from now on; a close ends the scenario."""
        websockets = WebSockets(address, port, host, count).start()
        self.clients.append(websockets)
        return websockets

    def shares(self, address, host, requests, port=80, **options):
        """So many requests one after the other; the answers by version."""
        tally = shares(address, port, host, requests, **options)
        self.requests += tally.requests
        return tally.versions

    def wait_until(self, predicate, timeout, what):
        return wait_until(predicate, timeout, what)

    def wait_served(self, address, host, version=None, port=80, timeout=30):
        """Waits until the route answers; only before a load, since failures are expected here."""

        def answers():
            try:
                versions = shares(address, port, host, 1).versions
            except AssertionError:
                return False
            return version is None or version in versions

        wait_until(answers, timeout, f"{host} answered by {version or 'any version'}")

    def changes(self, resource, name):
        """When the object was changed and by whom, from the API server's audit log."""
        return changes(pathlib.Path(self.kube.kubeconfig).parent / "audit.log", resource, self.namespace, name)

    def cluster(self, *command):
        """The cluster script: stop and start of its servers."""
        subprocess.run([str(CLUSTER), *command], check=True)

    def settle(self):
        """Stops all clients and fails if one of them saw a failure."""
        for client in self.clients:
            client.stop()
        self.requests += sum(client.tally.requests for client in self.clients if isinstance(client, Load))
        for client in self.clients:
            client.check()

    def end(self):
        """Removes what the scenario made, whatever its outcome."""
        for client in self.clients:
            client.stop()
        for other in self.others:
            other.end()
        self.kube.delete("namespaces", self.namespace)
        for weir in self.installed:
            weir.down()
        for pod in self.kube.list("pods"):
            self.kube.delete("pods", pod["metadata"]["name"], grace=0)
        self.kube.wait_gone("namespaces", self.namespace, 120)
