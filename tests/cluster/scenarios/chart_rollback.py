"""The chart: Helm installs it, fails to upgrade it to settings that the program refuses, and puts it back; nobody notices."""

import json
import os
import pathlib
import subprocess

from support.kube import is_true
from support.weir import NAMESPACE, Weir

from .split_kubectl import HOST, SPLIT

CHART = pathlib.Path(__file__).parent.parent.parent.parent / "deploy" / "helm" / "weir"
# What other scenarios have applied belongs to nobody, or to kubectl.
TAKE = ("--take-ownership", "--force-conflicts")
# A key that the program does not know, and that the schema of the values leaves to it.
BAD = {"name": "http", "address": "0.0.0.0:8080", "adress": "0.0.0.0:8081"}


def run(scenario):
    scenario.kube.ensure_namespace(NAMESPACE)
    scenario.installed.add(NAMESPACE)
    helm(scenario, "install", "weir", str(CHART), *TAKE, "--wait", "--timeout", "60s")
    weir = Weir(scenario.kube)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    scenario.wait_served(weir.address, HOST, "v1")
    scenario.load(weir.address, HOST)
    before = {pod["metadata"]["name"] for pod in weir.pods()}
    settings = ("--reuse-values", "--set-json", f"config.listeners={json.dumps([BAD])}")
    upgrade = start(scenario, "upgrade", "weir", str(CHART), *settings, "--rollback-on-failure", "--timeout", "20s")
    refused(scenario, weir, before)
    if upgrade.wait(120) == 0:
        raise AssertionError("an upgrade to settings that do not work has succeeded")
    release = json.loads(helm(scenario, "status", "weir", "--output", "json"))
    told = (release["info"]["status"], release["version"], release["info"]["description"])
    if told[:2] != ("deployed", 3) or "Rollback" not in told[2]:
        raise AssertionError(f"the release should be back at what it was: {told}")
    scenario.kube.wait_available("weir", 60, NAMESPACE)
    after = {pod["metadata"]["name"] for pod in weir.pods() if is_true(pod["status"], "Ready")}
    if after != before:
        raise AssertionError(f"the pods that served should not have been touched: {before} became {after}")
    return "settings that are refused never became ready, Helm put the release back, the pods that served are the same"


def start(scenario, *arguments):
    program = pathlib.Path(scenario.kube.program).parent / "helm"
    environment = {**os.environ, "KUBECONFIG": scenario.kube.kubeconfig, "HELM_CACHE_HOME": "/tmp", "HELM_CONFIG_HOME": "/tmp"}
    command = [str(program), *arguments, "--namespace", NAMESPACE]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def helm(scenario, *arguments):
    """Runs Helm as a user would; its output."""
    process = start(scenario, *arguments)
    output, errors = process.communicate(timeout=180)
    if process.returncode != 0:
        raise AssertionError(f"helm {arguments[0]}: {errors.strip() or output.strip()}")
    return output


def refused(scenario, weir, before):
    """Waits until the log of a new pod says what is wrong, and where."""
    seen = {}

    def told():
        for pod in weir.pods():
            name = pod["metadata"]["name"]
            if name not in before:
                try:
                    seen[name] = scenario.kube.kubectl("logs", name, "--tail=5", namespace=NAMESPACE)
                except AssertionError:
                    # Its container has not started yet.
                    continue
        return any("weir.yaml:" in text and "adress" in text for text in seen.values())

    scenario.wait_until(told, 30, lambda: f"a pod that says what is wrong with its settings: {seen}")
