"""Argo Rollouts moves an HTTPRoute by steps: V1 is promoted to V2 under load, V3 is aborted, and no client notices."""

import re

from support.argo import SERVICES, Rollout, argo_up
from support.checks import expect_share, weight_in_force
from support.gateway import HOST, gateway_up

SIDE_BY_SIDE = True

# Connections to pods that are to go are asked to end from the middle of the delay on, long after this has been seen.
STRATEGY = """
      stableService: shop-stable
      canaryService: shop-canary
      scaleDownDelaySeconds: 30
      abortScaleDownDelaySeconds: 5
      trafficRouting: {plugins: {argoproj-labs/gatewayAPI: {httpRoute: shop}}}
      steps: [{setWeight: 20}, {pause: {}}, {setWeight: 50}, {pause: {}}, {setWeight: 100}, {pause: {}}]
"""

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: shop}]
  hostnames: [shop.example.com]
  rules:
  - backendRefs:
    - {name: shop-stable, port: 80}
    - {name: shop-canary, port: 80, weight: 0}
"""


def run(scenario):
    argo_up(scenario)
    weir = scenario.weir_up(replicas=2)
    scenario.apply(SERVICES)
    # The plugin wants the route to be there before the first pods are.
    address = gateway_up(scenario)
    scenario.apply(ROUTE)
    rollout = Rollout(scenario, STRATEGY)
    rollout.wait_phase("Healthy")
    scenario.wait_served(address, HOST, "v1")
    load = scenario.load(address, HOST)
    promote(scenario, weir, rollout, load, address)
    abort(scenario, rollout, load, address)
    if "Degraded" not in (shown := rollout.shown()):
        raise AssertionError(f"the plugin of kubectl does not tell of the abort: {shown}")
    return "V1 to V2 by 20, 50, 100, V3 aborted at 20, no WebSocket closed"


def promote(scenario, weir, rollout, load, address):
    """V1 to V2, with WebSockets open to V1 that no promotion may close."""
    websockets = scenario.websockets(address, HOST, 10)
    rollout.release("v2")
    for step, share in ((1, 20), (3, 50), (5, 100)):
        rollout.wait_paused(step)
        weight_in_force(scenario, address, HOST, {"v1": 100 - share, "v2": share})
        expect_share(load.versions_during(2), "v2", share)
        expect_agreement(scenario, weir, rollout, share)
        rollout.promote()
    rollout.wait_phase("Healthy")
    # Both stay where they are: weight 0 and the other selector say the same as before in other words.
    load.versions_during(3)
    websockets.stop().check()
    rollout.wait_pods_gone("v1")


def expect_agreement(scenario, weir, rollout, share):
    """Fails unless the plugin of kubectl and "weir status" on every replica tell the same weight of the canary."""
    told = re.search(r"ActualWeight:\s+(\d+)", rollout.shown())
    seen = [desired_share(status, scenario.namespace, "shop-canary") for status in weir.statuses()]
    if told is None or int(told[1]) != share or seen != [share / 100] * len(seen):
        raise AssertionError(f"{share}% asked; kubectl tells {told and told[1]}%, weir status {seen}")


def desired_share(status, namespace, version):
    """What a replica is asked to give a version of the namespace's only split with it."""
    (found,) = [
        told["desiredShare"]
        for split in status["splits"]
        if split["namespace"] == namespace
        for told in split["versions"]
        if told["name"] == version
    ]
    return found


def abort(scenario, rollout, load, address):
    """V3 is tried and given up; V2 serves all of it again."""
    rollout.release("v3")
    rollout.wait_paused(1)
    weight_in_force(scenario, address, HOST, {"v2": 80, "v3": 20})
    rollout.abort()
    weight_in_force(scenario, address, HOST, {"v2": 100})
    rollout.wait_phase("Degraded")
    rollout.wait_pods_gone("v3")
    expect_share(load.versions_during(2), "v2", 100)
