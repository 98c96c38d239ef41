"""A TrafficSplit for some clients: it divides nothing until the definition and the group of its matches are there, then only theirs."""

from support.load import shares

from .smi import HOST, ROOT

SPLIT = """\
apiVersion: split.smi-spec.io/v1alpha3
kind: TrafficSplit
metadata: {name: testers}
spec:
  service: shop
  matches: [{kind: HTTPRouteGroup, name: testers}]
  backends: [{service: shop-v1, weight: 0}, {service: shop-v2, weight: 1}]
"""

GROUP = """\
apiVersion: specs.smi-spec.io/v1alpha4
kind: HTTPRouteGroup
metadata: {name: testers}
spec: {matches: [{name: testers, methods: [GET], pathRegex: "/.*", headers: {x-tester: "yes|please"}}]}
"""

TESTER = {"x-tester": "yes"}
DEFINITION = "httproutegroups.specs.smi-spec.io"
# Requests of a tester.
ASKED = 20


def run(scenario):
    weir = scenario.weir_up(replicas=1)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    # Of the root Service only the first version, so that it shows who is not divided.
    scenario.apply(ROOT.replace("{app: shop}", "{app: shop, version: v1}"))
    address, host = weir.address, f"{HOST}.{scenario.namespace}"
    scenario.apply(SPLIT)
    scenario.wait_served(address, host, "v1")
    load = scenario.load(address, host)
    scenario.kube.wait_event("TrafficSplit", "testers", "MatchNotResolved", "HTTPRouteGroup")
    tester(scenario, address, host, "v1")
    try:
        scenario.manifest("httproutegroups.yaml")
        scenario.kube.kubectl("wait", "--for=condition=Established", "crd", DEFINITION, "--timeout=30s")
        scenario.apply(GROUP)
        tester(scenario, address, host, "v2")
    finally:
        scenario.kube.delete("customresourcedefinitions", DEFINITION)
    if set(load.tally.versions) != {"v1"}:
        raise AssertionError(f"others than testers were divided, too: {dict(load.tally.versions)}")
    return "nobody without the definition, then the clients that the group means and nobody else"


def tester(scenario, address, host, version):
    """Waits until all requests of a tester go there."""

    def all_go():
        tally = shares(address, 80, host, ASKED, headers=TESTER)
        scenario.requests += ASKED
        return set(tally.versions) == {version}

    scenario.wait_until(all_go, 30, f"a tester's requests answered by {version}")
