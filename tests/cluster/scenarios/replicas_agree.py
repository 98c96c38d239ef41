"""Three replicas: a Split is programmed once all serve it, a bad canary is found by all together and stays found."""

import json

from support.gateway import gateway_up
from support.kube import condition, is_true
from support.load import shares

from .split_kubectl import HOST, steer

SPLIT = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  versions:
  - {name: stable, service: shop-v1, port: 80, weight: 100}
  - {name: canary, service: shop-v2, port: 80, weight: 0}
  rescue: {from: canary, "on": [5xx]}
  guard: {minRequests: 60, maxErrorRateIncrease: 2%}
"""
# A guard for a route that somebody else writes.
ROUTED = "routed.example.com"
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: routed}
spec:
  parentRefs: [{name: shop}]
  hostnames: [routed.example.com]
  rules: [{backendRefs: [{name: shop-v1, port: 80}, {name: shop-v2, port: 80, weight: 0}]}]
---
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: guarded}
spec:
  targetRef: {group: gateway.networking.k8s.io, kind: HTTPRoute, name: routed}
  versions: [{name: stable, service: shop-v1}, {name: canary, service: shop-v2}]
  rescue: {from: canary, "on": [5xx]}
  guard: {minRequests: 60, maxErrorRateIncrease: 2%}
"""
REPLICAS = 3
STRANGER = """\
apiVersion: v1
kind: Pod
metadata: {name: stranger, labels: {app: weir}}
spec:
  terminationGracePeriodSeconds: 1
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: echo
    image: weir-echo:test
    ports: [{name: http, containerPort: 8080}]
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
"""


def run(scenario):
    weir = scenario.weir_up(replicas=REPLICAS)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    fail = [{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--fail=50%"}]
    scenario.kube.kubectl("patch", "deployment", "shop-v2", "--type=json", "-p", json.dumps(fail))
    scenario.kube.wait_available("shop-v2")
    scenario.apply(SPLIT)
    programmed(scenario)
    scenario.wait_served(weir.address, HOST, "v1")
    load = scenario.load(weir.address, HOST, fresh=True)
    steer(scenario, 50)
    scenario.wait_until(lambda: kept(scenario, weir), 60, "a trip in the ConfigMap weir-trips")
    taken_back(scenario, weir, "v2")
    found_bad(scenario)
    scenario.kube.wait_event("Split", "shop", "GuardTripped", "canary")
    programmed(scenario)
    load.stop()
    weir.scale(0)
    scenario.wait_until(lambda: not weir.pods(), 60, "no replica")
    weir.scale(REPLICAS)
    scenario.wait_served(weir.address, HOST, "v1")
    taken_back(scenario, weir, "v2")
    found_bad(scenario)
    lagging_is_told(scenario, weir)
    of_a_route(scenario)
    return (
        f"programmed by {REPLICAS} of {REPLICAS}, the canary taken back by all, also after all were replaced; a laggard is named; "
        "the canary of an HTTPRoute found bad, too"
    )


def programmed(scenario):
    """Waits until the status says that every replica serves the newest generation."""

    def fits(split):
        status = split.get("status", {})
        current = status.get("observedGeneration") == split["metadata"]["generation"]
        return current and is_true(split["status"], "Programmed") and status.get("replicas") == {
            "ready": REPLICAS,
            "programmed": REPLICAS,
        }

    scenario.kube.wait("splits", "shop", fits, 30, f"programmed by {REPLICAS} replicas")


def found_bad(scenario):
    """Waits until the status says which version a guard has found bad, and that it gets nothing of what was asked for."""

    def told(split):
        tripped = condition(split, "GuardTripped") or {}
        canary = split["status"].get("versions", [{}])[-1]
        diverted = (canary.get("guard"), canary.get("desired"), canary.get("effective")) == ("tripped", 50, "0")
        return tripped.get("status") == "True" and "canary" in tripped["message"] and diverted

    scenario.kube.wait("splits", "shop", told, 30, "a guard that has tripped")


def lagging_is_told(scenario, weir):
    """A pod that the Service takes for a replica, and that serves nothing, is named until it has gone."""
    scenario.kube.apply(STRANGER, weir.namespace)
    scenario.kube.wait("pods", "stranger", lambda pod: is_true(pod, "Ready"), 30, "ready", weir.namespace)
    steer(scenario, 40)

    def named(split):
        told = condition(split, "Programmed")
        current = told["observedGeneration"] == split["metadata"]["generation"]
        return current and (told["status"], told["reason"]) == ("False", "Lagging") and "stranger" in told["message"]

    scenario.kube.wait("splits", "shop", named, 20, "said to lag on the stranger")
    scenario.kube.delete("pods", "stranger", weir.namespace, grace=0)
    programmed(scenario)


def of_a_route(scenario):
    """A guard that a Split adds to an HTTPRoute tells what it found at both."""
    address = gateway_up(scenario)
    scenario.apply(ROUTE)
    scenario.kube.wait("splits", "guarded", lambda found: is_true(found, "Programmed"), 30, "programmed")
    scenario.wait_served(address, ROUTED, "v1")
    load = scenario.load(address, ROUTED, fresh=True)
    backends = [{"name": name, "port": 80, "weight": 50} for name in ("shop-v1", "shop-v2")]
    scenario.kube.patch("httproutes", "routed", {"spec": {"rules": [{"backendRefs": backends}]}})
    scenario.kube.wait("splits", "guarded", lambda found: is_true(found, "GuardTripped"), 60, "a guard that has tripped")
    scenario.kube.wait_event("HTTPRoute", "routed", "GuardTripped", "canary")
    load.stop()


def kept(scenario, weir):
    """The trips that outlive all replicas."""
    found = scenario.kube.get("configmaps", "weir-trips", weir.namespace)
    records = json.loads(found["data"]["trips.json"]) if found else {}
    return [name for name, record in records.items() if record["trip"]]


def taken_back(scenario, weir, version):
    """Fails unless every single replica sends nothing to the version."""
    for pod in weir.pods():
        address = pod["status"]["podIP"]
        tally = shares(address, 8080, HOST, 100)
        scenario.requests += tally.requests
        if tally.versions.get(version, 0):
            raise AssertionError(f"{pod['metadata']['name']} still sends to {version}: {dict(tally.versions)}")
