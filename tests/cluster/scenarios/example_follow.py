"""The step lists of the articles, 20, 50, 100 and 25, 50, 100, run as the example has them but for the length of pauses."""

from support.argo import Rollout, argo_up
from support.checks import expect_share, weight_in_force

SIDE_BY_SIDE = True

# The example's pauses last a minute, and ten; they are left by hand here, as an impatient user would.
STEPS = {"spark-app": ("spark.example.com", (20, 50)), "spark-app-rollout": ("slow.spark.example.com", (25, 50))}


def run(scenario):
    argo_up(scenario)
    address = scenario.weir_up(replicas=1).address
    scenario.example("argo-follow-rollout")
    told = [steps(scenario, address, name, *STEPS[name]) for name in STEPS]
    return "; ".join(told)


def steps(scenario, address, name, host, shares):
    rollout = Rollout(scenario, name=name)
    rollout.wait_phase("Healthy")
    scenario.wait_served(address, host, "v1")
    load = scenario.load(address, host)
    rollout.release("v2")
    for number, share in enumerate(shares):
        rollout.wait_paused(2 * number + 1)
        weight_in_force(scenario, address, host, {"v1": 100 - share, "v2": share})
        expect_share(load.versions_during(2), "v2", share)
        rollout.promote()
    rollout.wait_phase("Healthy")
    weight_in_force(scenario, address, host, {"v2": 100})
    load.stop()
    return f"{name}: {shares[0]}, {shares[1]}, 100"
