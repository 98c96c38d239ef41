"""gRPC calls, made with curl: Python's own HTTP client knows no HTTP/2."""

import collections
import subprocess
import threading

# A message of no bytes: not compressed, length 0 (gRPC over HTTP/2, "Requests").
EMPTY_MESSAGE = bytes(5)


def call_shares(address, host, method, calls, headers=None):
    """Exactly that many calls one after the other; the answers by version."""
    done = subprocess.run(
        command(address, host, method, calls, headers), input=EMPTY_MESSAGE, capture_output=True, check=False
    )
    tally = Tally()
    for line in done.stdout.decode().splitlines():
        tally.read(line)
    tally.end_of_call()
    if tally.failures or tally.calls != calls:
        raise AssertionError(f"{tally.calls} of {calls} calls answered: {tally.failures[:5]} {done.stderr.decode()}")
    return tally.versions


def command(address, host, method, calls, headers=None, rate=None):
    """curl with prior knowledge of HTTP/2; the heads and trailers of all answers go to its output.

    Each call has a connection of its own: curl 7.88 uses none twice if it knows beforehand that it speaks HTTP/2. For that
    each URL has another host, of which nothing comes to the proxy.
    """
    options = ["--silent", "--show-error", "--http2-prior-knowledge", "--data-binary", "@-", "--output", "/dev/null"]
    options += ["--dump-header", "-", "--max-time", "10", "--connect-to", f"::{address}:80"]
    for name, value in {"Host": host, "Content-Type": "application/grpc", "TE": "trailers", **(headers or {})}.items():
        options += ["--header", f"{name}: {value}"]
    if rate:
        options += ["--rate", f"{rate}/s"]
    return ["curl", *options, f"http://call-[1-{calls}]{method}"]


class Tally:
    """What came back, read line by line: calls, versions, and whatever did not end with status OK."""

    def __init__(self):
        self.calls, self.versions, self.failures = 0, collections.Counter(), []
        self.fields = None

    def read(self, line):
        if line.startswith("HTTP/"):
            self.end_of_call()
            self.fields = {"http": line.split()[1]}
        elif ": " in line and self.fields is not None:
            name, value = line.split(": ", 1)
            self.fields[name.lower()] = value.strip()

    def end_of_call(self):
        """Counts the call whose lines have come."""
        fields, self.fields = self.fields, None
        if fields is None:
            return
        self.calls += 1
        if (fields["http"], fields.get("grpc-status")) == ("200", "0"):
            self.versions[fields.get("x-echo-version")] += 1
        else:
            self.failures.append(str(fields))


class Calls:
    """Calls all the time at a bounded rate; anything but status OK is a failure."""

    def __init__(self, address, host, method, rate=50):
        self.command = command(address, host, method, 1_000_000, rate=rate)
        self.tally = Tally()
        self.process = self.thread = None

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.process.stdin.write(EMPTY_MESSAGE)
        self.process.stdin.close()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        return self

    def run(self):
        for line in self.process.stdout:
            text = line.decode()
            if text.startswith("curl: "):
                self.tally.failures.append(text.strip())
            self.tally.read(text)

    @property
    def requests(self):
        return self.tally.calls

    def stop(self):
        """Ends the calls; the one under way does not count."""
        self.process.terminate()
        self.thread.join()
        return self

    def check(self):
        if self.tally.failures:
            raise AssertionError(f"{len(self.tally.failures)} of {self.requests} calls failed: {self.tally.failures[:5]}")
