"""The example argo-smi: Argo's own traffic router for the Service Mesh Interface writes a TrafficSplit (v1alpha1)."""

from support.argo import Rollout, argo_up

from .argo_nginx import steps

SIDE_BY_SIDE = True


def run(scenario):
    argo_up(scenario)
    weir = scenario.weir_up(replicas=2)
    scenario.example("argo-smi")
    rollout = Rollout(scenario)
    rollout.wait_phase("Healthy")
    # The root Service is the host that clients ask for.
    address, host = weir.address, f"shop.{scenario.namespace}"
    scenario.wait_served(address, host, "v1")
    load = scenario.load(address, host)
    steps(scenario, rollout, load, address, host)
    return "V1 to V2 by 20, 50, 100 through a TrafficSplit, V3 aborted at 20"
