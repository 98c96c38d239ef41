"""The chart with some namespaces: rights in these and nowhere else are enough, and other namespaces are nobody's business."""

import pathlib
import re

from support.checks import weight_in_force
from support.kube import is_true
from support.weir import NAMESPACE, Weir

from .split_kubectl import HOST, SPLIT

CHART = pathlib.Path(__file__).parent.parent.parent.parent / "deploy" / "helm" / "namespaced.yaml"
BESIDE = "least-rights-web"
ELSEWHERE = "least-rights-other"


def run(scenario):
    web, other = scenario.beside(BESIDE), scenario.beside(ELSEWHERE)
    text = CHART.read_text(encoding="utf-8")
    for name, namespace in (("shop", scenario.namespace), ("web", BESIDE)):
        text = text.replace(f"namespace: {name}\n", f"namespace: {namespace}\n")
    text = text.replace("--namespaces=shop,web", f"--namespaces={scenario.namespace},{BESIDE}")
    scenario.kube.ensure_namespace(NAMESPACE)
    scenario.installed.add(NAMESPACE)
    install(scenario.kube, text)
    weir = Weir(scenario.kube)
    scenario.kube.wait_available("weir", 60, NAMESPACE)
    for place, host in ((scenario, HOST), (web, "web.example.com"), (other, "other.example.com")):
        place.backend("shop-v1", "v1")
        place.backend("shop-v2", "v2")
        place.apply(SPLIT.replace(HOST, host))
    for host in (HOST, "web.example.com"):
        scenario.wait_served(weir.address, host, "v1")
    scenario.load(weir.address, HOST)
    for place in (scenario, web):
        place.kube.wait("splits", "shop", lambda found: is_true(found.get("status", {}), "Programmed"), 30, "programmed")
    scenario.kube.patch("splits", "shop", {"spec": {"versions": versions(60, 40)}})
    weight_in_force(scenario, weir.address, HOST, {"v1": 60, "v2": 40})
    if other.kube.get("splits", "shop").get("status"):
        raise AssertionError("a Split of a namespace that is not looked at has a status")
    told = [line for line in weir.logs(200).splitlines() if "cannot be watched" in line or "cannot be read" in line]
    if told:
        raise AssertionError(f"rights are missing: {told[0]}")
    return "two namespaces served and told with a Role in each, a third left alone, no right missing"


def is_object(document):
    return re.search(r"^kind: ", document, re.MULTILINE)


def install(kube, text):
    """Applies each object in its own namespace, as Helm does."""
    for document in filter(is_object, text.split("\n---\n")):
        namespace = re.search(r"^  namespace: (\S+)$", document, re.MULTILINE)
        kube.apply(document, namespace[1] if namespace else NAMESPACE)


def versions(stable, canary):
    return [
        {"name": "stable", "service": "shop-v1", "port": 80, "weight": stable},
        {"name": "canary", "service": "shop-v2", "port": 80, "weight": canary},
    ]
