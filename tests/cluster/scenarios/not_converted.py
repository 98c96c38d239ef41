"""Objects that a looser definition lets through and the proxy cannot read: each is told where it stands, and all else goes on."""

from pkubelet.api import ApiError
from support.checks import weight_in_force
from support.gateway import HOST as ROUTED
from support.gateway import gateway_up
from support.kube import condition

from .crd_later import ROUTE
from .split_kubectl import HOST, SPLIT, steer

LOOSE = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}

# Definition, resource, what cannot be read of it, and which place the message names.
BAD = [
    ("splits.weir.dev", "splits", {"versions": "all of them"}, "versions"),
    ("httproutes.gateway.networking.k8s.io", "httproutes", {"rules": [{"backendRefs": [{"name": 7}]}]}, "spec.rules[0].backendRefs[0]"),
]


def run(scenario):
    weir = scenario.weir_up(replicas=2)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    gateway = gateway_up(scenario)
    scenario.apply(ROUTE)
    scenario.wait_served(gateway, ROUTED, "v1")
    scenario.wait_served(weir.address, HOST, "v1")
    scenario.load(weir.address, HOST)
    scenario.load(gateway, ROUTED)
    for name, resource, spec, place in BAD:
        told(scenario, name, resource, spec, place)
    steer(scenario, 40)
    weight_in_force(scenario, weir.address, HOST, {"v1": 60, "v2": 40})
    return "a Split and an HTTPRoute that cannot be read, each told with the place; the others follow their weights"


def told(scenario, definition, resource, spec, place):
    """An object that only a loose definition allows is refused by a condition that names the place."""
    kube = scenario.kube
    before = kube.get("customresourcedefinitions", definition)["spec"]["versions"]
    loosen(kube, definition, [{**version, "schema": LOOSE} for version in before])
    try:
        parents = {"parentRefs": [{"name": "shop"}]} if resource == "httproutes" else {}
        version = next(version["name"] for version in before if version["storage"])
        about = {"apiVersion": f"{definition.split('.', 1)[1]}/{version}", "metadata": {"name": "odd"}}
        kind = "HTTPRoute" if resource == "httproutes" else "Split"
        scenario.wait_until(lambda: taken(kube, resource, {**about, "kind": kind, "spec": {**parents, **spec}}), 30, "it is allowed")
        kube.wait(resource, "odd", lambda found: refusal(found, place), 30, f"refused for {place}")
    finally:
        kube.delete(resource, "odd")
        loosen(kube, definition, before)


def loosen(kube, definition, versions):
    kube.patch("customresourcedefinitions", definition, {"spec": {"versions": versions}})


def taken(kube, resource, thing):
    """Whether the API server takes it by now: it learns of a definition a moment later."""
    try:
        kube.create(resource, thing)
    except ApiError as error:
        if error.code in (400, 422):
            return False
        raise
    return True


def refusal(found, place):
    """The condition that says what of the object, or of its parent's entry, cannot be read."""
    status = found.get("status") or {}
    accepted = [condition(part, "Accepted") for part in (status, *status.get("parents", []))]
    return any(c and c["status"] == "False" and place in c["message"] for c in accepted)
