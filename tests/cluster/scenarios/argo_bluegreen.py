"""The example argo-bluegreen: Argo Rollouts moves everybody from the active to the preview version, and back."""

from support.argo import Rollout, argo_up
from support.checks import weight_in_force

HOST = "shop.example.com"
PREVIEW = {"x-preview": "1"}

# Beside the example: the active Service as a backend like any other.
PLAIN = "plain.example.com"
PLAIN_SPLIT = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: plain}
spec: {hosts: [plain.example.com], versions: [{name: active, service: shop-active}]}
"""

# How long the proxy may take once Argo has written what the Split follows, the Rollout's status; and all of it
# together, most of which is Argo's and the controller manager's. Milliseconds.
OWN, WHOLE = 100, 1000


def run(scenario):
    argo_up(scenario)
    weir = scenario.weir_up(replicas=2)
    scenario.example("argo-bluegreen")
    rollout = Rollout(scenario)
    rollout.wait_phase("Healthy")
    address = weir.address
    scenario.wait_served(address, HOST, "v1")
    scenario.apply(PLAIN_SPLIT)
    scenario.wait_served(address, PLAIN, "v1")
    scenario.load(address, HOST)
    rollout.release("v2")
    rollout.wait_phase("Paused")
    previewed(scenario, address)
    websockets = scenario.websockets(address, HOST, 10)
    told = []
    for version, switch in (("v2", rollout.promote), ("v1", rollout.undo)):
        split, service, argo = switched(scenario, address, version, switch)
        told.append(f"to {version} in {split:.0f} ms ({argo:.0f} ms of it Argo's), by the Service in {service:.0f} ms")
        if split - argo > OWN or max(split, service) > WHOLE:
            raise AssertionError(f"too late: {'; '.join(told)}")
    websockets.stop().check()
    if websockets.versions() != ["v1"]:
        raise AssertionError(f"WebSockets should have stayed with V1: {websockets.versions()}")
    return f"{', back '.join(told)}, no WebSocket closed"


def previewed(scenario, address):
    """Who asks for the preview gets it, everybody else does not."""

    def reached():
        asked, others = (scenario.shares(address, HOST, 10, headers=headers) for headers in (PREVIEW, None))
        return dict(asked) == {"v2": 10} and dict(others) == {"v1": 10}

    scenario.wait_until(reached, 30, "the preview for who asks for it")


def switched(scenario, address, version, switch):
    """Milliseconds from the active Service's change to an answer through Split and Service, and to Argo's status."""
    before = len(scenario.changes("services", "shop-active"))
    probes = [scenario.probe(address, host) for host in (HOST, PLAIN)]
    switch()
    weight_in_force(scenario, address, HOST, {version: 100})
    for probe in probes:
        probe.stop()
    start = scenario.changes("services", "shop-active")[before].moment
    followed = [change.moment for change in scenario.changes("rollouts", "shop", "status") if change.moment > start]
    moments = [probe.switched(version) for probe in probes] + [followed[0].timestamp()]
    return [1000 * (moment - start.timestamp()) for moment in moments]
