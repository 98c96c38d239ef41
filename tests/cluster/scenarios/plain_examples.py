"""The examples dark-launch and bluegreen as they stand: the new version for who asks, and everybody there and back at once."""

import json

from support.checks import weight_in_force

SIDE_BY_SIDE = True

# Their host, in a cluster where others have it, too.
DARK, BLUE_GREEN = "dark.example.com", "bluegreen.example.com"


def run(scenario):
    address = scenario.weir_up(replicas=1).address
    dark_launch(scenario.beside("plain-examples-dark"), address)
    scenario.example("bluegreen", ("shop.example.com", BLUE_GREEN))
    for name in ("shop-blue", "shop-green"):
        scenario.kube.wait_available(name)
    scenario.wait_served(address, BLUE_GREEN, "blue")
    scenario.load(address, BLUE_GREEN)
    for version, weights in (("green", (0, 100)), ("blue", (100, 0))):
        patch = [{"op": "replace", "path": f"/spec/versions/{at}/weight", "value": weights[at]} for at in (0, 1)]
        scenario.kube.kubectl("patch", "split", "shop", "--type=json", "-p", json.dumps(patch))
        weight_in_force(scenario, address, BLUE_GREEN, {version: 100})
    return "v2 for header and cookie alone; blue, green and blue again"


def dark_launch(beside, address):
    """Only who carries the header or the cookie reaches the new version."""
    beside.example("dark-launch", ("shop.example.com", DARK))
    for name in ("shop-v1", "shop-v2"):
        beside.kube.wait_available(name)
    beside.wait_served(address, DARK, "v1")
    asked = {"v1": None, "v2": {"x-dark": "1"}, "v2 by cookie": {"Cookie": "theme=light; dark=1"}}
    seen = {name: dict(beside.shares(address, DARK, 20, headers=headers)) for name, headers in asked.items()}
    if seen != {name: {name[:2]: 20} for name in asked}:
        raise AssertionError(f"the header and the cookie should decide: {seen}")
