"""The example flagger-ab: who carries the header or the cookie is on V2, and Flagger's checks ask the proxy itself."""

from support.checks import weight_in_force
from support.flagger import DIALECTS, example, flagger_up
from support.gateway import HOST, gateway_address

SIDE_BY_SIDE = True

INSIDER = {"x-canary": "insider"}
ALWAYS = {"Cookie": "theme=dark; canary=always"}


def run(scenario):
    flagger_up(scenario)
    weir = scenario.weir_up(replicas=2, dialects=DIALECTS)
    canary = example(scenario, weir, "flagger-ab", ("iterations: 10", "iterations: 2"))
    address = gateway_address(scenario)
    scenario.wait_served(address, HOST, "v1")
    scenario.load(address, HOST)
    insiders = scenario.load(address, HOST, headers=INSIDER, rate=50)
    canary.release("v2")
    canary.wait_phase("Progressing")
    scenario.wait_until(lambda: set(insiders.versions_during(1)) == {"v2"}, 30, "insiders on v2")
    seen = [dict(scenario.shares(address, HOST, 20, headers=headers)) for headers in (ALWAYS, {"Cookie": "canary=no"})]
    if seen != [{"v2": 20}, {"v1": 20}]:
        raise AssertionError(f"the cookie should decide: {seen}")
    weight_in_force(scenario, address, HOST, {"v1": 100})
    canary.wait_phase("Succeeded")
    weight_in_force(scenario, address, HOST, {"v2": 100})
    return "V2 for header and cookie alone, then promoted; success rate and duration asked of the proxy"
