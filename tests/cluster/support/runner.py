"""Runs the scenarios inside the cluster's network, a line for each.

A scenario is a module of ../scenarios with a docstring and a function run(scenario) that returns what it has seen. It
may say
SIDE_BY_SIDE = True: it shares a proxy with others, so it has hosts of its own, and leaves the proxy alone.
RELEASE_ONLY = True: its figures say nothing about a debug binary.
"""

import concurrent.futures
import importlib
import os
import pathlib
import sys
import time
import traceback

from .argo import gateway_plugin
from .flagger import DIALECTS
from .kube import Kube, is_true
from .scenario import MANIFESTS, Scenario, remove
from .waiting import wait_until
from .weir import weir_up

SCENARIOS = pathlib.Path(__file__).parent.parent / "scenarios"
SPLITS = pathlib.Path(__file__).parent.parent.parent.parent / "deploy" / "crds" / "splits.yaml"


# Scenarios side by side.
AT_ONCE = 3


def main():
    cache, kubeconfig, names = sys.argv[1], sys.argv[2], sys.argv[3:]
    start = time.monotonic()
    names = names or sorted(path.stem for path in SCENARIOS.glob("*.py") if path.stem != "__init__")
    kubectl = f"{cache}/bin/kubectl"
    prepare(Kube(kubeconfig, "default", kubectl), cache)
    modules = {name: importlib.import_module(f"scenarios.{name}") for name in names}

    def scenario(name, shared=None):
        return Scenario(name, Kube(kubeconfig, name.replace("_", "-"), kubectl), cache, shared)

    skipped = [name for name in names if os.environ.get("WEIR_DEBUG") and getattr(modules[name], "RELEASE_ONLY", False)]
    for name in skipped:
        print(f"{name}: skipped, since its figures need a release binary", flush=True)
    together = [name for name in names if getattr(modules[name], "SIDE_BY_SIDE", False)]
    if len(together) < 2:
        together = []
    outcomes = side_by_side(Kube(kubeconfig, "default", kubectl), modules, together, scenario)
    alone = [name for name in names if name not in (*together, *skipped)]
    outcomes += [run_one(modules[name], scenario(name)) for name in alone]
    passed = sum(outcomes)
    plugin = gateway_plugin(Kube(kubeconfig, "default", kubectl))
    print(
        f"{len(names)} scenarios, {len(together)} of them side by side, in {time.monotonic() - start:.0f} s: "
        f"{passed} passed, {len(outcomes) - passed} failed, {len(skipped) or 'none'} skipped"
        + (f"; the Gateway API plugin was {plugin}" if plugin else ""),
        flush=True,
    )
    sys.exit(0 if all(outcomes) else 1)


def side_by_side(kube, modules, names, scenario):
    """Those that leave the proxy alone, which they share, and mostly wait; whether each passed."""
    if not names:
        return []
    weir = weir_up(kube, replicas=2, dialects=DIALECTS)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(lambda name: run_one(modules[name], scenario(name, weir)), names))
    remove(kube, weir.namespace)
    return outcomes


def prepare(kube, cache):
    """The definitions that all scenarios need."""
    manifests = pathlib.Path(cache) / "manifests"
    for file in (manifests / "gateway-api.yaml", MANIFESTS / "trafficsplits.yaml", SPLITS):
        kube.apply(file.read_text(encoding="utf-8"))
    wait_until(lambda: established(kube), 30, "definitions established")


def established(kube):
    definitions = kube.list("customresourcedefinitions")
    return all(is_true(definition, "Established") for definition in definitions)


def run_one(module, scenario):
    """One scenario from its namespace to its end; whether it passed."""
    start, outcome, passed = time.monotonic(), "", False
    try:
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
