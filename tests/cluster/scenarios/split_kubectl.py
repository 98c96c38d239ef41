"""A Split of two Services is steered with kubectl: every share is exact within a request."""

import json

from support.checks import expect_exact, weight_in_force

HOST = "shop.example.com"

SPLIT = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  versions:
  - {name: stable, service: shop-v1, port: 80, weight: 100}
  - {name: canary, service: shop-v2, port: 80, weight: 0}
"""


def run(scenario):
    weir = scenario.weir_up(replicas=1)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    address = weir.address
    scenario.wait_served(address, HOST, "v1")
    load = scenario.load(address, HOST)
    steps = (1, 5, 25, 50, 100, 0)
    for weight in steps:
        steer(scenario, weight)
        weight_in_force(scenario, address, HOST, {"v1": 100 - weight, "v2": weight})
        expect_exact(scenario, load, address, HOST, "v2", weight)
    return f"weights {', '.join(map(str, steps))} by kubectl patch, each exact within a request"


def steer(scenario, weight):
    """As a user would, in one patch."""
    patch = [
        {"op": "replace", "path": "/spec/versions/0/weight", "value": 100 - weight},
        {"op": "replace", "path": "/spec/versions/1/weight", "value": weight},
    ]
    scenario.kube.kubectl("patch", "split", "shop", "--type=json", "-p", json.dumps(patch))
