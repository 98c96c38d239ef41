"""The example flagger-canary: a client that has seen V2 stays there while the weights move, by Flagger's cookie."""

from support.checks import weight_in_force
from support.flagger import DIALECTS, example, flagger_up
from support.gateway import HOST, gateway_address

SIDE_BY_SIDE = True


def run(scenario):
    flagger_up(scenario)
    weir = scenario.weir_up(replicas=2, dialects=DIALECTS)
    canary = example(scenario, weir, "flagger-canary", ("stepWeight: 10", "stepWeight: 25"))
    address = gateway_address(scenario)
    scenario.wait_served(address, HOST, "v1")
    scenario.load(address, HOST)
    sessions = scenario.sessions(address, HOST, 20, "shop-canary", "v2")
    canary.release("v2")
    for weight in (25, 50):
        canary.wait_weight(weight)
        weight_in_force(scenario, address, HOST, {"v1": 100 - weight, "v2": weight})
    canary.wait_phase("Succeeded")
    weight_in_force(scenario, address, HOST, {"v2": 100})
    if not sessions.marked:
        raise AssertionError("no client was given the cookie")
    return f"V2 by 25, 50, promoted; {len(sessions.marked)} of 20 clients got the cookie and none of them left V2"
