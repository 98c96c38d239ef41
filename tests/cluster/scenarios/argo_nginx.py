"""The example argo-nginx: Argo's own traffic router for ingress-nginx moves a canary Ingress of the class weir."""

from support.argo import Rollout, argo_up
from support.checks import expect_share, weight_in_force

SIDE_BY_SIDE = True

HOST = "shop.example.com"


def run(scenario):
    argo_up(scenario)
    weir = scenario.weir_up(replicas=2)
    scenario.example("argo-nginx")
    rollout = Rollout(scenario)
    rollout.wait_phase("Healthy")
    address = weir.address
    scenario.wait_served(address, HOST, "v1")
    load = scenario.load(address, HOST)
    steps(scenario, rollout, load, address, HOST)
    written = scenario.kube.get("ingresses", "shop-shop-canary")["metadata"]["annotations"]
    if written.get("nginx.ingress.kubernetes.io/canary-weight") != "0":
        raise AssertionError(f"the router has not ended with weight 0: {written}")
    return "V1 to V2 by 20, 50, 100 through the canary Ingress, V3 aborted at 20"


def steps(scenario, rollout, load, address, host):
    """V1 to V2 by 20, 50, 100; then V3 is aborted at 20: the steps of the examples with a traffic router."""
    rollout.release("v2")
    for step, share in ((1, 20), (3, 50)):
        rollout.wait_paused(step)
        weight_in_force(scenario, address, host, {"v1": 100 - share, "v2": share})
        expect_share(load.versions_during(1), "v2", share)
        rollout.promote()
    rollout.wait_phase("Healthy")
    weight_in_force(scenario, address, host, {"v2": 100})
    rollout.release("v3")
    rollout.wait_paused(1)
    weight_in_force(scenario, address, host, {"v2": 80, "v3": 20})
    rollout.abort()
    weight_in_force(scenario, address, host, {"v2": 100})
    rollout.wait_phase("Degraded")
