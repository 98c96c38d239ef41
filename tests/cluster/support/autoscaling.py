"""What the examples hpa and keda have in common: pods that follow the traffic of their version."""

import collections
import json

from .checks import expect_exact, expect_share, weight_in_force

# Requests a second, 25 of which the examples mean for a pod: 90% of them are 4 pods, 10% the two that there are at least.
RATE = 100
MANY, FEW = 4, 2

# The range of the examples' queries is a minute, which the scenario would have to wait for each time.
SHORTER = ("[1m]", "[10s]")


def pods_follow(scenario, address, host):
    """Has the weights changed under load, and sees the pods of both versions follow; what was seen."""
    scenario.wait_served(address, host)
    load = scenario.load(address, host, rate=RATE)
    scaled(scenario, load, address, host, {"v1": 90, "v2": 10})
    patch = [{"op": "replace", "path": f"/spec/versions/{at}/weight", "value": (10, 90)[at]} for at in (0, 1)]
    scenario.kube.kubectl("patch", "split", "shop", "--type=json", "-p", json.dumps(patch))
    scaled(scenario, load, address, host, {"v1": 10, "v2": 90})
    return f"{MANY} and {FEW} pods at 90 and 10%, {FEW} and {MANY} after a patch of the weights; the shares meanwhile as asked for"


def scaled(scenario, load, address, host, percent):
    """Waits for the pods of these shares, during which the shares stay what they are."""
    weight_in_force(scenario, address, host, percent)
    before = collections.Counter(load.tally.versions)
    for version, share in percent.items():
        wait_replicas(scenario, f"shop-{version}", MANY if share > 50 else FEW)
    for version, share in percent.items():
        expect_share(load.tally.versions - before, version, share)
        expect_exact(scenario, load, address, host, version, share)


def wait_replicas(scenario, name, replicas):
    """Waits until the Deployment is to have so many replicas, and has them."""

    def there(deployment):
        status = deployment.get("status", {})
        return deployment["spec"]["replicas"] == status.get("readyReplicas") == status.get("replicas") == replicas

    scenario.kube.wait("deployments", name, there, 60, lambda: f"{name} with {replicas} pods; {told(scenario.kube)}")


def told(kube):
    """What the autoscalers say of themselves."""
    autoscalers = kube.list("horizontalpodautoscalers")
    return {each["metadata"]["name"]: str(each.get("status"))[:600] for each in autoscalers} or "no autoscalers"
