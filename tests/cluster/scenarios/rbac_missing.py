"""A right is missing: the log names the rule, all else is served; once it is there, so is what needs it."""

from support.gateway import HOST, gateway_up

from .crd_later import ROUTE
from .split_kubectl import SPLIT

RULE = ("httproutes", "apiGroups", "gateway.networking.k8s.io", "list, watch")


def run(scenario):
    weir = scenario.weir_up(replicas=0)
    without(scenario.kube, "httproutes")
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    weir.scale(1)
    scenario.wait_until(lambda: named(weir), 30, lambda: f"a line that names the rule; there is {weir.logs(50)}")
    scenario.wait_served(weir.address, HOST, "v1")
    scenario.load(weir.address, HOST)
    address = gateway_up(scenario)
    scenario.apply(ROUTE)
    # The rule comes back as its administrator would bring it: by applying deploy/base.
    scenario.weir_up(replicas=1)
    scenario.wait_served(address, HOST, "v1", timeout=45)
    return f"the log names the rule for {RULE[0]}, a Split is served, the route too once the rule is there"


def named(weir):
    """Whether one line of the log has the whole rule."""
    return any(all(word in line for word in RULE) for line in weir.logs(50).splitlines())


def without(kube, resource):
    """Takes a resource out of all rules of the proxy's role."""
    role = kube.get("clusterroles", "weir")
    rules = [{**rule, "resources": [name for name in rule["resources"] if name != resource]} for rule in role["rules"]]
    kube.patch("clusterroles", "weir", {"rules": [rule for rule in rules if rule["resources"]]})
