"""Runs the scenarios one after the other inside the cluster's network, a line for each.

A scenario is a module of ../scenarios with a docstring and a function run(scenario) that returns what it has seen.
"""

import importlib
import os
import pathlib
import sys
import time
import traceback

from .kube import Kube, is_true
from .scenario import MANIFESTS, Scenario
from .waiting import wait_until

SCENARIOS = pathlib.Path(__file__).parent.parent / "scenarios"
SPLITS = pathlib.Path(__file__).parent.parent.parent.parent / "deploy" / "crds" / "splits.yaml"


def main():
    cache, kubeconfig, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    names = names or sorted(path.stem for path in SCENARIOS.glob("*.py") if path.stem != "__init__")
    kubectl = f"{cache}/bin/kubectl"
    prepare(Kube(kubeconfig, "default", kubectl), cache)
    failed = 0
    for name in names:
        kube = Kube(kubeconfig, name.replace("_", "-"), kubectl)
        failed += not run_one(Scenario(name, kube, cache))
    print(f"{len(names)} scenarios: {len(names) - failed} passed, {failed} failed, none skipped", flush=True)
    sys.exit(1 if failed else 0)


def prepare(kube, cache):
    """The definitions that all scenarios need."""
    manifests = pathlib.Path(cache) / "manifests"
    for file in (manifests / "gateway-api.yaml", MANIFESTS / "trafficsplits.yaml", SPLITS):
        kube.apply(file.read_text(encoding="utf-8"))
    wait_until(lambda: established(kube), 30, "definitions established")


def established(kube):
    definitions = kube.list("customresourcedefinitions")
    return all(is_true(definition, "Established") for definition in definitions)


def run_one(scenario):
    """One scenario from its namespace to its end; whether it passed."""
    start, outcome, passed = time.monotonic(), "", False
    try:
        module = importlib.import_module(f"scenarios.{scenario.name}")
        scenario.kube.ensure_namespace(scenario.namespace)
        outcome = module.run(scenario)
        scenario.settle()
        passed = True
    except Exception as error:  # Whatever went wrong is this scenario's failure, and the next one still runs.
        outcome = f"FAILED: {type(error).__name__}: {error}"
        if os.environ.get("VERBOSE"):
            traceback.print_exc()
    finally:
        elapsed = time.monotonic() - start
        # The objects stay for whoever wants to look at them: the cluster is kept for that.
        if passed or not os.environ.get("KEEP"):
            passed = ended(scenario) and passed
    seen = f"{scenario.requests} requests, 0 failed, " if passed else ""
    print(f"{scenario.name}: {outcome}, {seen}{elapsed:.0f} s", flush=True)
    return passed


def ended(scenario):
    """Cleans up; a failure to do so is told and counts."""
    try:
        scenario.end()
    except Exception as error:  # As above.
        print(f"{scenario.name}: its objects could not be removed: {error}", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    main()
