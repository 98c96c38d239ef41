"""The example keda as it stands: the real KEDA scales both versions by what Prometheus has scraped from the proxy."""

from support.autoscaling import SHORTER, pods_follow
from support.keda import keda_up
from support.kube import is_true
from support.prometheus import prometheus_up

SIDE_BY_SIDE = True

# Its host, in a cluster where others have that of the example.
HOST = "keda.example.com"


def run(scenario):
    weir = scenario.weir_up(replicas=1)
    prometheus = prometheus_up(scenario, weir)
    keda_up(scenario)
    own = ('namespace="default"', f'namespace="{scenario.namespace}"')
    scenario.example("keda", ("shop.example.com", HOST), ("http://prometheus.monitoring:9090", prometheus), own, SHORTER)
    for name in ("shop-v1", "shop-v2"):
        scenario.kube.wait("scaledobjects", name, lambda found: is_true(found, "Ready"), 30, "ScaledObject ready")
    return pods_follow(scenario, weir.address, HOST)
