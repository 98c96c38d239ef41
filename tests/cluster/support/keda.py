"""KEDA as its release installs it: its operator, and its adapter, which serves external.metrics.k8s.io."""

import json
import os
import pathlib
import tempfile

from .kube import is_true
from .waiting import wait_until

NAMESPACE = "keda"
OPERATOR, ADAPTER = "keda-operator", "keda-metrics-apiserver"
API_NAME = "v1beta1.external.metrics.k8s.io"


def keda_up(scenario):
    """Installs it for as long as the scenario lasts."""
    kube = scenario.kube
    kube.ensure_namespace(NAMESPACE)
    scenario.installed.add(NAMESPACE)
    scenario.at_end(lambda: end(kube))
    # The operator's certificate is for its name, and the cluster has no DNS: so its address comes first.
    folder = pathlib.Path(scenario.cache) / "manifests" / "keda"
    kube.apply((folder / "manager" / "service.yaml").read_text(encoding="utf-8"), "")
    kube.apply(rendered(kube, folder / "minimal", kube.service_address(OPERATOR, NAMESPACE)), "")
    for deployment in (OPERATOR, ADAPTER):
        kube.wait_available(deployment, 90, NAMESPACE)
    kube.wait("apiservices", API_NAME, lambda found: is_true(found, "Available"), 30, "KEDA's API of metrics")


def end(kube):
    """Ends its API, since no namespace ends while nobody serves it, and what only its operator can end."""
    kube.delete("apiservices", API_NAME)
    if kube.get("customresourcedefinitions", "scaledobjects.keda.sh"):
        kube.delete_all("scaledobjects", kube.namespace)
        wait_until(lambda: not kube.list("scaledobjects"), 30, "ScaledObjects gone")


def rendered(kube, base, operator):
    """The release with the programs of this cluster, and with probes that begin at once."""
    names = [f"{OPERATOR}.{NAMESPACE}.svc.cluster.local"]
    patches = [
        patch(OPERATOR, "/.bin/keda", {}),
        patch(ADAPTER, "/.bin/keda-adapter", {"hostAliases": [{"ip": operator, "hostnames": names}]}),
    ]
    with tempfile.TemporaryDirectory() as folder:
        overlay = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            # A path from the overlay: kustomize takes no absolute one.
            "resources": [os.path.relpath(base, os.path.realpath(folder))],
            "patches": [{"patch": json.dumps(each)} for each in patches],
        }
        pathlib.Path(folder, "kustomization.yaml").write_text(json.dumps(overlay), encoding="utf-8")
        return kube.kubectl("kustomize", folder)


def patch(name, program, pod):
    container = {"name": name, "command": [program], "readinessProbe": {"initialDelaySeconds": 0, "periodSeconds": 1}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"template": {"spec": {**pod, "containers": [container]}}},
    }
