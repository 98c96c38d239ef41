"""A TrafficSplit of each served version of the SMI interface is followed, and what clients see is exact."""

from support.checks import weight_in_force

SIDE_BY_SIDE = True

HOST = "shop"

# The root Service is what clients ask for: its name is the host.
ROOT = """\
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: http}]}
"""

TRAFFIC_SPLIT = """\
apiVersion: split.smi-spec.io/$api
kind: TrafficSplit
metadata: {name: shop}
spec:
  service: shop
  backends:
  - {service: shop-v1, weight: $stable}
  - {service: shop-v2, weight: $canary}
"""


def run(scenario):
    weir = scenario.weir_up(replicas=1)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(ROOT)
    address = weir.address
    host = f"{HOST}.{scenario.namespace}"
    # Quantities in v1alpha1 may be written in thousands of a unit; only the ratio counts.
    written = (("v1alpha1", "900m", "100m", 10), ("v1alpha2", 75, 25, 25), ("v1alpha3", 0, 1, 100))
    for api, stable, canary, share in written:
        scenario.apply(TRAFFIC_SPLIT, api=api, stable=stable, canary=canary)
        scenario.wait_served(address, host)
        if not scenario.clients:
            scenario.load(address, host)
        weight_in_force(scenario, address, host, {"v1": 100 - share, "v2": share})
    return "v1alpha1, v1alpha2, v1alpha3 with 10, 25, 100"
