"""Every file of deploy/examples is taken by the API server, with the definitions that it says it needs."""

import re

from support.argo import argo_up
from support.flagger import flagger_up
from support.scenario import EXAMPLES

SIDE_BY_SIDE = True

# Kinds of controllers that this cluster has not.
ABSENT = {"ScaledObject"}


def run(scenario):
    argo_up(scenario)
    flagger_up(scenario)
    taken, left = 0, 0
    files = sorted(EXAMPLES.glob("*.yaml"))
    for file in files:
        documents = file.read_text(encoding="utf-8").split("\n---\n")
        known = [text for text in documents if not ABSENT & set(re.findall(r"^kind: (\w+)", text, re.MULTILINE))]
        scenario.kube.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin="\n---\n".join(known))
        taken, left = taken + len(known), left + len(documents) - len(known)
    absent = ", ".join(ABSENT)
    return f"{taken} objects of {len(files)} files taken, {left} of kinds that are not installed ({absent}) left out"
