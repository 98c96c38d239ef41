"""The API server goes away and comes back: traffic goes on, and what is asked for meanwhile is done afterwards."""

from support.checks import expect_share, weight_in_force

from .split_kubectl import HOST, SPLIT, steer

# A watch of the controller manager that found no API server is made again after up to a minute.
CONTROLLERS_SECONDS = 120


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
    controllers_follow(scenario)
    return "5 s without an API server, weights kept, new ones in force after it"


def controllers_follow(scenario):
    """Waits until new pods get into EndpointSlices: the scenarios that come next need it."""
    scenario.backend("shop-v3", "v3")

    def told():
        slices = scenario.kube.list("endpointslices", selector="kubernetes.io/service-name=shop-v3")
        ready = [found["conditions"].get("ready") for each in slices for found in each.get("endpoints") or []]
        return ready == [True, True]

    scenario.wait_until(told, CONTROLLERS_SECONDS, "pods in the EndpointSlices of shop-v3")
