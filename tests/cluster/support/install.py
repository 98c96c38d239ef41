"""Definitions, the proxy and its GatewayClass in a fresh cluster: what the conformance suite starts from."""

import sys

from .kube import Kube, is_true
from .runner import prepare
from .weir import NAMESPACE, weir_up

GATEWAY_CLASS = """\
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: weir}
spec: {controllerName: weir.dev/gateway-controller}
"""


def main():
    cache, kubeconfig = sys.argv[1:]
    kube = Kube(kubeconfig, NAMESPACE, f"{cache}/bin/kubectl")
    prepare(kube, cache)
    weir_up(kube)
    kube.apply(GATEWAY_CLASS)
    kube.wait("gatewayclasses", "weir", lambda found: is_true(found, "Accepted"), 30, "GatewayClass accepted")


if __name__ == "__main__":
    main()
