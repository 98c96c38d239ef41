"""A replica loses its API server and no connection is told: it finds out, serves what it knew, and catches up, also by new lists."""

import re
import time
import urllib.request

from support.checks import expect_share, fits, weight_in_force
from support.kube import condition, is_true
from support.partition import cut_off

from .split_kubectl import HOST, SPLIT, steer

# Seconds: the kernel asks after 15 of silence, and gives up 15 later; then a connection is tried for 5.
NOTICED = 45
# Tries are at most 10 s apart, and one that is under way may take 5 of its own.
CAUGHT_UP = 25
PORT = 8080


def run(scenario):
    weir = scenario.weir_up(replicas=2)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    scenario.wait_served(weir.address, HOST, "v1")
    cut, other = by_lease(scenario, weir)
    # The first load is the one that weight_in_force looks at.
    loads = [scenario.load(pod["status"]["podIP"], HOST, port=PORT) for pod in (cut, other)]
    steer(scenario, 25)
    in_force(scenario, 25)
    noticed, caught_up = stalled(scenario, weir, cut, loads)
    lists = forgotten(scenario, weir, cut, loads)
    controllers_anew(scenario)
    return (
        f"cut off the replica with the Lease: noticed after {noticed:.0f} s, named as lagging, old weights served, new ones "
        f"{caught_up:.1f} s after the cut ended; with an API server that knows nothing of before: 410, {lists} lists of Splits, new weights"
    )


def by_lease(scenario, weir):
    """The replica that writes statuses, and the one that does not."""

    def holder():
        lease = scenario.kube.get("leases", "weir", weir.namespace)
        return lease and [pod for pod in weir.pods() if pod["metadata"]["name"] == lease["spec"].get("holderIdentity")]

    (writes,) = scenario.wait_until(holder, 30, "a replica that holds the Lease")
    (other,) = [pod for pod in weir.pods() if pod["metadata"]["name"] != writes["metadata"]["name"]]
    return writes, other


def in_force(scenario, canary, timeout=30):
    weight_in_force(scenario, None, HOST, {"v1": 100 - canary, "v2": canary}, timeout=timeout)


def stalled(scenario, weir, cut, loads):
    """Packets are dropped and nothing is closed; seconds until that is noticed, and until the new weights are in force afterwards."""
    with cut_off(scenario.kube, cut):
        begun = time.monotonic()
        steer(scenario, 50)
        scenario.wait_until(lambda: fits(loads[1].versions_during(1), "v2", 50), 30, "the other replica to follow")
        scenario.wait_until(lambda: is_told(weir, cut), NOTICED, lambda: f"the lost watch to be told; {weir.log(cut, 20)}")
        noticed = time.monotonic() - begun
        if interrupted(cut) < 1:
            raise AssertionError("weir_watches_interrupted should say that watches fail")
        scenario.kube.wait("splits", "shop", lambda split: lags(split, cut), 30, "the replica named as lagging")
        expect_share(loads[0].versions_during(2), "v2", 25)
        scenario.kube.wait_available("weir", 1, weir.namespace)
    lifted = time.monotonic()
    in_force(scenario, 50, CAUGHT_UP)
    caught_up = time.monotonic() - lifted
    scenario.wait_until(lambda: interrupted(cut) == 0, CAUGHT_UP, "all watches to go on")
    scenario.kube.wait("splits", "shop", lambda split: is_true(split, "Programmed"), 30, "programmed by both")
    return noticed, caught_up


def forgotten(scenario, weir, cut, loads):
    """The API server is another process when the cut ends; how often the replica listed the Splits since."""
    before = len(lists_by(scenario, cut))
    with cut_off(scenario.kube, cut):
        steer(scenario, 75)
        scenario.cluster("stop", "apiserver")
        scenario.cluster("start", "apiserver")
        expect_share(loads[0].versions_during(2), "v2", 50)
    in_force(scenario, 75, NOTICED + CAUGHT_UP)
    scenario.wait_until(lambda: "splits: the API server has forgotten" in weir.log(cut, 200), 10, "a 410 to be told")
    return scenario.wait_until(lambda: len(lists_by(scenario, cut)) - before, 10, "a list in the audit log")


def is_told(weir, pod):
    """Whether the log says that the Splits are not watched."""
    lines = weir.log(pod, 100).splitlines()
    return any("splits: " in line and "what is known is served on" in line for line in lines)


def lags(split, pod):
    """Whether the status names the replica as the one that does not serve the newest generation."""
    told = condition(split, "Programmed")
    current = told["observedGeneration"] == split["metadata"]["generation"]
    return current and (told["status"], told["reason"]) == ("False", "Lagging") and pod["metadata"]["name"] in told["message"]


def interrupted(pod):
    """How many watches of the replica fail, as its metrics say."""
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:9902/metrics", timeout=10) as answer:
        return int(re.search(r"^weir_watches_interrupted (\d+)$", answer.read().decode(), re.MULTILINE)[1])


def lists_by(scenario, pod):
    """The lists of Splits that the pod was given, from the API server's audit log."""
    return scenario.lists("splits", pod["status"]["podIP"])


def controllers_anew(scenario):
    """Their watches would take up to a minute to find the new API server, and the scenarios that come next need them."""
    scenario.cluster("stop", "controllers")
    scenario.cluster("start", "controllers")
