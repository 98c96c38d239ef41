"""Waiting for conditions, never for time to pass."""

import functools
import threading
import time


class Timeout(AssertionError):
    """A condition did not come true in time."""


def wait_until(predicate, timeout, what, every=0.05):
    """Polls until the predicate returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        result = predicate()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Timeout(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(every)


def once(install):
    """Lets one thread at a time install what is there once per cluster: the others find it."""
    lock = threading.Lock()

    @functools.wraps(install)
    def locked(*arguments, **options):
        with lock:
            return install(*arguments, **options)

    return locked
