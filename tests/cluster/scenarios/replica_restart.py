"""The replicas of the proxy are replaced one after the other under load, and clients see nothing of it."""

from support.checks import weight_in_force

from .split_kubectl import HOST, SPLIT, steer


def run(scenario):
    weir = scenario.weir_up(replicas=2)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    address = weir.address
    scenario.wait_served(address, HOST, "v1")
    steer(scenario, 20)
    weight_in_force(scenario, address, HOST, {"v1": 80, "v2": 20})
    load = scenario.load(address, HOST)
    before = {pod["metadata"]["name"] for pod in weir.pods()}
    scenario.kube.kubectl("rollout", "restart", "deployment/weir", namespace=weir.namespace)
    scenario.kube.wait_available("weir", 120, weir.namespace)
    scenario.wait_until(lambda: not before & {pod["metadata"]["name"] for pod in weir.pods()}, 90, "old replicas gone")
    weight_in_force(scenario, address, HOST, {"v1": 80, "v2": 20})
    load.versions_during(1)
    return "both replicas replaced"
