"""A Split follows a Rollout that has no traffic router: its steps are the weights, and Argo knows nothing of it."""

from support.argo import SERVICES, Rollout, argo_up
from support.checks import expect_share, weight_in_force

SIDE_BY_SIDE = True

HOST = "followed.example.com"

STRATEGY = """
      stableService: shop-stable
      canaryService: shop-canary
      steps: [{setWeight: 10}, {pause: {}}, {setWeight: 50}, {pause: {}}]
"""

SPLIT = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: shop}
spec:
  targetRef: {group: argoproj.io, kind: Rollout, name: shop}
  hosts: [followed.example.com]
  versions:
  - {name: stable, service: shop-stable, port: 80}
  - {name: canary, service: shop-canary, port: 80}
"""


def run(scenario):
    argo_up(scenario)
    weir = scenario.weir_up(replicas=1)
    scenario.apply(SERVICES)
    rollout = Rollout(scenario, STRATEGY)
    rollout.wait_phase("Healthy")
    scenario.apply(SPLIT)
    address = weir.address
    scenario.wait_served(address, HOST, "v1")
    load = scenario.load(address, HOST)
    rollout.release("v2")
    for step, share in ((1, 10), (3, 50)):
        rollout.wait_paused(step)
        # With 3 pods Argo alone could not do 10%: it would be 25% of the pods.
        weight_in_force(scenario, address, HOST, {"v1": 100 - share, "v2": share})
        expect_share(load.versions_during(2), "v2", share)
        rollout.promote()
    rollout.wait_phase("Healthy")
    weight_in_force(scenario, address, HOST, {"v2": 100})
    rollout.wait_pods_gone("v1")
    return "10 and 50 by the Rollout's own steps, then all of V2"
