"""Flagger: its controller in the cluster, and Canaries as their users handle them."""

import string

# The account of the release is in this namespace.
NAMESPACE = "default"

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


def flagger_up(scenario, metrics="http://127.0.0.1:9090"):
    """Installs the controller; once per cluster."""
    kube = scenario.kube
    if kube.get("deployments", "flagger", NAMESPACE) is not None:
        return
    scenario.manifest("flagger.yaml", NAMESPACE)
    kube.apply(string.Template(CONTROLLER).substitute(metrics=metrics), NAMESPACE)
    kube.wait_available("flagger", 60, NAMESPACE)


class Canary:
    """The Canary "shop" of the Deployment "shop"."""

    def __init__(self, scenario, manifest):
        self.kube = scenario.kube
        scenario.apply(manifest)
        self.wait_phase("Initialized")

    def release(self, version):
        """A new template of the Deployment, which Flagger takes for a new revision."""
        self.kube.patch(
            "deployments",
            "shop",
            [{"op": "replace", "path": "/spec/template/spec/containers/0/args/4", "value": version}],
            content_type="application/json-patch+json",
        )

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
