"""Flagger with its provider nginx: V2 promoted through a canary Ingress, a V3 that fails taken back, no Prometheus."""

from support.checks import weight_in_force
from support.flagger import DIALECTS, Canary, flagger_up

SIDE_BY_SIDE = True

HOST = "flagger.example.com"

INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  ingressClassName: weir
  rules:
  - host: flagger.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}
"""

CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: shop}
spec:
  provider: nginx
  metricsServer: $ops
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: shop}
  ingressRef: {apiVersion: networking.k8s.io/v1, kind: Ingress, name: shop}
  progressDeadlineSeconds: 60
  service: {port: 80, targetPort: 8080}
  analysis:
    interval: 10s
    threshold: 1
    maxWeight: 60
    stepWeight: 30
    metrics:
    - {name: request-success-rate, interval: 1m, thresholdRange: {min: 99}}
    - {name: request-duration, interval: 1m, thresholdRange: {max: 500}}
"""


def run(scenario):
    flagger_up(scenario)
    weir = scenario.weir_up(replicas=2, dialects=DIALECTS)
    scenario.manifest("flagger-target.yaml")
    scenario.apply(INGRESS)
    scenario.apply(CANARY, ops=weir.ops)
    canary = Canary(scenario)
    address = weir.address
    scenario.wait_served(address, HOST, "v1")
    load = scenario.load(address, HOST, failing="v3")
    canary.release("v2")
    for weight in (30, 60):
        canary.wait_weight(weight)
        weight_in_force(scenario, address, HOST, {"v1": 100 - weight, "v2": weight})
    canary.wait_phase("Succeeded")
    canary.release("v3", "--fail", "20%")
    canary.wait_phase("Failed")
    weight_in_force(scenario, address, HOST, {"v2": 100})
    return f"V2 by 30, 60, promoted; V3 taken back after {load.tally.asked_to_fail} failures of its own"
