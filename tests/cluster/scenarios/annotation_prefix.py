"""Another prefix of annotations: what is written with it is done, and what is written with that of ingress-nginx is told."""

import json

from support.checks import expect_exact, weight_in_force
from support.weir import command

HOST = "shop.example.com"
PREFIX = "traffic.example.com"
USUAL = "nginx.ingress.kubernetes.io"

INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: $name, annotations: {$annotations}}
spec:
  ingressClassName: weir
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: $name, port: {number: 80}}}}
"""


def run(scenario):
    weir = scenario.weir_up(replicas=1, arguments=[f"--annotation-prefix={PREFIX}"])
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    # Both of the usual prefix would change everything: a main Ingress that is none, and a canary that gets all.
    scenario.apply(INGRESS, name="shop-v1", annotations=f'{USUAL}/canary: "true", {USUAL}/canary-weight: "0"')
    scenario.wait_served(weir.address, HOST, "v1")
    load = scenario.load(weir.address, HOST)
    canary = f'{PREFIX}/canary: "true", {PREFIX}/canary-weight: "20", {USUAL}/canary-weight: "100"'
    scenario.apply(INGRESS, name="shop-v2", annotations=canary)
    for weight in (20, 60):
        scenario.kube.kubectl("annotate", "ingress", "shop-v2", f"{PREFIX}/canary-weight={weight}", "--overwrite")
        weight_in_force(scenario, weir.address, HOST, {"v1": 100 - weight, "v2": weight})
        expect_exact(scenario, load, weir.address, HOST, "v2", weight)
    for name, annotation in (("shop-v1", "canary"), ("shop-v2", "canary-weight")):
        scenario.kube.wait_event("Ingress", name, "AnnotationDiffers", f"{USUAL}/{annotation}", PREFIX)
    audited(scenario)
    return f"a canary with 20 and 60 by {PREFIX}/canary-weight; three annotations of {USUAL} without effect, each told"


def audited(scenario):
    """The audit with that prefix knows what counts."""
    audit = ("audit", "--kubernetes", "--class", "weir", "--namespace", scenario.namespace, "--output", "json")
    found = json.loads(command(scenario.kube, *audit, "--annotation-prefix", PREFIX))["ingresses"]
    told = {(one["name"], note["name"]): note["verdict"] for one in found for note in one["annotations"]}
    if told != {("shop-v2", "canary"): "supported", ("shop-v2", "canary-weight"): "supported"}:
        raise AssertionError(f"the audit tells something else: {told}")
