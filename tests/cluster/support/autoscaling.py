"""What the examples hpa and keda have in common: pods that follow the traffic of their version."""

import collections
import json

from .checks import expect_exact, expect_share, weight_in_force

# Requests a second, 25 of which the examples mean for a pod: 90% of them are 4 pods, or 3 on a machine that has too much to
# do to ask so often; 10% are the two that there are at least. So many connections that slow answers keep few requests back.
RATE, CONNECTIONS = 100, 32
MANY, FEW = (3, 4), (2,)

# The range of the examples' queries is a minute, which the scenario would have to wait for each time.
SHORTER = ("[1m]", "[10s]")


def pods_follow(scenario, address, host):
    """Has the weights changed under load, and sees the pods of both versions follow; what was seen."""
    scenario.wait_served(address, host)
    load = scenario.load(address, host, rate=RATE, connections=CONNECTIONS)
    pods = [scaled(scenario, load, address, host, {"v1": 90, "v2": 10})]
    patch = [{"op": "replace", "path": f"/spec/versions/{at}/weight", "value": (10, 90)[at]} for at in (0, 1)]
    scenario.kube.kubectl("patch", "split", "shop", "--type=json", "-p", json.dumps(patch))
    pods.append(scaled(scenario, load, address, host, {"v1": 10, "v2": 90}))
    return f"{pods[0]} pods at 90 and 10%, {pods[1]} after a patch of the weights; the shares meanwhile as asked for"


def scaled(scenario, load, address, host, percent):
    """Waits for the pods of these shares, during which the shares stay what they are; how many pods, in words."""
    weight_in_force(scenario, address, host, percent)
    before = collections.Counter(load.tally.versions)
    pods = [wait_replicas(scenario, f"shop-{version}", MANY if share > 50 else FEW) for version, share in percent.items()]
    for version, share in percent.items():
        expect_share(load.tally.versions - before, version, share)
        expect_exact(scenario, load, address, host, version, share)
    return " and ".join(map(str, pods))


def wait_replicas(scenario, name, replicas):
    """Waits until the Deployment is to have one of these numbers of replicas, and has them; the number."""

    def there(deployment):
        status = deployment.get("status", {})
        wanted = deployment["spec"]["replicas"]
        return wanted in replicas and wanted == status.get("readyReplicas") == status.get("replicas")

    found = scenario.kube.wait(
        "deployments", name, there, 60, lambda: f"{name} with {replicas} pods; {told(scenario.kube)}"
    )
    return found["spec"]["replicas"]


def told(kube):
    """What the autoscalers say of themselves."""
    autoscalers = kube.list("horizontalpodautoscalers")
    return {each["metadata"]["name"]: str(each.get("status"))[:600] for each in autoscalers} or "no autoscalers"
