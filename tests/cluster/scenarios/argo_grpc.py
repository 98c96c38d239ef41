"""Argo Rollouts moves a GRPCRoute and an HTTPRoute of two rules together, in thousandths, between ping and pong."""

from support.argo import Rollout, argo_up
from support.checks import BLOCK, fits, weight_in_force
from support.gateway import HOST, gateway_up
from support.grpc import call_shares
from support.load import Client

SIDE_BY_SIDE = True

GRPC_HOST = "grpc.example.com"
METHOD = "/shop.Orders/Get"

STRATEGY = """
      pingPong: {pingService: shop-ping, pongService: shop-pong}
      scaleDownDelaySeconds: 30
      abortScaleDownDelaySeconds: 5
      trafficRouting:
        maxTrafficWeight: 1000
        managedRoutes: [{name: insiders}]
        plugins:
          argoproj-labs/gatewayAPI: {httpRoute: shop, grpcRoute: orders}
      steps:
      - setCanaryScale: {replicas: 1}
      - setHeaderRoute: {name: insiders, match: [{headerName: x-canary, headerValue: {prefix: team-a}}]}
      - pause: {}
      - setWeight: 250
      - setCanaryScale: {matchTrafficWeight: true}
      - pause: {}
"""

SERVICES = """\
apiVersion: v1
kind: Service
metadata: {name: shop-ping}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop-pong}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: http}]}
"""

# The last rule is nobody's but its user's: it has only one of the two Services.
ROUTES = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: shop}]
  hostnames: [shop.example.com]
  rules:
  - backendRefs:
    - {name: shop-ping, port: 80}
    - {name: shop-pong, port: 80, weight: 0}
  - matches:
    - path: {type: PathPrefix, value: /api}
      headers: [{name: x-tenant, value: one}]
    filters:
    - {type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-rule, value: api}]}}
    backendRefs:
    - {name: shop-ping, port: 80}
    - {name: shop-pong, port: 80, weight: 0}
  - matches: [{path: {type: PathPrefix, value: /ping}}]
    backendRefs: [{name: shop-ping, port: 80}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: GRPCRoute
metadata: {name: orders}
spec:
  parentRefs: [{name: shop}]
  hostnames: [grpc.example.com]
  rules:
  - matches: [{method: {service: shop.Orders}}]
    backendRefs:
    - {name: shop-ping, port: 80}
    - {name: shop-pong, port: 80, weight: 0}
"""

# Who is meant by the header step, and who is not.
INSIDER = {"x-canary": "team-a7"}
OUTSIDERS = ({}, {"x-canary": "team-b"}, {"x-canary": "not team-a"})
API = {"x-tenant": "one"}


def run(scenario):
    argo_up(scenario)
    scenario.weir_up(replicas=2)
    scenario.apply(SERVICES)
    address = gateway_up(scenario)
    scenario.apply(ROUTES)
    rollout = Rollout(scenario, STRATEGY)
    rollout.wait_phase("Healthy")
    scenario.wait_served(address, HOST, "v1")
    scenario.load(address, HOST, rate=100)
    scenario.load(address, HOST, path="/api/orders", headers=API, rate=50)
    calls = scenario.calls(address, GRPC_HOST, METHOD)
    websockets = scenario.websockets(address, HOST, 10)
    rollout.release("v2")
    insiders(scenario, rollout, address, "v1", "v2")
    quarter(scenario, rollout, address, "v1", "v2")
    rollout.promote()
    rollout.wait_phase("Healthy")
    everything(scenario, address, "v2")
    websockets.stop().check()
    rollout.wait_pods_gone("v1")
    rollout.release("v3")
    insiders(scenario, rollout, address, "v2", "v3")
    quarter(scenario, rollout, address, "v2", "v3")
    rollout.abort()
    rollout.wait_phase("Degraded")
    everything(scenario, address, "v2")
    left_alone(scenario)
    return f"V1 to V2 from ping to pong, V3 aborted, header steps on three rules, {calls.requests} gRPC calls"


def left_alone(scenario):
    """No header rule is left, and the user's own rule is as it was."""
    http, grpc = scenario.kube.get("httproutes", "shop"), scenario.kube.get("grpcroutes", "orders")
    rules = [*http["spec"]["rules"], *grpc["spec"]["rules"]]
    own = [(ref["name"], ref["weight"]) for ref in http["spec"]["rules"][-1]["backendRefs"]]
    if len(rules) != 4 or own != [("shop-ping", 1)]:
        raise AssertionError(f"these rules are left: {rules}")


def insiders(scenario, rollout, address, stable, canary):
    """The header decides on both rules of the HTTPRoute and on the GRPCRoute, and each rule's filters stay."""
    rollout.wait_paused(2)
    wanted = [{canary: 5}] * 3 + [{stable: 5}] * 3 * len(OUTSIDERS)
    seen = []

    def as_wanted():
        seen[:] = [
            dict(versions)
            for headers in (INSIDER, *OUTSIDERS)
            for versions in (
                scenario.shares(address, HOST, 5, headers=headers),
                scenario.shares(address, HOST, 5, path="/api/orders", headers={**API, **headers}),
                call_shares(address, GRPC_HOST, METHOD, 5, headers),
            )
        ]
        return seen == wanted

    scenario.wait_until(as_wanted, 30, lambda: f"{INSIDER} alone on {canary}: {seen}")
    client = Client(address, 80, HOST, "/api/orders", {**API, **INSIDER})
    _, headers, answer = client.get()
    client.close()
    if (answer["version"], headers["x-rule"]) != (canary, "api"):
        raise AssertionError(f"the header rule should have the filters of its rule: {answer['version']}, {dict(headers)}")


def quarter(scenario, rollout, address, stable, canary):
    """250 of 1000 on the canary, of requests and of calls."""
    rollout.promote()
    rollout.wait_paused(5)
    weight_in_force(scenario, address, HOST, {stable: 75, canary: 25})
    seen = {}

    def divided():
        seen["calls"] = call_shares(address, GRPC_HOST, METHOD, BLOCK)
        return fits(seen["calls"], canary, 25)

    scenario.wait_until(divided, 30, lambda: f"a quarter of the calls on {canary}: {seen}")


def everything(scenario, address, version):
    """All of it on that version, calls, too."""
    weight_in_force(scenario, address, HOST, {version: 100})
    seen = {}

    def alone():
        seen["calls"] = call_shares(address, GRPC_HOST, METHOD, BLOCK)
        return set(seen["calls"]) == {version}

    scenario.wait_until(alone, 30, lambda: f"all calls on {version}: {seen}")
