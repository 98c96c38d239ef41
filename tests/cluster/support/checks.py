"""What scenarios expect of shares."""

from .load import Load, shares
from .waiting import wait_until

# Weights are exact over blocks of requests per worker: this many settle every share of whole percents.
BLOCK = 100

# Percent points. A load comes over several connections to several workers, each of which is exact within a request
# on its own: over a second of the usual load that is so much.
BOUND = 5.0


def weight_in_force(scenario, address, host, percent, port=80, timeout=30):
    """Waits until the answers are divided like that: those of the running load, else those of a block of requests."""
    loads = [client for client in scenario.clients if isinstance(client, Load) and not client.stopping.is_set()]
    seen = {}

    def divided():
        if loads:
            seen["versions"] = loads[0].versions_during(1)
        else:
            seen["versions"] = shares(address, port, host, BLOCK).versions
            scenario.requests += BLOCK
        return all(fits(seen["versions"], version, share) for version, share in percent.items())

    wait_until(divided, timeout, lambda: f"shares of {percent}; seen {dict(seen['versions'])}")


def fits(versions, version, percent):
    """Nothing and everything are exact, what is between them within the bound."""
    total, count = sum(versions.values()), versions.get(version, 0)
    if total == 0 or percent in (0, 100):
        return total > 0 and count == total * percent // 100
    return abs(100 * count / total - percent) <= BOUND


def expect_share(versions, version, percent):
    """Fails if the version's share of the answers is not that, within the bound."""
    if not fits(versions, version, percent):
        raise AssertionError(f"{version} should have {percent}%: {dict(versions)}")


def expect_exact(scenario, load, address, host, version, percent):
    """Fails unless a block of requests over one connection has the share within a request; the load waits meanwhile."""
    with load.paused():
        versions = scenario.shares(address, host, BLOCK)
    if abs(versions.get(version, 0) - percent) > 1:
        raise AssertionError(f"{version} should have {percent} of {BLOCK} requests: {dict(versions)}")
