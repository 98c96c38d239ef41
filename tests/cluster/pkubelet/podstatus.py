"""The status of a pod as the kubelet reports it."""

from .clock import now


class PodStatus:
    """Puts the status together; conditions keep the time of their last change."""

    def __init__(self, pod):
        self.pod = pod
        self.since = now()
        self.conditions = {}

    def condition(self, name, holds, reason=None):
        status = "True" if holds else "False"
        found = self.conditions.get(name)
        if not found or found["status"] != status:
            found = {"type": name, "status": status, "lastTransitionTime": now(), "lastProbeTime": None}
            self.conditions[name] = found
        found["reason"], found["message"] = None if holds else reason, None

    def gates_open(self):
        """Readiness gates are conditions that somebody else sets."""
        current = {c["type"]: c["status"] for c in self.pod.obj.get("status", {}).get("conditions", [])}
        gates = self.pod.spec.get("readinessGates", [])
        return all(current.get(gate["conditionType"]) == "True" for gate in gates)

    def update_conditions(self):
        pod = self.pod
        over = pod.phase in ("Succeeded", "Failed")
        ready = all(c.ready for c in pod.main) and all(c.ready for c in pod.init if c.sidecar)
        unready = "PodCompleted" if over else "ContainersNotReady"
        self.condition("PodScheduled", True)
        self.condition("PodReadyToStartContainers", pod.address is not None and not over)
        self.condition("Initialized", pod.initialized, "ContainersNotInitialized")
        self.condition("ContainersReady", ready, unready)
        self.condition("Ready", ready and self.gates_open(), "ReadinessGatesNotReady" if ready else unready)

    def compose(self):
        self.update_conditions()
        pod = self.pod
        status = {
            "phase": pod.phase,
            "conditions": list(self.conditions.values()),
            "startTime": self.since,
            "hostIP": pod.node.address,
            "hostIPs": [{"ip": pod.node.address}],
            "containerStatuses": [container.status() for container in pod.main],
            "qosClass": pod.obj.get("status", {}).get("qosClass", "BestEffort"),
            "observedGeneration": pod.obj["metadata"].get("generation", 0),
        }
        if pod.address:
            status["podIP"], status["podIPs"] = pod.address, [{"ip": pod.address}]
        if pod.init:
            status["initContainerStatuses"] = [container.status() for container in pod.init]
        return status
