"""Argo Rollouts: its controller in the cluster, and Rollouts as their users handle them."""

import pathlib
import re
import time

from .waiting import once

NAMESPACE = "argo-rollouts"
# How long the controller is left alone with an experiment.
TOUCHED_SECONDS = 5

# The controller copies the plugin from the folder that every container of this cluster sees.
PLUGINS = """\
- name: argoproj-labs/gatewayAPI
  location: file:///.bin/gatewayapi-plugin
"""

# What the plugin writes is its user's to allow; the controller's own role only covers what is built in.
PLUGIN_RIGHTS = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: argo-rollouts-gateway-routes}
rules:
- apiGroups: [gateway.networking.k8s.io]
  resources: [httproutes, grpcroutes]
  verbs: [get, update]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: argo-rollouts-gateway-routes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: argo-rollouts-gateway-routes}
subjects: [{kind: ServiceAccount, name: argo-rollouts, namespace: argo-rollouts}]
"""


@once
def argo_up(scenario):
    """Installs the controller as its release does, with the Gateway API plugin; once per cluster."""
    kube = scenario.kube
    if kube.get("deployments", "argo-rollouts", NAMESPACE) is not None:
        return
    kube.ensure_namespace(NAMESPACE)
    manifest = pathlib.Path(scenario.cache) / "manifests" / "argo-rollouts.yaml"
    # The controller reads its configuration at the start only, so the release's empty one must not come first.
    documents = manifest.read_text(encoding="utf-8").split("\n---\n")
    release = [text for text in documents if not ("kind: ConfigMap" in text and "name: argo-rollouts-config" in text)]
    kube.apply(config() + "---\n" + PLUGIN_RIGHTS, NAMESPACE)
    kube.apply("\n---\n".join(release), NAMESPACE)
    kube.wait_available("argo-rollouts", 90, NAMESPACE)


def config():
    lines = "\n".join("    " + line for line in PLUGINS.splitlines())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: argo-rollouts-config}}\ndata:\n  trafficRouterPlugins: |\n{lines}\n"


# What Go writes into each program: the package it was built from, and its module with the version.
BUILT_FROM = re.compile(rb"path\t([^\n]+)\nmod\t([^\t\n]+)\t([^\t\n]+)")
STAND_IN = b"weir.dev/tests/cluster/argo/gateway-plugin"


def gateway_plugin(kube):
    """Which Gateway API plugin the controller has, or None where there is no controller."""
    if kube.get("deployments", "argo-rollouts", NAMESPACE) is None:
        return None
    program = pathlib.Path(kube.kubeconfig).parent / "bin" / "gatewayapi-plugin"
    built = BUILT_FROM.search(program.read_bytes())
    if built is None:
        return "a program that does not tell what it was built from"
    package, module, version = built.groups()
    return "the stand-in" if package == STAND_IN else f"{module.decode()} {version.decode()}"


# $version, $replicas, $strategy are put in by Rollout.
ROLLOUT = """\
apiVersion: argoproj.io/v1alpha1
kind: Rollout
metadata: {name: shop}
spec:
  replicas: $replicas
  revisionHistoryLimit: 3
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec:
      terminationGracePeriodSeconds: 15
      containers:
      - name: echo
        image: weir-echo:test
        args: [echo, --address, "0.0.0.0:8080", --version, $version]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1, failureThreshold: 1}
        lifecycle: {preStop: {sleep: {seconds: 3}}}
  strategy:
    canary: $strategy
"""

SERVICES = """\
apiVersion: v1
kind: Service
metadata: {name: shop-stable}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: shop-canary}
spec: {selector: {app: shop}, ports: [{name: http, port: 80, targetPort: http}]}
"""


class Rollout:
    """A Rollout of weir echo, steered with its own kubectl plugin: made from a strategy, or there already."""

    def __init__(self, scenario, strategy=None, replicas=3, name="shop"):
        self.scenario, self.kube, self.name = scenario, scenario.kube, name
        if strategy is not None:
            scenario.apply(ROLLOUT, version="v1", replicas=replicas, strategy=strategy)

    def release(self, version, *options):
        """A new template, which starts the steps."""
        release(self.kube, "rollouts", self.name, version, options)

    def promote(self):
        self.kube.plugin("argo rollouts", "promote", self.name)

    def abort(self):
        self.kube.plugin("argo rollouts", "abort", self.name)

    def undo(self):
        """Back to the template before this one."""
        self.kube.plugin("argo rollouts", "undo", self.name)

    def shown(self):
        """What "kubectl argo rollouts get rollout" tells its user."""
        return self.kube.plugin("argo rollouts", "get", "rollout", self.name, "--no-color")

    def status(self):
        return self.kube.get("rollouts", self.name).get("status", {})

    def wait_phase(self, phase, timeout=90):
        """Waits until the controller says this phase of the newest generation."""

        def reached(rollout):
            status = rollout.get("status", {})
            seen = status.get("observedGeneration") == str(rollout["metadata"]["generation"])
            return seen and status.get("phase") == phase

        return self.kube.wait("rollouts", self.name, reached, timeout, f"Rollout {phase}")

    def wait_paused(self, step, timeout=90):
        """Waits until the steps before this one are done and it pauses there."""

        def reached(rollout):
            status = rollout.get("status", {})
            return status.get("phase") == "Paused" and status.get("currentStepIndex") == step

        return self.kube.wait("rollouts", self.name, reached, timeout, f"Rollout paused at step {step}")

    def wait_experiment(self, timeout=60):
        """Waits until the router was told the share of an experiment."""
        touched = time.monotonic()

        def told():
            nonlocal touched
            # The controller goes on when something changes, and now and then misses that an experiment has begun.
            if time.monotonic() - touched > TOUCHED_SECONDS:
                touched = time.monotonic()
                annotations = {"example.com/touched": str(touched)}
                self.kube.patch("rollouts", self.name, {"metadata": {"annotations": annotations}})
            return self.status().get("canary", {}).get("weights", {}).get("additional")

        self.scenario.wait_until(told, timeout, "the share of the experiment")

    def wait_pods_gone(self, version, timeout=120):
        """Waits until no pod of that version is left."""

        def gone():
            pods = self.kube.list("pods", selector=f"app={self.name}")
            return not any(version in pod["spec"]["containers"][0]["args"] for pod in pods)

        self.scenario.wait_until(gone, timeout, f"pods of {version} gone")


def release(kube, resource, name, version, options=()):
    """Another version of weir echo in the template, with options such as --fail."""
    arguments = ["echo", "--address", "0.0.0.0:8080", "--version", version, *options]
    change = [{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": arguments}]
    kube.patch(resource, name, change, content_type="application/json-patch+json")
