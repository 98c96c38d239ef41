"""Two replicas: how many connections drain is told for both together, by the Split's conditions."""

from support.kube import condition, is_true
from support.websockets import WebSocket

HOST = "shop.example.com"

SPLIT = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  versions:
  - {name: stable, service: shop-v1, port: 80, weight: 100}
  - {name: canary, service: shop-v2, port: 80, weight: 0}
  drain: {timeout: 60s, spread: 2s}
"""
# Connections by replica.
EACH = (4, 3)


def run(scenario):
    weir = scenario.weir_up(replicas=len(EACH))
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    scenario.wait_served(weir.address, HOST, "v1")
    scenario.load(weir.address, HOST)
    addresses = [pod["status"]["podIP"] for pod in weir.pods()]
    # Clients that answer late when they are asked to go.
    opened = [WebSocket(at, 8080, HOST) for at, count in zip(addresses, EACH) for _ in range(count)]
    told(scenario, "Draining", False, "nothing drains")
    change = {"versions": [{"name": "stable", "service": "shop-v1", "port": 80, "weight": 0}]}
    change["versions"].append({"name": "canary", "service": "shop-v2", "port": 80, "weight": 100})
    scenario.kube.patch("splits", "shop", {"spec": change})
    message = f"{len(opened)} long-lived connections of stable on {len(EACH)} replicas are asked to end"
    told(scenario, "Draining", True, message)
    for websocket in opened[: EACH[0]]:
        websocket.close()
    told(scenario, "Draining", True, f"{EACH[1]} long-lived connections of stable")
    for websocket in opened[EACH[0] :]:
        websocket.close()
    told(scenario, "Drained", True, "nothing drains")
    return f"{' and '.join(map(str, EACH))} connections on {len(EACH)} replicas told as {len(opened)}, then as what was left"


def told(scenario, kind, holds, message):
    """Waits until a condition of the Split says so."""

    def fits(split):
        found = condition(split, kind)
        return found is not None and is_true(split["status"], kind) == holds and message in found["message"]

    scenario.kube.wait("splits", "shop", fits, 45, f"{kind} {holds}: {message}")
