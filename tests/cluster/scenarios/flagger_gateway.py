"""Flagger makes and moves an HTTPRoute: V1 is promoted to V2 under load, and no client notices."""

from support.checks import weight_in_force
from support.flagger import Canary, flagger_up
from support.gateway import HOST, gateway_up

SIDE_BY_SIDE = True

CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: shop}
spec:
  provider: gatewayapi:v1
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  progressDeadlineSeconds: 60
  service:
    port: 80
    targetPort: 8080
    hosts: [shop.example.com]
    gatewayRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: shop, namespace: $namespace}]
  analysis: {interval: 10s, threshold: 3, maxWeight: 60, stepWeight: 30, metrics: []}
"""


def run(scenario):
    flagger_up(scenario)
    scenario.weir_up(replicas=2)
    address = gateway_up(scenario)
    scenario.manifest("flagger-target.yaml")
    canary = Canary(scenario, CANARY)
    scenario.wait_served(address, HOST, "v1")
    scenario.load(address, HOST)
    canary.release("v2")
    for weight in (30, 60):
        canary.wait_weight(weight)
        weight_in_force(scenario, address, HOST, {"v1": 100 - weight, "v2": weight})
    canary.wait_phase("Succeeded")
    weight_in_force(scenario, address, HOST, {"v2": 100})
    return "V1 to V2 by 30 and 60, promoted, old pods gone"
