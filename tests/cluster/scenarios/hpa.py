"""The example hpa as it stands: HorizontalPodAutoscalers by prometheus-adapter, which asks a Prometheus that scrapes the proxy."""

from support.adapter import adapter_up
from support.autoscaling import SHORTER, pods_follow
from support.prometheus import prometheus_up

SIDE_BY_SIDE = True

# Its host, in a cluster where others have that of the example.
HOST = "hpa.example.com"


def run(scenario):
    weir = scenario.weir_up(replicas=1)
    prometheus = prometheus_up(scenario, weir)
    scenario.example("hpa", ("shop.example.com", HOST), SHORTER)
    adapter_up(scenario, prometheus, "prometheus-adapter-weir")
    return pods_follow(scenario, weir.address, HOST)
