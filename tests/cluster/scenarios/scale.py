"""What 5,000 HTTPRoutes, Services and EndpointSlices cost the proxy, at rest and while they change."""

from support.bulk import Process, Repeated, every
from support.gateway import gateway_up

from .propagation import wait_told

RELEASE_ONLY = True
# As many routes as are made in time.
ROUTES, MAKING, SECONDS = 5_000, 125, 30


def run(scenario):
    scenario.backend("shop", "v1")
    pods = [pod["status"]["podIP"] for pod in scenario.kube.list("pods", selector="app=shop")]
    weir = scenario.weir_up(replicas=1)
    address = gateway_up(scenario)
    made = every(ROUTES, lambda number: make(scenario, number, pods), MAKING)
    wait_told(scenario, 40)
    host = f"r{made - 1}.example.com"
    scenario.wait_served(address, host, "v1")
    process = Process(weir)
    scenario.load(address, host, rate=10, connections=1)
    churn = Repeated(lambda number: change(scenario, number, pods), pause=1.0).start()
    cores = process.cores_during(SECONDS)
    churned = churn.stop()
    resident, own = process.memory("VmRSS"), process.memory("RssAnon")
    return (
        f"{made} HTTPRoutes, Services, EndpointSlices: {resident:.0f} MiB resident, {own:.0f} MiB of them its own; "
        f"{cores:.3f} cores over {SECONDS} s with {churned} changes"
    )


def make(scenario, number, pods):
    """A route, its Service without an address, and the slice of pods behind it."""
    name = f"r{number}"
    service = {"metadata": {"name": name}, "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 8080}]}}
    scenario.kube.create("services", service)
    scenario.kube.create("endpointslices", endpoint_slice(name, pods))
    spec = {
        "parentRefs": [{"name": "shop"}],
        "hostnames": [f"{name}.example.com"],
        "rules": [{"backendRefs": [{"name": name, "port": 8080}]}],
    }
    about = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name}}
    scenario.kube.create("httproutes", {**about, "spec": spec})


def endpoint_slice(name, pods):
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [pod], "conditions": {"ready": True}} for pod in pods],
    }


def change(scenario, number, pods):
    """A route gets another rule and back; a Service loses a pod and gets it back."""
    name = f"r{number // 2}"
    if number % 2:
        scenario.kube.patch("endpointslices", name, {"endpoints": endpoint_slice(name, pods[:1])["endpoints"]})
    else:
        hosts = [f"{name}.example.com", f"also-{name}.example.com"]
        scenario.kube.patch("httproutes", name, {"spec": {"hostnames": hosts}})
