"""Cookies of a sticky Split are signed with keys from a Secret: rotated, removed and written anew, under load."""

import base64
import hmac
import http.client

from support.kube import is_true

HOST = "shop.example.com"

SPLIT = """\
apiVersion: weir.dev/v1alpha1
kind: Split
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  versions:
  - {name: stable, service: shop-v1, port: 80, weight: 50}
  - {name: canary, service: shop-v2, port: 80, weight: 50}
  sticky: {cookie: weir, mode: pin, keySecretRef: {name: sticky, key: keys}}
"""
OLD, NEW = "an-old-key-of-32-bytes-0123456789", "a-new-key-of-32-bytes-0123456789"


def run(scenario):
    weir = scenario.weir_up(replicas=1)
    scenario.backend("shop-v1", "v1")
    scenario.backend("shop-v2", "v2")
    scenario.apply(SPLIT)
    told(scenario, False, "SecretNotFound")
    scenario.wait_served(weir.address, HOST)
    scenario.load(weir.address, HOST)
    if ask(weir.address)[1]:
        raise AssertionError("a cookie was set without keys")
    write(scenario, OLD)
    told(scenario, True, "ResolvedRefs")
    old, cookie = client(scenario, weir.address, OLD)
    keeps(weir.address, cookie, old)
    write(scenario, f"{NEW}\n{OLD}")
    new, fresh = client(scenario, weir.address, NEW)
    keeps(weir.address, cookie, old)
    keeps(weir.address, fresh, new)
    scenario.kube.delete("secrets", "sticky")
    told(scenario, False, "SecretNotFound")
    write(scenario, NEW)
    told(scenario, True, "ResolvedRefs")
    client(scenario, weir.address, NEW)
    keeps(weir.address, fresh, new)
    return "keys missing, written, rotated, removed and written again; cookies of both keys kept their clients"


def write(scenario, keys):
    data = {"keys": base64.b64encode(keys.encode()).decode()}
    if scenario.kube.get("secrets", "sticky") is None:
        scenario.kube.create("secrets", {"metadata": {"name": "sticky"}, "type": "Opaque", "data": data})
    else:
        scenario.kube.patch("secrets", "sticky", {"data": data})


def told(scenario, holds, reason):
    """Waits until the Split says that its keys are there, or not."""

    def fits(found):
        conditions = found.get("status", {}).get("conditions", [])
        resolved = [c for c in conditions if c["type"] == "ResolvedRefs"]
        return bool(resolved) and resolved[0]["reason"] == reason and is_true(found["status"], "ResolvedRefs") == holds

    scenario.kube.wait("splits", "shop", fits, 30, f"ResolvedRefs {holds} {reason}")


def ask(address, cookie=None):
    """The version that answers a client, and the cookie that it gets."""
    connection = http.client.HTTPConnection(address, 80, timeout=10)
    connection.request("GET", "/", headers={"Host": HOST, **({"Cookie": cookie} if cookie else {})})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    given = answer.getheader("set-cookie")
    return answer.getheader("x-echo-version"), given.split(";")[0] if given else None


def client(scenario, address, key):
    """The version and cookie of a client that comes for the first time, as soon as cookies are signed with this key."""

    def signed():
        version, cookie = ask(address)
        return (version, cookie) if cookie and signed_with(cookie, key) else None

    return scenario.wait_until(signed, 30, "a cookie that is signed with the key")


def signed_with(cookie, key):
    """Whether a cookie ends with its HMAC-SHA-256 by this key, cut to 128 bits."""
    text, given = cookie.removeprefix("weir=").rsplit(".", 1)
    made = hmac.digest(key.encode(), text.encode(), "sha256")[:16]
    return base64.urlsafe_b64encode(made).decode().rstrip("=") == given


def keeps(address, cookie, version):
    for _ in range(20):
        came, _ = ask(address, cookie)
        if came != version:
            raise AssertionError(f"a client of {version} came to {came}")
