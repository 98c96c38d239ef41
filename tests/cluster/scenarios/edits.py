"""Routes are edited as fast as the API server takes it, under traffic: no answer is anything but 200."""

import time

from support.bulk import Repeated
from support.checks import weight_in_force
from support.gateway import HOST, gateway_up

from .split_kubectl import SPLIT

EDITS, SECONDS = 10_000, 75

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
    scenario.apply(SPLIT)
    scenario.apply(ROUTE)
    for served in (weir.address, address):
        scenario.wait_served(served, HOST)
        scenario.load(served, HOST, rate=100, connections=4)
    edits = (split_edit(scenario), route_edit(scenario)) * 2
    editors = [Repeated(edit, most=EDITS // len(edits)).start() for edit in edits]
    until = time.monotonic() + SECONDS
    for editor in editors:
        editor.thread.join(max(0.0, until - time.monotonic()))
    done = sum(editor.stop() for editor in editors)
    split_edit(scenario)(50)
    weight_in_force(scenario, weir.address, HOST, {"v1": 50, "v2": 50})
    return f"{done} edits of a Split and an HTTPRoute in at most {SECONDS} s"


def split_edit(scenario):
    """Weights, an override and a second path that come and go."""

    def edit(number):
        share = number % 101
        versions = [("stable", "shop-v1", 100 - share), ("canary", "shop-v2", share)]
        spec = {
            "versions": [{"name": name, "service": to, "port": 80, "weight": weight} for name, to, weight in versions],
            "overrides": [{"header": "x-try", "value": "1", "to": "canary"}] if number % 3 == 0 else None,
            "hosts": ["shop.example.com", *(["other.example.com"] if number % 5 == 0 else [])],
        }
        scenario.kube.patch("splits", "shop", {"spec": spec})

    return edit


def route_edit(scenario):
    """Weights, a filter and a rule that come and go."""

    def edit(number):
        share = number % 101
        shares = {"shop-v1": 100 - share, "shop-v2": share}
        backends = [{"name": name, "port": 80, "weight": weight} for name, weight in shares.items()]
        header = {"name": "x-edit", "value": str(number)}
        added = {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}}
        rule = {"backendRefs": backends, "filters": [added] if number % 3 == 0 else []}
        api = {"matches": [{"path": {"type": "PathPrefix", "value": "/api"}}], "backendRefs": backends}
        scenario.kube.patch("httproutes", "shop", {"spec": {"rules": [rule, api] if number % 2 == 0 else [rule]}})

    return edit
