"""Every file of deploy/examples is taken by the API server, with the definitions that it says it needs."""

from support.argo import argo_up
from support.flagger import flagger_up
from support.kube import is_true
from support.scenario import EXAMPLES

SIDE_BY_SIDE = True


def run(scenario):
    argo_up(scenario)
    flagger_up(scenario)
    # KEDA itself is for the scenario that it scales.
    scenario.manifest("keda.yaml")
    name = "scaledobjects.keda.sh"
    scenario.kube.wait("customresourcedefinitions", name, lambda found: is_true(found, "Established"), 30, name)
    taken = 0
    files = sorted(EXAMPLES.glob("*.yaml"))
    for file in files:
        text = file.read_text(encoding="utf-8")
        told = scenario.kube.kubectl(
            "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text
        )
        documents = text.count("\nkind: ")
        if len(told.splitlines()) != documents:
            raise AssertionError(f"{file.name} has {documents} objects; the API server took: {told}")
        taken += documents
    return f"{taken} objects of {len(files)} files taken"
