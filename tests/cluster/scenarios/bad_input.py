"""Whatever is wrong is told where it stands, with a reason, and a good route beside it does not notice."""

import http.client
import json

from support.kube import condition, is_true
from support.weir import command

HOST = "good.example.com"
PREFIX = "nginx.ingress.kubernetes.io"

GOOD = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: good}
spec: {hosts: [good.example.com], versions: [{name: stable, service: shop, port: 80}]}
"""

SPLITS = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: nowhere}
spec: {hosts: [nowhere.example.com], versions: [{name: stable, service: ghost, port: 80}]}
---
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: no-rollout}
spec: {hosts: [ghost.example.com], service: shop, targetRef: {group: argoproj.io, kind: Rollout, name: ghost}}
"""

# A Service that asks for TLS, and who sends to it.
SECURE = """\
apiVersion: v1
kind: Service
metadata: {name: secure}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: http, appProtocol: https}]}
---
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: secure}
spec: {hosts: [secure.example.com], versions: [{name: stable, service: secure, port: 80}]}
---
apiVersion: split.smi-spec.io/v1alpha3
kind: TrafficSplit
metadata: {name: secure}
spec: {service: shop, backends: [{service: secure, weight: 1}]}
---
apiVersion: split.smi-spec.io/v1alpha3
kind: TrafficSplit
metadata: {name: overflow}
spec: {service: nothing, backends: [{service: shop, weight: 9223372036854775807}]}
---
apiVersion: split.smi-spec.io/v1alpha3
kind: TrafficSplit
metadata: {name: nonsense}
spec: {service: nobody, backends: [{service: shop, weight: many}]}
"""

OVERFLOW = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: overflow}
spec: {hosts: [overflow.example.com], versions: [{name: stable, service: shop, port: 80, weight: 99999999999}]}
"""

# What the definition of Split itself refuses, by rules of its own.
RULES = {
    "every weight is 0": "versions: [{name: a, service: shop, weight: 0}, {name: b, service: shop, weight: 0}]",
    "each version needs a service": "versions: [{name: a, weight: 1}]",
    "cannot stand together": "versions: [{name: a, service: shop}], gateways: [{name: one}], listeners: [http]",
    "the group does not fit": "targetRef: {group: apps, kind: Rollout, name: shop}",
    "exactly one of cookie": "versions: [{name: a, service: shop}], sticky: {cookie: a, header: b}",
}
RULED = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: ruled}
spec: {$spec}
"""

GATEWAYS = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: one}
spec: {gatewayClassName: weir, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: other}
spec: {gatewayClassName: weir, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Secret
metadata: {name: no-certificate}
type: kubernetes.io/tls
stringData: {tls.crt: "this is none", tls.key: "neither is this"}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: untrusted}
spec:
  gatewayClassName: weir
  listeners:
  - {name: http, port: 80, protocol: HTTP}
  - {name: https, port: 443, protocol: HTTPS, hostname: a.example.com, tls: {certificateRefs: [{name: no-certificate}]}}
  - {name: taken, port: 443, protocol: HTTP}
  - {name: streams, port: 5432, protocol: TCP}
"""

# None of its listeners can be bound.
LOST = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: lost}
spec:
  gatewayClassName: weir
  listeners:
  - {name: https, port: 443, protocol: HTTPS, hostname: a.example.com, tls: {certificateRefs: [{name: no-certificate}]}}
"""

ROUTES = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: nowhere}
spec: {parentRefs: [{name: one}], rules: [{backendRefs: [{name: ghost, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: not-permitted}
spec: {parentRefs: [{name: one}], rules: [{backendRefs: [{name: kubernetes, namespace: default, port: 443}]}]}
"""

# Kinds that are defined in the cluster, and that nobody serves.
NOT_CARRIED = """\
apiVersion: gateway.networking.k8s.io/v1
kind: TCPRoute
metadata: {name: streams}
spec: {parentRefs: [{name: one}], rules: [{backendRefs: [{name: shop, port: 80}]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: streams}
spec: {parentRefs: [{name: one}], hostnames: [tls.example.com], rules: [{backendRefs: [{name: shop, port: 80}]}]}
"""

TWICE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: $name}
spec: {parentRefs: [{name: one}], hostnames: [twice.example.com], rules: [{backendRefs: [{name: shop, port: 80}]}]}
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: $name}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: http}]}
"""

INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: $name, annotations: {$annotations}}
spec:
  ingressClassName: weir
  tls: [$tls]
  rules:
  - host: ingress.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: $backend, port: {number: 80}}}}
"""


def run(scenario):
    weir = scenario.weir_up(replicas=2)
    scenario.backend("shop", "v1")
    scenario.apply(GOOD)
    scenario.wait_served(weir.address, HOST, "v1")
    scenario.load(weir.address, HOST)
    scenario.apply(SPLITS)
    expect(scenario, "splits", "nowhere", ("ResolvedRefs", "BackendNotFound", "ghost"))
    nothing = ("Programmed", "Invalid", "ResolvedRefs")
    expect(scenario, "splits", "no-rollout", ("ResolvedRefs", "TargetNotFound", "ghost"), nothing)
    refused(scenario, OVERFLOW, "weight")
    for word, spec in RULES.items():
        refused(scenario, RULED.replace("$spec", spec), word)
    secure(scenario, weir.address)
    gateways(scenario)
    twice(scenario)
    ingresses(scenario)
    audited(scenario)
    endless(scenario, weir.address)
    scenario.apply(LOST)
    bad = ("ResolvedRefs", "InvalidCertificateRef", "no-certificate")
    expect(scenario, "gateways", "lost", bad, of=listeners)
    return (
        "Splits, HTTPRoutes, Gateways, Ingresses and a Secret that are wrong in 27 ways, each told at its object; routes of "
        "kinds that are not carried left alone"
    )


def expect(scenario, resource, name, *wanted, of=lambda found: [found.get("status", {})]):
    """Waits for False conditions: type, reason and a word of the message."""

    def told(found):
        parts = of(found)
        conditions = [condition(part, kind) for part in parts for kind, _, _ in wanted]
        fits = [
            any(c and c["status"] == "False" and c["reason"] == reason and word in c["message"] for c in conditions)
            for _, reason, word in wanted
        ]
        return all(fits)

    scenario.kube.wait(resource, name, told, 30, f"{wanted}")


def parents(route):
    return route.get("status", {}).get("parents", [])


def listeners(gateway):
    return gateway.get("status", {}).get("listeners", [])


def refused(scenario, manifest, word):
    """The API server itself takes no such object."""
    try:
        scenario.apply(manifest)
    except AssertionError as error:
        if word in str(error):
            return
        raise
    raise AssertionError(f"the API server took {manifest}")


def secure(scenario, address):
    """A Service that asks for TLS is not spoken to in clear text; weights that are none divide nothing."""
    scenario.apply(SECURE)
    expect(scenario, "splits", "secure", ("ResolvedRefs", "UnsupportedProtocol", "https"))
    scenario.kube.wait_event("TrafficSplit", "secure", "UnsupportedProtocol", "https")
    scenario.kube.wait_event("TrafficSplit", "nonsense", "Invalid", "many")
    scenario.kube.wait_event("TrafficSplit", "overflow", "Invalid", "9223372036854775807")
    answered(address, "secure.example.com", 500)
    scenario.kube.delete("trafficsplits", "secure")


def answered(address, host, status):
    """Fails unless the answer has this status."""
    client = http.client.HTTPConnection(address, 80, timeout=10)
    client.request("GET", "/", headers={"Host": host})
    seen = client.getresponse().status
    client.close()
    if seen != status:
        raise AssertionError(f"{host} answers {seen} rather than {status}")


def gateways(scenario):
    """Two of the same port have an address each; a Secret that is no certificate, a port of two protocols; routes."""
    scenario.apply(GATEWAYS)
    scenario.apply(NOT_CARRIED)
    scenario.apply(ROUTES)
    for name in ("one", "other"):
        scenario.kube.wait("gateways", name, lambda found: is_true(found, "Programmed"), 30, "Gateway programmed")
    addresses = {scenario.kube.get("gateways", name)["status"]["addresses"][0]["value"] for name in ("one", "other")}
    if len(addresses) != 2:
        raise AssertionError(f"two Gateways of the same port should have two addresses: {addresses}")
    bad = ("ResolvedRefs", "InvalidCertificateRef", "no-certificate")
    expect(scenario, "gateways", "untrusted", bad, ("Accepted", "UnsupportedProtocol", "TCP"), of=listeners)
    scenario.kube.wait(
        "gateways",
        "untrusted",
        lambda found: any(is_true(listener, "Conflicted") for listener in listeners(found)),
        30,
        "a listener of a taken port",
    )
    expect(scenario, "httproutes", "nowhere", ("ResolvedRefs", "BackendNotFound", "ghost"), of=parents)
    expect(scenario, "httproutes", "not-permitted", ("ResolvedRefs", "RefNotPermitted", "ReferenceGrant"), of=parents)
    not_carried(scenario)


def not_carried(scenario):
    """Routes of other kinds count for no listener, and nothing is said of them."""
    scenario.kube.wait("gateways", "one", lambda gateway: attached(gateway) == [2], 30, "the two HTTPRoutes counted")
    for resource in ("tcproutes", "tlsroutes"):
        if parents(scenario.kube.get(resource, "streams")):
            raise AssertionError(f"{resource} are not carried, and should have no status")


def attached(gateway):
    return [listener["attachedRoutes"] for listener in listeners(gateway)]


def twice(scenario):
    """Of two routes that take the same requests the younger one is told."""
    for name in ("a-first", "b-second"):
        scenario.apply(TWICE, name=name)
        scenario.kube.wait("httproutes", name, lambda found: parents(found), 30, "a status")
    scenario.kube.wait_event("HTTPRoute", "b-second", "Shadowed", "a-first", "twice.example.com")


def ingresses(scenario):
    """Events, since an Ingress has no conditions."""
    canary = f'{PREFIX}/canary: "true", {PREFIX}/canary-weight: "10"'
    total = f'{PREFIX}/canary-total: "100"'
    overflow = f'{PREFIX}/canary: "true", {PREFIX}/canary-weight-total: "{2**64}"'
    nonsense = f"{PREFIX}/proxy-body-size: plenty, {PREFIX}/proxy-next-upstream: error sometimes"
    main = {"annotations": nonsense, "tls": "{hosts: [ingress.example.com], secretName: no-certificate}"}
    for name in ("first", "second"):
        scenario.apply(SERVICE, name=name)
    scenario.apply(INGRESS, name="main", backend="shop", **main)
    scenario.apply(INGRESS, name="first", backend="first", annotations=f"{canary}, {total}", tls="")
    scenario.kube.wait_event("Ingress", "main", "proxy-body-size", "plenty")
    scenario.kube.wait_event("Ingress", "main", "sometimes")
    scenario.kube.wait_event("Ingress", "main", "no-certificate")
    scenario.apply(INGRESS.replace("ingress.example.com", "lost.example.com"), name="lost", backend="ghost", annotations="", tls="")
    scenario.kube.wait_event("Ingress", "lost", "ghost")
    scenario.kube.wait_event("Ingress", "first", "canary-total", 'did you mean "canary-weight-total"')
    scenario.apply(INGRESS, name="second", backend="second", annotations=canary.replace("10", "95"), tls="")
    scenario.kube.wait_event("Ingress", "second", "canary-weight", "older canaries")
    scenario.apply(INGRESS, name="overflow", backend="second", annotations=overflow, tls="")
    scenario.kube.wait_event("Ingress", "overflow", "canary-weight-total", str(2**64))


def audited(scenario):
    """The same is told to who asks before moving."""
    audit = ("audit", "--kubernetes", "--class", "weir", "--namespace", scenario.namespace, "--output", "json")
    found = json.loads(command(scenario.kube, *audit))["ingresses"]
    told = {(one["name"], note["name"]): note["reason"] for one in found for note in one["annotations"]}
    if 'did you mean "canary-weight-total"' not in told[("first", "canary-total")]:
        raise AssertionError(f"the audit tells something else: {told}")


def endless(scenario, address):
    """A time limit beyond all bounds ends no request."""
    host = "endless.example.com"
    limit = f'{PREFIX}/proxy-read-timeout: "{2**64 - 1}"'
    scenario.apply(INGRESS.replace("ingress.example.com", host), name="endless", backend="shop", annotations=limit, tls="")
    scenario.wait_served(address, host, "v1")
