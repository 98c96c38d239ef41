"""The API server goes away and comes back: traffic goes on, and what is asked for meanwhile is done afterwards."""

from support.checks import expect_share, weight_in_force

from .split_kubectl import HOST, SPLIT, steer


def run(scenario):
    weir = scenario.weir_up(replicas=2)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    address = weir.address
    scenario.wait_served(address, HOST, "v1")
    load = scenario.load(address, HOST)
    steer(scenario, 25)
    weight_in_force(scenario, address, HOST, {"v1": 75, "v2": 25})
    scenario.cluster("stop", "apiserver")
    # What was in force stays in force for as long as nobody can ask for anything else.
    expect_share(load.versions_during(5), "v2", 25)
    scenario.cluster("start", "apiserver")
    steer(scenario, 50)
    weight_in_force(scenario, address, HOST, {"v1": 50, "v2": 50}, timeout=60)
    return "5 s without an API server, weights kept, new ones in force after it"
