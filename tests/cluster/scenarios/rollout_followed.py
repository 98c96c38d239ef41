"""A Split follows a Rollout that has no traffic router: its steps are the weights, an abort takes them back, and Argo knows nothing of it."""

from support.argo import SERVICES, Rollout, argo_up
from support.checks import expect_share, weight_in_force
from support.kube import is_true

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
    shared(scenario)
    rollout.release("v3")
    rollout.wait_paused(1)
    weight_in_force(scenario, address, HOST, {"v2": 90, "v3": 10})
    rollout.abort()
    weight_in_force(scenario, address, HOST, {"v2": 100})
    rollout.wait_phase("Degraded")
    return "10 and 50 by the Rollout's own steps, then all of V2; V3 aborted at 10; a second Split of the Rollout is told"


def shared(scenario):
    """A Split that follows a Rollout which another one follows already says so."""
    scenario.apply(SPLIT.replace("name: shop}", "name: second}", 1).replace(HOST, f"second.{HOST}"))
    scenario.kube.wait("splits", "second", lambda found: is_true(found, "Conflicted"), 30, "told that it is not the only one")
    scenario.kube.wait_event("Split", "second", "TargetShared", "Split")
