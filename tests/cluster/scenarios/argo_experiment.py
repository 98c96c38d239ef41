"""An experiment of Argo Rollouts gets its share beside the canary's, and gives it back before its pods go."""

from support.argo import SERVICES, Rollout, argo_up
from support.checks import weight_in_force
from support.gateway import HOST, gateway_up, weights

from .argo_gateway import ROUTE

SIDE_BY_SIDE = True

# The experiment lasts several times as long as Argo's controller takes on a busy machine to see that it has begun.
STRATEGY = """
      stableService: shop-stable
      canaryService: shop-canary
      scaleDownDelaySeconds: 5
      trafficRouting: {plugins: {argoproj-labs/gatewayAPI: {httpRoute: shop}}}
      steps:
      - setWeight: 20
      - experiment:
          duration: 40s
          templates: [{name: trial, specRef: canary, weight: 10}]
      - pause: {}
"""


def run(scenario):
    argo_up(scenario)
    weir = scenario.weir_up(replicas=2)
    scenario.apply(SERVICES)
    address = gateway_up(scenario)
    scenario.apply(ROUTE)
    rollout = Rollout(scenario, STRATEGY)
    rollout.wait_phase("Healthy")
    scenario.wait_served(address, HOST, "v1")
    load = scenario.load(address, HOST)
    rollout.release("v2")
    rollout.wait_experiment()
    # The experiment runs what the canary runs.
    weight_in_force(scenario, address, HOST, {"v1": 70, "v2": 30})
    expect_shares(scenario, weir)
    rollout.wait_paused(2)
    weight_in_force(scenario, address, HOST, {"v1": 80, "v2": 20})
    if set(left := weights(scenario.kube.get("httproutes", "shop"))) != {"shop-stable", "shop-canary"}:
        raise AssertionError(f"the experiment should have left the route: {left}")
    rollout.promote()
    rollout.wait_phase("Healthy")
    weight_in_force(scenario, address, HOST, {"v2": 100})
    rollout.wait_pods_gone("v1")
    load.versions_during(2)
    return "an experiment had 10% beside the canary's 20%, then V2 was promoted"


def expect_shares(scenario, weir):
    """Fails unless every replica tells the three shares."""
    seen = [
        sorted(version["desiredShare"] for version in split["versions"])
        for status in weir.statuses()
        for split in status["splits"]
        if split["namespace"] == scenario.namespace
    ]
    if seen != [[0.1, 0.2, 0.7]] * len(seen) or not seen:
        raise AssertionError(f"10, 20 and 70% asked; weir status tells {seen}")
