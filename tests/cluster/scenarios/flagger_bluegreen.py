"""The example flagger-bluegreen: V2 is checked without traffic, then takes all of it at once."""

from support.checks import weight_in_force
from support.flagger import example, flagger_up
from support.gateway import HOST, gateway_address

SIDE_BY_SIDE = True


def run(scenario):
    flagger_up(scenario)
    scenario.weir_up(replicas=2)
    canary = example(scenario, None, "flagger-bluegreen", ("iterations: 10", "iterations: 2"))
    address = gateway_address(scenario)
    scenario.wait_served(address, HOST, "v1")
    load = scenario.load(address, HOST)
    canary.release("v2")
    canary.wait_phase("Progressing")
    if set(load.versions_during(2)) != {"v1"}:
        raise AssertionError(f"nobody should be on v2 while it is checked: {dict(load.tally.versions)}")
    canary.wait_phase("Succeeded")
    weight_in_force(scenario, address, HOST, {"v2": 100})
    return "V1, then V2 at once"
