"""Gateways and their routes."""

from .kube import is_true

HOST = "shop.example.com"

GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: shop}
spec:
  gatewayClassName: weir
  listeners:
  - {name: http, port: 80, protocol: HTTP}
"""


def gateway_up(scenario):
    """A Gateway with one HTTP listener; the address where it serves."""
    scenario.apply(GATEWAY)
    return gateway_address(scenario)


def gateway_address(scenario):
    """The address of the Gateway "shop", once it serves."""
    gateway = scenario.kube.wait(
        "gateways",
        "shop",
        lambda found: is_true(found, "Programmed") and found["status"].get("addresses"),
        30,
        "Gateway programmed",
    )
    return gateway["status"]["addresses"][0]["value"]


def weights(route):
    """The weights of a route's backends by Service, over all its rules."""
    return {
        backend["name"]: backend.get("weight", 1)
        for rule in route["spec"]["rules"]
        for backend in rule.get("backendRefs", [])
    }
