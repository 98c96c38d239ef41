"""The example analysis: Prometheus scrapes the proxy, which has a good V2 promoted and a failing V3 taken back."""

from support.argo import Rollout, argo_up
from support.checks import weight_in_force
from support.prometheus import prometheus_up

SIDE_BY_SIDE = True

HOST = "spark.example.com"

# The example takes minutes; the queries, their ranges and the conditions are what it has.
SHORTER = (
    ("initialDelay: 45s", "initialDelay: 4s"),
    ("interval: 1m", "interval: 3s"),
    ("pause: {duration: 60s}", "pause: {duration: 8s}"),
)


def run(scenario):
    argo_up(scenario)
    weir = scenario.weir_up(replicas=1)
    prometheus = prometheus_up(scenario, weir)
    scenario.example("analysis", ("http://prometheus.monitoring:9090", prometheus), *SHORTER)
    rollout = Rollout(scenario, name="spark-app")
    rollout.wait_phase("Healthy")
    address = weir.address
    scenario.wait_served(address, HOST, "v1")
    rollout.release("v2")
    without_traffic(scenario, rollout)
    load = scenario.load(address, HOST, failing="v3")
    rollout.promote()
    rollout.wait_phase("Healthy")
    weight_in_force(scenario, address, HOST, {"v2": 100})
    rollout.release("v3", "--fail", "20%")
    rollout.wait_phase("Degraded")
    weight_in_force(scenario, address, HOST, {"v2": 100})
    verdicts = judged(scenario)
    sharp = verdicts.get("canary-success-rate", [])
    if "Failed" not in sharp or "Failed" in verdicts.get("success-rate", []):
        raise AssertionError(f"the check of the revision alone should have failed, and no other: {verdicts}")
    failures = load.tally.asked_to_fail
    return f"no traffic inconclusive, V2 promoted, V3 taken back by the check of its revision after {failures} failures"


def without_traffic(scenario, rollout):
    """Without requests there is no answer: the Rollout pauses for somebody to look."""

    def inconclusive(found):
        reasons = [pause["reason"] for pause in found["status"].get("pauseConditions") or []]
        return "InconclusiveAnalysisRun" in reasons

    scenario.kube.wait("rollouts", rollout.name, inconclusive, 60, "a pause for an inconclusive analysis")
    if rollout.status().get("abort"):
        raise AssertionError("no traffic has aborted the Rollout")


def judged(scenario):
    """What each metric came to, over all runs."""
    verdicts = {}
    for run_ in scenario.kube.list("analysisruns"):
        for metric in run_.get("status", {}).get("metricResults", []):
            verdicts.setdefault(metric["name"], []).append(metric["phase"])
    return verdicts
