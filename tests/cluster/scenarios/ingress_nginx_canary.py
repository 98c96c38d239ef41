"""Blue/green over namespaces and back with the annotations of ingress-nginx: a canary Ingress takes over, in each order."""

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
    weigh_in(scenario, green, {"blue": 80, "green": 20})
    # What is open to blue stays open while blue is what the canary takes from.
    load.versions_during(3)
    websockets.stop().check()
    old_first(scenario, green)
    scenario.backend("shop", "blue")
    weigh_in(scenario, scenario, {"green": 80, "blue": 20})
    annotations_first(scenario, green)
    return (
        "blue to green by weights 20, 100, then by removing blue's Ingress and the annotations, no WebSocket closed; "
        "back to blue by the annotations and then green's Ingress"
    )


def served(scenario, percent):
    weight_in_force(scenario, None, HOST, percent)


def weigh_in(scenario, new, percent):
    """The canary Ingress in the other namespace takes its share, then everything."""
    new.apply(INGRESS, annotations=f'{PREFIX}/canary: "true", {PREFIX}/canary-weight: "20"')
    served(scenario, percent)
    new.kube.kubectl("annotate", "ingress", "shop", f"{PREFIX}/canary-weight=100", "--overwrite")
    served(scenario, {list(percent)[1]: 100})


def unmark(new):
    """The canary is a main Ingress from now on."""
    new.kube.kubectl("annotate", "ingress", "shop", f"{PREFIX}/canary-", f"{PREFIX}/canary-weight-")


def old_first(scenario, green):
    """Blue's Ingress goes, then the annotations: a canary without a main one serves all."""
    scenario.kube.delete("ingresses", "shop")
    served(scenario, {"green": 100})
    unmark(green)
    served(scenario, {"green": 100})
    gone(scenario)


def annotations_first(scenario, green):
    """The annotations go, then green's Ingress: of two main ones the older serves until it goes, and the younger is told."""
    unmark(scenario)
    served(scenario, {"green": 100})
    scenario.kube.wait_event("Ingress", "shop", "is older")
    green.kube.delete("ingresses", "shop")
    served(scenario, {"blue": 100})
    gone(green)


def gone(old):
    """Nobody asks for its pods any more."""
    old.kube.delete("deployments", "shop")
    old.wait_until(lambda: not old.kube.list("pods"), 60, "the old pods gone")
