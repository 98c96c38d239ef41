"""A Split follows a Rollout that a traffic router steers: it has the weights that the router was told, and the conflict is told."""

import json

from support.argo import SERVICES, Rollout, argo_up
from support.checks import BOUND, fits, weight_in_force
from support.gateway import HOST, gateway_up
from support.kube import condition, is_true

from .argo_experiment import STRATEGY
from .argo_gateway import ROUTE

SIDE_BY_SIDE = True

FOLLOWING = "routed.example.com"
ROUTER = "argoproj-labs/gatewayAPI"

SPLIT = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: shop}
spec:
  targetRef: {group: argoproj.io, kind: Rollout, name: shop}
  hosts: [routed.example.com]
---
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: beside}
spec: {hosts: [beside.example.com], versions: [{name: stable, service: shop-stable, port: 80}]}
"""


def run(scenario):
    argo_up(scenario)
    weir = scenario.weir_up(replicas=2)
    scenario.apply(SERVICES)
    address = gateway_up(scenario)
    scenario.apply(ROUTE)
    rollout = Rollout(scenario, STRATEGY)
    rollout.wait_phase("Healthy")
    scenario.apply(SPLIT)
    scenario.wait_served(address, HOST, "v1")
    scenario.wait_served(weir.address, FOLLOWING, "v1")
    # The first load is the one that weight_in_force looks at.
    followed, routed = scenario.load(weir.address, FOLLOWING), scenario.load(address, HOST)
    conflict = told(scenario)
    rollout.release("v2")
    # The steps alone would be 20: the experiment, which runs V2 as well, is in status.canary.weights only.
    rollout.wait_experiment()
    weight_in_force(scenario, None, FOLLOWING, {"v1": 70, "v2": 30})
    weights = shown(scenario, "rollout", "shop")["status"]["canary"]["weights"]
    asked = [weights["stable"]["weight"], weights["canary"]["weight"], *(each["weight"] for each in weights["additional"])]
    if asked != [70, 20, 10]:
        raise AssertionError(f"the router should have been told 70, 20 and 10: {weights}")
    scenario.wait_until(lambda: fits(routed.versions_during(1), "v2", 30), 10, f"the route to have the same within {BOUND}")
    rollout.wait_paused(2)
    weight_in_force(scenario, None, FOLLOWING, {"v1": 80, "v2": 20})
    nothing_else(scenario)
    rollout.promote()
    rollout.wait_phase("Healthy")
    weight_in_force(scenario, None, FOLLOWING, {"v2": 100})
    settled(scenario)
    followed.versions_during(1)
    return f"70, 20 and 10 of status.canary.weights by the Split and by the route, then 80 and 20; {conflict} while there is a router"


def shown(scenario, kind, name):
    """An object as kubectl shows it."""
    return json.loads(scenario.kube.kubectl("get", kind, name, "--output", "json"))


def told(scenario):
    """The Split is served, and says who else steers; the reason."""
    scenario.kube.wait("splits", "shop", lambda split: is_true(split, "Conflicted"), 30, "told of the router")
    split = shown(scenario, "split", "shop")
    conflict = condition(split, "Conflicted")
    named = all(word in conflict["message"] for word in (ROUTER, "status.canary.weights", "only one of both"))
    if conflict["reason"] != "TargetRouted" or not named:
        raise AssertionError(f"the conflict is told otherwise: {conflict}")
    for kind in ("Accepted", "ResolvedRefs", "Programmed"):
        if not is_true(split, kind):
            raise AssertionError(f"the Split should be {kind}: {split['status']['conditions']}")
    scenario.kube.wait_event("Split", "shop", "TargetRouted", ROUTER)
    return conflict["reason"]


def nothing_else(scenario):
    """Neither the other Split nor the route is told anything."""
    if condition(shown(scenario, "split", "beside"), "Conflicted"):
        raise AssertionError("the Split that follows nothing has a conflict")
    (parent,) = shown(scenario, "httproute", "shop")["status"]["parents"]
    if [condition(parent, kind)["status"] for kind in ("Accepted", "ResolvedRefs")] != ["True", "True"]:
        raise AssertionError(f"the route is told something: {parent}")
    events = [event for event in scenario.kube.list("events") if event.get("reason") == "TargetRouted"]
    if {event["involvedObject"]["name"] for event in events} != {"shop"}:
        raise AssertionError(f"one Split should have the Event: {events}")


def settled(scenario):
    """Without the router nobody else steers."""
    scenario.kube.patch("rollouts", "shop", {"spec": {"strategy": {"canary": {"trafficRouting": None}}}})
    scenario.kube.wait("splits", "shop", lambda split: not is_true(split, "Conflicted"), 30, "told that it is the only one")
