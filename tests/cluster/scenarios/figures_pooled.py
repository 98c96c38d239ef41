"""Three replicas: the figures in the status of a Split are those of all of them together."""

from support.kube import is_true
from support.load import shares

from .split_kubectl import HOST, SPLIT

# Requests by replica.
EACH = (60, 30, 10)


def run(scenario):
    weir = scenario.weir_up(replicas=len(EACH))
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT.replace("weight: 100", "weight: 75").replace("weight: 0", "weight: 25"))
    addresses = [pod["status"]["podIP"] for pod in weir.pods()]
    for address in addresses:
        scenario.wait_served(address, HOST, port=8080)
    for address, count in zip(addresses, EACH):
        scenario.requests += shares(address, 8080, HOST, count).requests
    counted(scenario, weir)
    # One that goes takes its own along.
    gone = weir.pods()[0]["metadata"]["name"]
    scenario.kube.delete("pods", gone, weir.namespace, grace=0)
    scenario.wait_until(lambda: replaced(weir, gone), 60, f"another replica in the place of {gone}")
    counted(scenario, weir)
    return f"{', '.join(map(str, EACH))} requests on {len(EACH)} replicas told as their sum, and less those of one that went"


def replaced(weir, gone):
    """Whether another one is ready in the place of a replica."""
    pods = weir.pods()
    ready = [pod for pod in pods if pod["metadata"]["name"] != gone and is_true(pod["status"], "Ready")]
    return len(ready) == len(pods) == len(EACH)


def counted(scenario, weir):
    """Waits until the status has what all replicas together have counted."""
    all_splits = [split for status in weir.statuses() for split in status["splits"]]
    versions = [split["versions"] for split in all_splits if split["name"] == "shop"]
    sums = [sum(version["requests"] for version in of_all) for of_all in zip(*versions)]

    def told(split):
        known = split.get("status", {}).get("versions", [])
        return [version["requests"] for version in known] == sums

    scenario.kube.wait("splits", "shop", told, 45, f"requests {sums}")
