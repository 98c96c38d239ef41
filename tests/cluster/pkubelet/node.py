"""Fake nodes: a name, a zone, an address and a range of pod addresses."""

import ipaddress
import os
import threading

from .api import MERGE, STRATEGIC_MERGE, ApiError
from .clock import now, now_in_microseconds
from .sandbox import run

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "250"}
CONDITIONS = {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}


class Node:
    """One of them, by its number."""

    def __init__(self, kubelet, number):
        self.kubelet, self.api, self.number = kubelet, kubelet.api, number
        self.name, self.zone = f"node-{number}", f"zone-{'abc'[(number - 1) % 3]}"
        self.address = str(ipaddress.ip_address("10.244.0.10") + number)
        self.range = f"10.244.{number}.0/24"
        self.last, self.lock = 1, threading.Lock()
        # It may be there from a kubelet before this one.
        run("ip", "addr", "add", f"{self.address}/32", "dev", "lo", check=False)

    def allocate(self):
        """A free pod address, round the range: addresses come back, but late, as with real plugins."""
        with self.lock:
            used = {pod.address for pod in list(self.kubelet.pods.values())}
            for _ in range(253):
                self.last = self.last + 1 if self.last < 254 else 2
                address = f"10.244.{self.number}.{self.last}"
                if address not in used:
                    return address
        raise RuntimeError(f"no address left on {self.name}")

    def register(self):
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": self.zone,
            "topology.kubernetes.io/region": "local",
        }
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels},
            "spec": {"podCIDR": self.range, "podCIDRs": [self.range]},
        }
        try:
            self.api.req("POST", "/api/v1/nodes", node)
        except ApiError as error:
            if error.code != 409:
                raise
        self.api.req("PATCH", f"/api/v1/nodes/{self.name}/status", {"status": self.status()}, STRATEGIC_MERGE)

    def status(self):
        unknown = dict.fromkeys(("machineID", "systemUUID", "bootID", "kubeProxyVersion", "osImage"), "")
        about = {
            **unknown,
            "kubeletVersion": "v1.36.0-process",
            "containerRuntimeVersion": "process://1",
            "architecture": "amd64",
            "operatingSystem": "linux",
            "kernelVersion": os.uname().release,
        }
        conditions = [
            {"type": name, "status": value, "reason": "pkubelet", "lastHeartbeatTime": now(), "lastTransitionTime": now()}
            for name, value in CONDITIONS.items()
        ]
        return {
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "addresses": [
                {"type": "InternalIP", "address": self.address},
                {"type": "Hostname", "address": self.name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": about,
            "conditions": conditions,
        }

    def renew_lease(self):
        """Without it the controller manager takes the node for dead."""
        spec = {"holderIdentity": self.name, "leaseDurationSeconds": 40, "renewTime": now_in_microseconds()}
        try:
            self.api.req("PATCH", f"{LEASES}/{self.name}", {"spec": spec}, MERGE)
        except ApiError as error:
            if error.code != 404:
                raise
            lease = {
                "apiVersion": "coordination.k8s.io/v1",
                "kind": "Lease",
                "metadata": {"name": self.name},
                "spec": spec,
            }
            self.api.req("POST", LEASES, lease)
