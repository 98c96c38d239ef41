"""Flagger: its controller in the cluster, and Canaries as their users handle them."""

import string

from .argo import release
from .waiting import once

# The account of the release is in this namespace.
NAMESPACE = "default"

# How often it looks, shorter than in the examples: it takes nothing below.
INTERVAL = "10s"

# The metrics that its built-in checks ask for, whatever its provider.
DIALECTS = "nginx, http, istio"

CONTROLLER = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: flagger}
spec:
  replicas: 1
  strategy: {type: Recreate}
  selector: {matchLabels: {app: flagger}}
  template:
    metadata: {labels: {app: flagger}}
    spec:
      serviceAccountName: flagger
      containers:
      - name: flagger
        image: flagger:test
        args: [-log-level=info, -mesh-provider=gatewayapi:v1, -metrics-server=$metrics]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}
"""


@once
def flagger_up(scenario, metrics="http://127.0.0.1:9090"):
    """Installs the controller; once per cluster."""
    kube = scenario.kube
    if kube.get("deployments", "flagger", NAMESPACE) is not None:
        return
    scenario.manifest("flagger.yaml", NAMESPACE)
    kube.apply(string.Template(CONTROLLER).substitute(metrics=metrics), NAMESPACE)
    kube.wait_available("flagger", 60, NAMESPACE)


def example(scenario, weir, name, *changes):
    """An example with Flagger's shortest interval, its checks against the proxy by address: the cluster has no DNS."""
    text = [("interval: 30s", f"interval: {INTERVAL}"), *changes]
    if weir:
        text.append(("http://weir-ops.weir-system:9902", weir.ops))
    scenario.example(name, *text)
    return Canary(scenario)


class Canary:
    """The Canary "shop" of the Deployment "shop": made from a manifest, or there already."""

    def __init__(self, scenario, manifest=None):
        self.kube = scenario.kube
        if manifest is not None:
            scenario.apply(manifest)
        self.wait_phase("Initialized")

    def release(self, version, *options):
        """A new template of the Deployment, which Flagger takes for a new revision."""
        release(self.kube, "deployments", "shop", version, options)

    def wait_phase(self, *phases, timeout=180):
        return self.kube.wait(
            "canaries",
            "shop",
            lambda canary: canary.get("status", {}).get("phase") in phases,
            timeout,
            f"Canary {' or '.join(phases)}",
        )

    def wait_weight(self, weight, timeout=120):
        """Waits until Flagger has asked for that weight."""
        return self.kube.wait(
            "canaries",
            "shop",
            lambda canary: canary.get("status", {}).get("canaryWeight") == weight,
            timeout,
            f"Canary at weight {weight}",
        )
