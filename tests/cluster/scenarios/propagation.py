"""How soon a client is answered by new weights: 100 writes among 3,000 HTTPRoutes that change all the time."""

import statistics

from support.bulk import Repeated, every
from support.gateway import gateway_up
from support.waiting import wait_until

RELEASE_ONLY = True
# As many routes as are made in time.
ROUTES, WRITES = 3_000, 100
HOST = "probe.example.com"
# Milliseconds: the second of two measurements may not be above either, on no machine.
MOST_MEDIAN, MOST_P99 = 10, 30


def run(scenario):
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.weir_up(replicas=1)
    address = gateway_up(scenario)
    scenario.kube.create("httproutes", route("probe", 0))
    made = every(ROUTES, lambda number: scenario.kube.create("httproutes", route(f"r{number}", number % 100)), 75)
    wait_told(scenario)
    scenario.wait_served(address, HOST, "v1")
    churn = Repeated(lambda number: change(scenario, number), pause=1.0).start()
    late = measured(scenario, address)
    again = is_above(late)
    if again:
        late = measured(scenario, address)
    churned = churn.stop()
    seen = f"median {statistics.median(late):.1f} ms, p99 {late[-2]:.1f} ms, longest {late[-1]:.1f} ms"
    if is_above(late):
        raise AssertionError(f"{made} HTTPRoutes: {seen}; no more than {MOST_MEDIAN} and {MOST_P99} ms were asked for, twice")
    return (
        f"{WRITES} writes among {made} HTTPRoutes ({churned} other changes), from the API server's audit log to the "
        f"first answer: {seen}" + (", in a second measurement" if again else "")
    )


def measured(scenario, address):
    """How long after each of so many writes the first answer by it came, milliseconds, the longest last."""
    probe = scenario.probe(address, HOST)
    for number in range(WRITES):
        write(scenario, probe, number)
    probe.stop()
    changes = scenario.changes("httproutes", "probe")[-WRITES:]
    moments = [moment for _, moment in probe.switches[1:]]
    return sorted(1000 * (moment - change.moment.timestamp()) for moment, change in zip(moments, changes, strict=True))


def is_above(late):
    return statistics.median(late) > MOST_MEDIAN or late[-2] > MOST_P99


def route(name, share):
    """An HTTPRoute of its own host over both backends."""
    shares = {"shop-v1": 100 - share, "shop-v2": share}
    backends = [{"name": to, "port": 80, "weight": weight} for to, weight in shares.items()]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": name},
        "spec": {
            "parentRefs": [{"name": "shop"}],
            "hostnames": [f"{name}.example.com"],
            "rules": [{"backendRefs": backends}],
        },
    }


def wait_told(scenario, timeout=60):
    """Waits until every route has its status: from then on only what changes costs anything."""
    seen = {}

    def told():
        routes = scenario.kube.list("httproutes")
        seen["without"] = sum(not found.get("status", {}).get("parents") for found in routes)
        return not seen["without"]

    wait_until(told, timeout, lambda: f"a status of every route; {seen['without']} have none", every=1)


def change(scenario, number):
    """A route that is new, or one that is patched."""
    if number % 2:
        scenario.kube.create("httproutes", route(f"new{number}", 50))
    else:
        scenario.kube.patch("httproutes", f"r{number}", {"spec": route(f"r{number}", number % 90)["spec"]})


def write(scenario, probe, number):
    """All weight to the other version, and a wait until the probe has seen it."""
    wanted = "v1" if number % 2 else "v2"
    share = 0 if wanted == "v1" else 100
    scenario.kube.patch("httproutes", "probe", {"spec": {"rules": route("probe", share)["spec"]["rules"]}})
    scenario.wait_until(lambda: probe.version == wanted or probe.failures, 30, f"an answer by {wanted}")
