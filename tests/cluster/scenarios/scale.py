"""What 5,000 HTTPRoutes, Services, EndpointSlices and pods cost the proxy, at rest and while they change."""

from support.bulk import Process, Repeated, every
from support.gateway import gateway_up

from .propagation import wait_told

RELEASE_ONLY = True
# As many routes as are made in time.
ROUTES, MAKING, SECONDS = 5_000, 150, 30
# MiB resident, and cores: neither may be more, on no machine.
MOST_MEMORY, MOST_CORES = 46, 0.1


def run(scenario):
    scenario.backend("shop", "v1")
    pods = [pod["status"]["podIP"] for pod in scenario.kube.list("pods", selector="app=shop")]
    weir = scenario.weir_up(replicas=1)
    address = gateway_up(scenario)
    owner = scenario.kube.create("configmaps", {"metadata": {"name": "owner"}})
    made = every(ROUTES, lambda number: make(scenario, number, owner), MAKING)
    wait_told(scenario, 40)
    host = f"r{made - 1}.example.com"
    scenario.kube.patch("endpointslices", f"r{made - 1}", {"endpoints": [endpoint(pod) for pod in pods]})
    scenario.wait_served(address, host, "v1")
    process = Process(weir)
    scenario.load(address, host, rate=10, connections=1)
    churn = Repeated(lambda number: change(scenario, number), pause=1.0).start()
    cores = process.cores_during(SECONDS)
    churned = churn.stop()
    resident, own = process.memory("VmRSS"), process.memory("RssAnon")
    if resident > MOST_MEMORY or cores > MOST_CORES:
        raise AssertionError(f"{made} routes: {resident:.1f} MiB resident, {own:.1f} MiB its own, {cores:.3f} cores")
    return (
        f"{made} HTTPRoutes, Services, EndpointSlices and pods: {resident:.1f} MiB resident, {own:.1f} MiB of them its own; "
        f"{cores:.3f} cores over {SECONDS} s with {churned} changes"
    )


def make(scenario, number, owner):
    """A route, its Service without an address, a pod that never runs, and the slice that says where it would."""
    name = f"r{number}"
    service = {"metadata": {"name": name}, "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 8080}]}}
    scenario.kube.create("services", service)
    scenario.kube.create("pods", held_pod(name, owner))
    slice_labels = {"kubernetes.io/service-name": name}
    endpoint_slice = {
        "metadata": {"name": name, "labels": slice_labels},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [endpoint(address(number), name)],
    }
    scenario.kube.create("endpointslices", endpoint_slice)
    spec = {
        "parentRefs": [{"name": "shop"}],
        "hostnames": [f"{name}.example.com"],
        "rules": [{"backendRefs": [{"name": name, "port": 8080}]}],
    }
    about = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name}}
    scenario.kube.create("httproutes", {**about, "spec": spec})


def held_pod(name, owner):
    """A pod that nothing starts, with the labels and the owner that pods of a Deployment have."""
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "controller": True}
    return {
        "metadata": {
            "name": pod_name(name),
            "labels": {"app": name, "pod-template-hash": "5d8f6c7b94"},
            "ownerReferences": [{**reference, "uid": owner["metadata"]["uid"]}],
        },
        "spec": {"schedulingGates": [{"name": "weir.dev/held"}], "containers": [{"name": "shop", "image": "none"}]},
    }


def pod_name(name):
    return f"{name}-5d8f6c7b94-x7k2p"


def address(number):
    """Nobody is there."""
    return f"10.245.{number // 250}.{number % 250 + 1}"


def endpoint(at, name=None):
    """A ready address, of the pod of that name."""
    pod = {"targetRef": {"kind": "Pod", "name": pod_name(name)}} if name else {}
    return {"addresses": [at], "conditions": {"ready": True, "serving": True, "terminating": False}, **pod}


def change(scenario, number):
    """A route gets another host; a Service gets another pod beside its own."""
    name = f"r{number // 2}"
    if number % 2:
        own, other = endpoint(address(number // 2), name), endpoint(address(number // 2 + 1), f"r{number // 2 + 1}")
        scenario.kube.patch("endpointslices", name, {"endpoints": [own, other]})
    else:
        hosts = [f"{name}.example.com", f"also-{name}.example.com"]
        scenario.kube.patch("httproutes", name, {"spec": {"hostnames": hosts}})
