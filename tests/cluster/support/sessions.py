"""Clients with cookies: each keeps what it is given, and notices when it is moved."""

import http.cookies
import threading

from .load import Client, Tally, count


class Session:
    """One client with its own connection and cookies."""

    def __init__(self, address, port, host, tally):
        self.client, self.tally = Client(address, port, host), tally
        self.cookies, self.versions = {}, []

    def ask(self):
        """One request, with the cookies of earlier answers; the cookies it had, and the version that answered."""
        had = dict(self.cookies)
        if had:
            self.client.headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in had.items())
        version = count(self.client, self.tally, self.keep)
        self.versions.append(version)
        return had, version

    def keep(self, headers):
        for line in headers.get_all("Set-Cookie") or []:
            for name, cookie in http.cookies.SimpleCookie(line).items():
                if cookie["max-age"].startswith("-"):
                    self.cookies.pop(name, None)
                    self.client.headers.pop("Cookie", None)
                else:
                    self.cookies[name] = cookie.value


class Sessions:
    """Many of them; who has the cookie must be answered by that version from then on."""

    def __init__(self, address, port, host, count_of_them, cookie, version):
        self.tally, self.cookie, self.version = Tally(), cookie, version
        self.all = [Session(address, port, host, self.tally) for _ in range(count_of_them)]
        self.marked, self.drifted = set(), []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    @property
    def requests(self):
        return self.tally.requests

    def run(self):
        turn = 0
        while not self.stopping.wait(0.02):
            number = turn % len(self.all)
            turn += 1
            had, version = self.all[number].ask()
            if self.cookie in had:
                self.marked.add(number)
            if number in self.marked and version != self.version:
                self.drifted.append(f"client {number} with {had} was answered by {version}")

    def stop(self):
        self.stopping.set()
        self.thread.join()

    def check(self):
        """Fails if a request failed or a client was moved."""
        if self.tally.failed:
            raise AssertionError(f"{self.tally.failed} of {self.requests} requests failed: {self.tally.failures}")
        if self.drifted:
            raise AssertionError(f"{len(self.drifted)} answers from elsewhere: {self.drifted[:3]}")
