"""Clients that keep their connections and count everything that a user would notice."""

import collections
import contextlib
import http.client
import json
import threading
import time

# How many failures are kept in full: enough to see the cause, few enough to read.
KEPT = 5


class Client:
    """One HTTP/1.1 connection, kept for as long as the proxy keeps it."""

    def __init__(self, address, port, host, path="/", headers=None, timeout=10, fresh=False):
        self.connection = http.client.HTTPConnection(address, port, timeout=timeout)
        # Where no proxy is in between, a kept connection ends with its pod: then each request has one of its own.
        own = {"Connection": "close"} if fresh else {}
        self.path, self.headers = path, {"Host": host, **own, **(headers or {})}

    def get(self):
        """One request; its status, headers and parsed answer. Raises OSError or HTTPException for a broken one."""
        try:
            self.connection.request("GET", self.path, headers=self.headers)
            response = self.connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise
        answer = json.loads(body) if response.headers.get_content_type() == "application/json" else {}
        return response.status, response.headers, answer

    def close(self):
        self.connection.close()


class Tally:
    """What came back: requests, failures, answers by version.

    A backend that is told to fail says so itself: for a version of that name its own 500s are answers, counted apart.
    """

    def __init__(self, failing=None):
        self.lock = threading.Lock()
        self.requests, self.failed, self.asked_to_fail = 0, 0, 0
        self.failing = failing
        self.versions = collections.Counter()
        self.failures = []

    def answered(self, version):
        with self.lock:
            self.requests += 1
            self.versions[version] += 1

    def own_failure(self, version):
        self.answered(version)
        with self.lock:
            self.asked_to_fail += 1

    def broken(self, detail):
        with self.lock:
            self.requests += 1
            self.failed += 1
            if len(self.failures) < KEPT:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {detail}")


class Load:
    """Threads that ask all the time at a bounded rate; anything but a 200 with a version is a failure.

    The connections are kept, so a connection that the proxy closes without having announced it counts too.
    """

    def __init__(self, address, port, host, *, path="/", headers=None, connections=8, rate=200, fresh=False, failing=None):
        self.tally = Tally(failing)
        self.stopping, self.going = threading.Event(), threading.Event()
        self.going.set()
        self.locks = [threading.Lock() for _ in range(connections)]
        # Each thread has its own rhythm, shifted by its number so that they do not beat together.
        self.interval = connections / rate
        self.threads = [
            threading.Thread(
                target=self.ask,
                args=(Client(address, port, host, path, headers, fresh=fresh), self.locks[number], number / rate),
                daemon=True,
            )
            for number in range(connections)
        ]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def ask(self, client, lock, shift):
        due = time.monotonic() + shift
        while not self.stopping.wait(max(0.0, due - time.monotonic())):
            # A slow answer does not lead to a burst afterwards.
            due = max(due + self.interval, time.monotonic())
            with lock:
                # Inside the lock: who holds all locks with this cleared knows that nothing is under way.
                if self.going.is_set():
                    count(client, self.tally)
        client.close()

    def stop(self):
        """Ends the load after the answers under way."""
        self.stopping.set()
        self.going.set()
        for thread in self.threads:
            thread.join()
        return self.tally

    @contextlib.contextmanager
    def paused(self):
        """No request is under way inside this: where somebody else's shares are counted to the request."""
        self.going.clear()
        for lock in self.locks:
            # Whoever holds it gets its answer first.
            with lock:
                pass
        try:
            yield
        finally:
            self.going.set()

    def versions_during(self, seconds):
        """The answers by version of the next seconds."""
        before = collections.Counter(self.tally.versions)
        time.sleep(seconds)
        return self.tally.versions - before

    def check(self):
        """Fails with the first details if any request failed."""
        tally = self.tally
        if tally.failed:
            raise AssertionError(f"{tally.failed} of {tally.requests} requests failed: {'; '.join(tally.failures)}")


def count(client, tally, keep=None):
    """One request of the client, into the tally, its headers to whom they concern; its version or None."""
    try:
        status, headers, answer = client.get()
    except (OSError, http.client.HTTPException, ValueError) as error:
        tally.broken(repr(error))
        return None
    if keep:
        keep(headers)
    if (status, answer.get("error"), answer.get("version")) == (500, "asked to fail", tally.failing):
        tally.own_failure(answer["version"])
        return answer["version"]
    if status != 200 or "version" not in answer:
        tally.broken(f"status {status}, {dict(headers)}")
        return None
    tally.answered(answer["version"])
    return answer["version"]


def shares(address, port, host, requests, *, path="/", headers=None):
    """Exactly that many requests one after the other over one connection; the tally."""
    tally, client = Tally(), Client(address, port, host, path, headers)
    for _ in range(requests):
        count(client, tally)
    client.close()
    if tally.failed:
        raise AssertionError(f"{tally.failed} of {requests} requests failed: {'; '.join(tally.failures)}")
    return tally
