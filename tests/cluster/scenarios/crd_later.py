"""The definitions of Gateway API come after the proxy: it waits for them, and serves what is made of them."""

import pathlib

from support.checks import weight_in_force
from support.gateway import HOST, gateway_up

from .split_kubectl import SPLIT

ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  parentRefs: [{name: shop}]
  hostnames: [shop.example.com]
  rules: [{backendRefs: [{name: shop-v1, port: 80}]}]
"""

GATEWAY_CLASS = """\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weir}
spec: {controllerName: weir.dev/gateway-controller}
"""


def run(scenario):
    kube = scenario.kube
    weir = scenario.weir_up(replicas=0)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    try:
        remove(kube)
        weir.scale(1)
        scenario.wait_until(lambda: "not installed" in weir.logs(50), 20, "a line that says what is not installed")
        scenario.wait_served(weir.address, HOST, "v1")
        scenario.load(weir.address, HOST)
    finally:
        definitions = pathlib.Path(scenario.cache) / "manifests" / "gateway-api.yaml"
        kube.apply(definitions.read_text(encoding="utf-8"))
        kube.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    scenario.apply(GATEWAY_CLASS)
    address = gateway_up(scenario)
    scenario.apply(ROUTE)
    scenario.wait_served(address, HOST, "v1")
    weight_in_force(scenario, weir.address, HOST, {"v1": 100})
    return "a Gateway and its route served by a proxy that is older than their definitions, a Split all the time"


def remove(kube):
    """Takes away all definitions of Gateway API, and waits until the server has forgotten them."""
    names = [found["metadata"]["name"] for found in kube.list("customresourcedefinitions")]
    kube.kubectl("delete", "crd", *(name for name in names if name.endswith(".gateway.networking.k8s.io")))
