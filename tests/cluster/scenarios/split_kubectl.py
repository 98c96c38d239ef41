"""A Split of two Services is steered with kubectl and "weir weight": every share is exact within a request, and kubectl shows it."""

import json
import re

from support.checks import expect_exact, weight_in_force
from support.weir import command

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
    command(scenario.kube, "weight", "--kubernetes", "--namespace", scenario.namespace, "shop", "stable=70", "canary=30")
    weight_in_force(scenario, address, HOST, {"v1": 70, "v2": 30})
    scenario.wait_until(lambda: shown(scenario), 30, lambda: f"the columns of kubectl; it shows {columns(scenario)}")
    return f"weights {', '.join(map(str, steps))} by kubectl patch, 30 by weir weight, each exact within a request, and shown by kubectl"


def columns(scenario):
    """What "kubectl get" shows of the Split, by column."""
    head, row = scenario.kube.kubectl("get", "splits", "shop").splitlines()
    starts = [found.start() for found in re.finditer(r"\S+", head)]
    return {head[at:to].strip(): row[at:to].strip() for at, to in zip(starts, [*starts[1:], None])}


def shown(scenario):
    """Whether the columns say what is in force."""
    wanted = {"VERSIONS": "stable/canary", "DESIRED": "70/30", "EFFECTIVE": "70/30", "SUCCESS": "100.00/100.00"}
    return columns(scenario).items() >= {**wanted, "PROGRAMMED": "True", "DRAINING": "False"}.items()


def steer(scenario, weight):
    """As a user would, in one patch."""
    patch = [
        {"op": "replace", "path": "/spec/versions/0/weight", "value": 100 - weight},
        {"op": "replace", "path": "/spec/versions/1/weight", "value": weight},
    ]
    scenario.kube.kubectl("patch", "split", "shop", "--type=json", "-p", json.dumps(patch))
