"""The API server's audit log: the moment at which each change of a routing object was accepted."""

import dataclasses
import datetime
import json


@dataclasses.dataclass(frozen=True)
class Change:
    """One successful patch or update."""

    moment: datetime.datetime
    verb: str
    user: str


def lists(file, resource, address):
    """When lists of a resource were answered that this address asked for, in their order; the proxy's alone are logged."""
    found = []
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            asked = (event["verb"], event["objectRef"]["resource"]) == ("list", resource) and address in event["sourceIPs"]
            if asked and event["responseStatus"]["code"] == 200:
                found.append(event["stageTimestamp"])
    return found


def changes(file, resource, namespace, name, subresource=None):
    """All changes of one object, or of its status, in their order; none unless the cluster was started with AUDIT=1."""
    found = []
    with open(file, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            about = event["objectRef"]
            if (about["resource"], about.get("namespace"), about.get("name")) != (resource, namespace, name):
                continue
            if about.get("subresource") != subresource or event["responseStatus"]["code"] >= 300:
                continue
            moment = datetime.datetime.fromisoformat(event["stageTimestamp"].replace("Z", "+00:00"))
            found.append(Change(moment, event["verb"], event["user"]["username"]))
    return found
