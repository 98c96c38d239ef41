"""What a scenario is given: a namespace of its own, the proxy, backends, clients, and what they saw."""

import pathlib
import string
import subprocess

from .audit import changes, lists
from .grpc import Calls
from .kube import Kube
from .load import Load, shares
from .probe import Probe
from .sessions import Sessions
from .waiting import wait_until
from .websockets import WebSockets
from .weir import NAMESPACE, weir_up

MANIFESTS = pathlib.Path(__file__).parent.parent / "manifests"
EXAMPLES = pathlib.Path(__file__).parent.parent.parent.parent / "deploy" / "examples"
CLUSTER = pathlib.Path(__file__).parent.parent / "cluster"


class Scenario:
    """One run of one scenario; whatever it starts is ended with it."""

    def __init__(self, name, kube, cache, shared=None):
        # shared: the proxy of several scenarios that run side by side.
        self.name, self.kube, self.cache, self.shared = name, kube, cache, shared
        self.namespace = kube.namespace
        self.clients, self.installed, self.others, self.endings = [], set(), [], []
        self.requests = 0

    def weir_up(self, replicas=1, **options):
        """Installs the proxy for this scenario, unless it is there for several."""
        if self.shared:
            return self.shared
        # Before it is there: what is half installed is removed, too.
        self.installed.add(NAMESPACE)
        return weir_up(self.kube, replicas, **options)

    def beside(self, namespace):
        """A second namespace of the same scenario, with its own objects."""
        other = Scenario(self.name, Kube(self.kube.kubeconfig, namespace, self.kube.program), self.cache)
        other.kube.ensure_namespace(namespace)
        self.others.append(other)
        return other

    def at_end(self, work):
        """Has that done before the namespaces are removed, whatever the outcome."""
        self.endings.append(work)

    def apply(self, manifests, **values):
        """Applies YAML, after putting $values into it."""
        return self.kube.apply(string.Template(manifests).safe_substitute(namespace=self.namespace, **values))

    def manifest(self, name, namespace=None):
        """A manifest of the cache's or of this folder's, as it is."""
        for folder in (MANIFESTS, pathlib.Path(self.cache) / "manifests"):
            if (folder / name).exists():
                return self.kube.apply((folder / name).read_text(encoding="utf-8"), namespace)
        raise AssertionError(f"no manifest {name}")

    def example(self, name, *changes):
        """Applies a file of deploy/examples as it stands, but for pairs of old and new text."""
        text = (EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8")
        for old, new in changes:
            if old not in text:
                raise AssertionError(f"the example {name} has no {old!r} any more")
            text = text.replace(old, new)
        return self.kube.apply(text)

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

    def websockets(self, address, host, count, port=80, **options):
        """WebSockets from now on; a close that they do not expect ends the scenario."""
        websockets = WebSockets(address, port, host, count, **options).start()
        self.clients.append(websockets)
        return websockets

    def probe(self, address, host, port=80):
        """A client that asks as fast as it can from now on; its failures end the scenario."""
        probe = Probe(address, port, host).start()
        self.clients.append(probe)
        return probe

    def calls(self, address, host, method):
        """gRPC calls from now on; their failures end the scenario."""
        calls = Calls(address, host, method).start()
        self.clients.append(calls)
        return calls

    def sessions(self, address, host, number, cookie, version, port=80):
        """Clients with cookies from now on; who has this one and is answered by another version ends the scenario."""
        sessions = Sessions(address, port, host, number, cookie, version).start()
        self.clients.append(sessions)
        return sessions

    def shares(self, address, host, requests, port=80, **options):
        """So many requests one after the other; the answers by version."""
        tally = shares(address, port, host, requests, **options)
        self.requests += tally.requests
        return tally.versions

    def wait_until(self, predicate, timeout, what):
        return wait_until(predicate, timeout, what)

    def wait_served(self, address, host, version=None, port=80, timeout=30):
        """Waits until each ready replica behind the address answers; only before a load, since failures are expected here."""

        def answers(replica):
            try:
                versions = shares(*replica, host, 1).versions
            except AssertionError:
                return False
            return version is None or version in versions

        def served():
            # Not through the address of a Service: it chooses a replica, and the others may be a moment behind.
            replicas = self.kube.behind(address, port) or [(address, port)]
            return all(answers(replica) for replica in replicas)

        wait_until(served, timeout, f"{host} answered by {version or 'any version'}")

    def changes(self, resource, name, subresource=None):
        """When the object was changed and by whom, from the API server's audit log."""
        return changes(self.audit_log(), resource, self.namespace, name, subresource)

    def lists(self, resource, address):
        """When the proxy at this address was given a list, from the same log."""
        return lists(self.audit_log(), resource, address)

    def audit_log(self):
        return pathlib.Path(self.kube.kubeconfig).parent / "audit.log"

    def cluster(self, *command):
        """The cluster script: stop and start of its servers."""
        subprocess.run([str(CLUSTER), *command], check=True)

    def settle(self):
        """Stops all clients and fails if one of them saw a failure."""
        for client in self.clients:
            client.stop()
        self.requests += sum(client.tally.requests for client in self.clients if isinstance(client, Load))
        self.requests += sum(client.requests for client in self.clients if isinstance(client, (Calls, Probe, Sessions)))
        for client in self.clients:
            client.check()

    def end(self):
        """Removes what the scenario made, whatever its outcome."""
        for client in self.clients:
            client.stop()
        try:
            for work in self.endings:
                work()
        finally:
            ends = [other.namespace for other in self.others] + [self.namespace]
            remove(self.kube, *ends, *self.installed)


def remove(kube, *namespaces):
    """Removes namespaces at once: whatever drains in them was measured before."""
    for namespace in namespaces:
        kube.delete("namespaces", namespace)
    for namespace in namespaces:
        # Workloads first, or they would make new pods until the namespace's own end.
        for resource in ("rollouts", "deployments", "replicasets"):
            kube.delete_all(resource, namespace)
        for pod in kube.list("pods", namespace):
            kube.delete("pods", pod["metadata"]["name"], namespace, grace=0)
    for namespace in namespaces:
        kube.wait_gone("namespaces", namespace, 120)
