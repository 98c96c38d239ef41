"""The example argo-routes under quick releases: V1, V2, V3 in a row over two HTTPRoutes, pods scaled with weight."""

from support.argo import Rollout, argo_up
from support.checks import weight_in_force
from support.gateway import HOST, gateway_address

SIDE_BY_SIDE = True

STEPS = [{"setWeight": 30}, {"setWeight": 60}, {"setWeight": 100}]
INSIDER = {"x-canary": "insider"}

# What it says of both versions is nothing to the rule that the header step adds, which has one of them.
POLICY = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: shop}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}
  guard: {}
  timeouts: {request: 5s}
"""


def run(scenario):
    argo_up(scenario)
    scenario.weir_up(replicas=2)
    scenario.example("argo-routes", ("replicas: 3", "replicas: 4"))
    scenario.apply(POLICY)
    rollout = Rollout(scenario)
    rollout.wait_phase("Healthy")
    address = gateway_address(scenario)
    scenario.wait_served(address, HOST, "v1")
    scenario.load(address, HOST, rate=100)
    scenario.load(address, HOST, path="/api/orders", rate=100)
    websockets = scenario.websockets(address, HOST, 10, reopen=True)
    insiders(scenario, rollout, address)
    strategy(scenario, dynamicStableScale=True)
    quickly(scenario, rollout, address, "v2", "v3")
    strategy(scenario, dynamicStableScale=None, scaleDownDelaySeconds=1)
    quickly(scenario, rollout, address, "v4", "v5")
    warnings = [event["message"] for event in scenario.kube.list("events") if event["reason"] == "PolicyInvalid"]
    if warnings:
        raise AssertionError(f"the Split should have an effect on every rule: {warnings}")
    again = websockets.reopened
    return f"V1 to V5 over two HTTPRoutes, twice a release during a release; {again} WebSockets told to come back"


def insiders(scenario, rollout, address):
    """The example's first step: the header decides on both routes; then the release is given up."""
    rollout.release("v2")
    rollout.wait_paused(2)
    for path in ("/", "/api/orders"):
        seen = {}

        def only():
            seen[path] = [dict(scenario.shares(address, HOST, 10, path=path, headers=h)) for h in (INSIDER, None)]
            return seen[path] == [{"v2": 10}, {"v1": 10}]

        scenario.wait_until(only, 20, lambda: f"insiders alone on v2: {seen}")
    rollout.abort()
    rollout.wait_phase("Degraded")
    weight_in_force(scenario, address, HOST, {"v1": 100})


def strategy(scenario, **settings):
    """Other settings of the canary strategy, and steps that wait for nobody."""
    scenario.kube.patch("rollouts", "shop", {"spec": {"strategy": {"canary": {"steps": STEPS, **settings}}}})


def quickly(scenario, rollout, address, second, third):
    """A release, and another one as soon as the first has any traffic."""
    load = scenario.clients[0]
    rollout.release(second)
    scenario.wait_until(lambda: load.tally.versions[second] > 0, 60, f"requests at {second}")
    rollout.release(third)
    rollout.wait_phase("Healthy")
    weight_in_force(scenario, address, HOST, {third: 100})
    for version in (f"v{n}" for n in range(1, int(third[1:]))):
        rollout.wait_pods_gone(version)
