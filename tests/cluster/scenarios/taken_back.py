"""A Gateway and an Ingress get another controller's class: what the proxy wrote on them goes, what others wrote stays."""

import json

from support.gateway import gateway_up
from support.kube import condition

from .ingress_nginx_canary import HOST, INGRESS

CLASSES = """\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: theirs}
spec: {controllerName: example.com/theirs}
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: theirs}
spec: {controller: example.com/theirs}
"""

AUDITED = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "shop"},
    "status": {
        "conditions": [
            {
                "type": "example.com/Audited",
                "status": "True",
                "reason": "Audited",
                "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ]
    },
}


def run(scenario):
    kube = scenario.kube
    weir = scenario.weir_up(replicas=2)
    scenario.backend("shop", "v1")
    scenario.apply(CLASSES)
    gateway_up(scenario)
    audit = ("apply", "--server-side", "--subresource=status", "--field-manager=auditor", "-f", "-")
    kube.kubectl(*audit, stdin=json.dumps(AUDITED))
    scenario.apply(INGRESS, annotations="")
    scenario.wait_served(weir.address, HOST, "v1")
    kube.wait("ingresses", "shop", addresses, 30, "an address of the Ingress")
    give(kube, "theirs")
    kube.wait("gateways", "shop", is_only_audited, 30, "only what the auditor wrote")
    kube.wait("ingresses", "shop", lambda found: not addresses(found), 30, "no address of the Ingress")
    give(kube, "weir")
    kube.wait("gateways", "shop", lambda found: condition(found["status"], "Programmed"), 30, "told again")
    kube.wait("ingresses", "shop", addresses, 30, "an address again")
    for resource in ("gatewayclasses", "ingressclasses"):
        kube.delete(resource, "theirs")
    return "conditions, listeners and addresses taken back, an auditor's condition kept, and all told again on return"


def give(kube, name):
    """Both are of that class from now on."""
    kube.patch("gateways", "shop", {"spec": {"gatewayClassName": name}})
    kube.patch("ingresses", "shop", {"spec": {"ingressClassName": name}})


def is_only_audited(gateway):
    status = gateway["status"]
    types = [found["type"] for found in status.get("conditions", [])]
    return types == ["example.com/Audited"] and not status.get("listeners") and not status.get("addresses")


def addresses(ingress):
    return ingress.get("status", {}).get("loadBalancer", {}).get("ingress")
