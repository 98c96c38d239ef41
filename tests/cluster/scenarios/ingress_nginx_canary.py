"""Blue/green over namespaces with the annotations of ingress-nginx: a canary Ingress of weight 100 takes over."""

from support.checks import weight_in_force

HOST = "shop.example.com"
GREEN = "ingress-green"
PREFIX = "nginx.ingress.kubernetes.io"

INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, annotations: {$annotations}}
spec:
  ingressClassName: weir
  rules:
  - host: shop.example.com
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}
"""


def run(scenario):
    weir = scenario.weir_up(replicas=2)
    scenario.backend("shop", "blue")
    scenario.apply(INGRESS, annotations="")
    address = weir.address
    scenario.wait_served(address, HOST, "blue")
    load = scenario.load(address, HOST)
    websockets = scenario.websockets(address, HOST, 10)
    green = scenario.beside(GREEN)
    green.backend("shop", "green")
    weigh_in(scenario, green, address)
    # What is open to blue stays open while blue is what the canary takes from.
    load.versions_during(3)
    websockets.stop().check()
    hand_over(scenario, green, address)
    return "blue to green by weights 20, 100, then by removing blue's Ingress, no WebSocket closed"


def weigh_in(scenario, green, address):
    """The canary Ingress in the new namespace takes its share, then everything."""
    green.apply(INGRESS, annotations=f'{PREFIX}/canary: "true", {PREFIX}/canary-weight: "20"')
    weight_in_force(scenario, address, HOST, {"blue": 80, "green": 20})
    green.kube.kubectl("annotate", "ingress", "shop", f"{PREFIX}/canary-weight=100", "--overwrite")
    weight_in_force(scenario, address, HOST, {"green": 100})


def hand_over(scenario, green, address):
    """The old Ingress goes, then the annotations: the canary is the main one from then on."""
    scenario.kube.delete("ingresses", "shop")
    weight_in_force(scenario, address, HOST, {"green": 100})
    green.kube.kubectl("annotate", "ingress", "shop", f"{PREFIX}/canary-", f"{PREFIX}/canary-weight-")
    weight_in_force(scenario, address, HOST, {"green": 100})
    scenario.kube.delete("deployments", "shop")
    scenario.wait_until(lambda: not scenario.kube.list("pods"), 60, "pods of blue gone")
