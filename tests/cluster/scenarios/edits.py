"""Routes are edited as fast as the API server takes it, under traffic: no answer is anything but 200, and the last edits are in force."""

import time

from support.bulk import Repeated
from support.checks import weight_in_force
from support.gateway import gateway_up
from support.kube import condition

from .split_kubectl import SPLIT

EDITS, SECONDS = 10_000, 150
# Objects of each kind, each edited by a writer of its own: two writers of one object would mostly wait for each other.
OBJECTS = 4

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: shop}]
  hostnames: [shop.example.com]
  rules:
  - backendRefs: [{name: shop-v1, port: 80}, {name: shop-v2, port: 80}]
"""


def run(scenario):
    weir = scenario.weir_up(replicas=2)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    address = gateway_up(scenario)
    edits = []
    for number in range(OBJECTS):
        name = f"shop-{number}"
        for manifest, served, edit in ((SPLIT, weir.address, split_edit), (ROUTE, address, route_edit)):
            scenario.apply(manifest.replace("name: shop}", f"name: {name}}}", 1).replace("shop.example", f"{name}.example"))
            scenario.wait_served(served, host(name), "v1")
            scenario.load(served, host(name), rate=50, connections=1)
            edits.append(edit(scenario, name))
    start = time.monotonic()
    editors = [Repeated(edit, most=EDITS // len(edits)).start() for edit in edits]
    for editor in editors:
        editor.thread.join(max(0.0, start + SECONDS - time.monotonic()))
    done = [editor.stop() for editor in editors]
    elapsed = time.monotonic() - start
    in_force(scenario, done)
    split_edit(scenario, "shop-0")(50)
    weight_in_force(scenario, weir.address, host("shop-0"), {"v1": 50, "v2": 50})
    return f"{sum(done)} edits of {OBJECTS} Splits and {OBJECTS} HTTPRoutes in {elapsed:.0f} s, the last ones in force"


def in_force(scenario, done):
    """Fails if an object was never edited, or its last edit is not what is served."""
    if min(done) == 0:
        raise AssertionError(f"each object should have been edited: {done}")
    for number in range(OBJECTS):
        name = f"shop-{number}"
        scenario.kube.wait("splits", name, lambda split: is_current(split, condition(split, "Programmed")), 30, "programmed")
        scenario.kube.wait("httproutes", name, accepted, 30, "accepted as it is now")


def accepted(route):
    parents = route.get("status", {}).get("parents", [])
    return parents and all(is_current(route, condition(parent, "Accepted")) for parent in parents)


def is_current(thing, told):
    """Whether the condition is true of what the object is now."""
    return bool(told) and told["status"] == "True" and told["observedGeneration"] == thing["metadata"]["generation"]


def host(name):
    return f"{name}.example.com"


def split_edit(scenario, name):
    """Weights, an override and a second path that come and go."""

    def edit(number):
        share = number % 101
        arms = [("stable", "shop-v1", 100 - share), ("canary", "shop-v2", share)]
        spec = {
            "versions": [{"name": arm, "service": to, "port": 80, "weight": weight} for arm, to, weight in arms],
            "overrides": [{"header": "x-try", "value": "1", "to": "canary"}] if number % 3 == 0 else None,
            "hosts": [host(name), *([f"other-{host(name)}"] if number % 5 == 0 else [])],
        }
        scenario.kube.patch("splits", name, {"spec": spec})

    return edit


def route_edit(scenario, name):
    """Weights, a filter and a rule that come and go."""

    def edit(number):
        share = number % 101
        shares = {"shop-v1": 100 - share, "shop-v2": share}
        backends = [{"name": to, "port": 80, "weight": weight} for to, weight in shares.items()]
        header = {"name": "x-edit", "value": str(number)}
        added = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}}
        rule = {"backendRefs": backends, "filters": [added] if number % 3 == 0 else []}
        api = {"matches": [{"path": {"type": "PathPrefix", "value": "/api"}}], "backendRefs": backends}
        scenario.kube.patch("httproutes", name, {"spec": {"rules": [rule, api] if number % 2 == 0 else [rule]}})

    return edit
