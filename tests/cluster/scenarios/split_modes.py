"""One Service whose pods are of several Deployments, told apart by hash and by label; Splits that add behaviour to routes."""

import http.client

from support.gateway import gateway_up
from support.kube import condition, is_true

SIDE_BY_SIDE = True

PODS, LABEL, ROUTE, INGRESS = (f"{name}.modes.example.com" for name in ("pods", "label", "route", "ingress"))
INSIDER = {"x-canary": "insider"}

ROUTES = f"""\
apiVersion: v1
kind: Service
metadata: {{name: all}}
spec: {{selector: {{app: shop}}, ports: [{{name: http, port: 80, targetPort: http}}]}}
---
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {{name: by-pods}}
spec: {{hosts: [{PODS}], targetRef: {{group: "", kind: Service, name: all}}}}
---
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {{name: by-label}}
spec:
  hosts: [{LABEL}]
  targetRef: {{group: "", kind: Service, name: all}}
  revisionLabel: version
  versions: [{{name: v1, weight: 90}}, {{name: v2, weight: 10}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: shop}}
spec:
  parentRefs: [{{name: shop}}]
  hostnames: [{ROUTE}]
  rules: [{{name: web, backendRefs: [{{name: shop-v1, port: 80}}, {{name: shop-v2, port: 80, weight: 0}}]}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: shop}}
spec:
  ingressClassName: weir
  rules:
  - host: {INGRESS}
    http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: shop-v1, port: {{number: 80}}}}}}}}]}}
"""

# Behaviour for the routes; the last one means a rule that is not there.
POLICIES = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: for-route}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop}
  versions: [{name: stable, service: shop-v1}, {name: canary, service: shop-v2}]
  overrides: [{header: x-canary, value: insider, to: canary}]
---
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: for-ingress}
spec:
  targetRef: {group: networking.k8s.io, kind: Ingress, name: shop}
  sticky: {cookie: modes}
---
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: for-nothing}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: shop, sectionName: api}
  onEmpty: reject
"""


def run(scenario):
    address = scenario.weir_up(replicas=1).address
    scenario.backend("shop-v1", "v1", replicas=3)
    scenario.backend("shop-v2", "v2", replicas=1)
    gateway = gateway_up(scenario)
    scenario.apply(ROUTES)
    for at, host in ((address, PODS), (address, LABEL), (gateway, ROUTE), (address, INGRESS)):
        scenario.wait_served(at, host)
        scenario.load(at, host, rate=50, connections=2)
    divided(scenario, address, PODS, {"v1": 75, "v2": 25})
    divided(scenario, address, LABEL, {"v1": 90, "v2": 10})
    # Shares follow the pods where nobody gives weights, and nowhere else.
    scenario.kube.patch("deployments", "shop-v2", {"spec": {"replicas": 3}})
    scenario.kube.wait_available("shop-v2")
    divided(scenario, address, PODS, {"v1": 50, "v2": 50})
    divided(scenario, address, LABEL, {"v1": 90, "v2": 10})
    policies(scenario, address, gateway)
    return "3 to 1 pods as 75 to 25, then 3 to 3 as 50 to 50; 90 to 10 by label; an override for a route, a cookie for an Ingress"


def divided(scenario, address, host, percent):
    """Waits until a hundred requests over one connection are divided like that, within one."""
    seen = {}

    def fits():
        seen["versions"] = dict(scenario.shares(address, host, 100))
        return all(abs(seen["versions"].get(version, 0) - share) <= 1 for version, share in percent.items())

    scenario.wait_until(fits, 30, lambda: f"{percent} at {host}; seen {seen.get('versions')}")


def policies(scenario, address, gateway):
    """Behaviour reaches the routes that it is meant for, whose weights stay their own."""
    scenario.apply(POLICIES)
    for name in ("for-route", "for-ingress"):
        scenario.kube.wait("splits", name, lambda found: is_true(found, "Programmed"), 30, "programmed")
    seen = {}

    def decides():
        seen["shares"] = [dict(scenario.shares(gateway, ROUTE, 10, headers=headers)) for headers in (INSIDER, None)]
        return seen["shares"] == [{"v2": 10}, {"v1": 10}]

    scenario.wait_until(decides, 30, lambda: f"the header alone at v2: {seen.get('shares')}")
    scenario.wait_until(lambda: "modes=" in given(address, INGRESS), 30, "a cookie for clients of the Ingress")

    def told(found):
        resolved = condition(found, "ResolvedRefs") or {}
        wrong = (resolved.get("status"), resolved.get("reason")) == ("False", "SectionNotFound")
        return wrong and "web" in resolved["message"] and not is_true(found, "Programmed")

    scenario.kube.wait("splits", "for-nothing", told, 30, "a rule that is not there")


def given(address, host):
    """The cookie that a new client is given."""
    client = http.client.HTTPConnection(address, 80, timeout=10)
    client.request("GET", "/", headers={"Host": host})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.getheader("set-cookie") or ""
