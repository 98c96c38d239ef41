"""What is sent to a proxy, and what came back."""

import json
import re
import subprocess
import urllib.request
from dataclasses import dataclass, field, replace

import measure
from certificates import HOST
from processes import LOAD_CORE, Failed, Process

# What a message of gRPC begins with, and 100 bytes.
GRPC_MESSAGE = b"\0" + (100).to_bytes(4, "big") + b"x" * 100
_DRAIN = 60


@dataclass
class Outcome:
    """A load's count and what the proxy spent meanwhile."""

    requests: int
    errors: dict
    rate: float
    cpu: measure.Cpu
    latency: dict = None
    command: list = field(default_factory=list)

    def as_dict(self):
        each = 1e6 / max(self.requests, 1)
        return {
            "requests": self.requests,
            "errors": self.errors,
            "rate": round(self.rate, 1),
            "cpu_us": round(self.cpu.total * each, 3),
            "user_us": round(self.cpu.user * each, 3),
            "system_us": round(self.cpu.system * each, 3),
            "busy": round(self.cpu.total / self.cpu.at, 3),
            "latency_us": self.latency,
        }


@dataclass(frozen=True)
class Rig:
    """The load generator of the rig. `{port}` and the like are filled in."""

    kind: str = "http"
    arguments: tuple = ()
    rate: float = None

    def at(self, rate):
        return replace(self, rate=rate)

    def command(self, context, port, seconds):
        words = [context.programs["load"], self.kind, "--to", f"127.0.0.1:{port}"]
        if seconds is not None:
            words += ["--seconds", str(seconds)]
        if self.rate:
            words += ["--rate", str(round(self.rate))]
        known = {"authority": context.certificate.authority}
        if any("{cookie}" in word for word in self.arguments):
            known["cookie"] = cookie(port)
        return words + [word.format(**known) for word in self.arguments]

    def open(self, context, port, seconds):
        """Starts it, and waits until every connection has had an answer."""
        process = Process(self.command(context, port, seconds), {LOAD_CORE}, context.priority)
        line = process.child.stdout.readline()
        if line.strip() != b"ready":
            process.stop()
            raise Failed("not every connection was answered")
        return process

    def run(self, context, started, seconds):
        process = self.open(context, started.port, seconds)
        try:
            before = measure.cpu(started.pid)
            out, _ = process.child.communicate(b"\n", timeout=seconds + _DRAIN)
            spent = measure.cpu(started.pid) - before
        finally:
            process.stop()
        return outcome(process.command, out, spent)


def cookie(port):
    """What the proxy tells a new client to come back with."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/1k", timeout=5) as answer:
        told = answer.headers.get("set-cookie")
    if not told:
        raise Failed("no cookie was set")
    return told.split(";")[0]


def outcome(command, out, spent):
    if not out.strip():
        raise Failed("the load failed")
    told = json.loads(out)
    return Outcome(told["requests"], told["errors"], told["rate"], spent, told["latency"], command)


@dataclass(frozen=True)
class H2load:
    """nghttp2's load generator, for HTTP/2 and for HTTP/1.1 with TLS. It tells no quantiles. Its connections are set up
    within the time that is measured, which is under one percent of it."""

    clients: int
    arguments: tuple
    expect: int
    tls: bool = False
    grpc: bool = False
    # Whether it ends by time, or by what its arguments say.
    timed: bool = True

    def command(self, context, port, seconds):
        words = [context.programs["h2load"], "-t1", f"-c{self.clients}", *self.arguments]
        if self.timed:
            words += ["-D", f"{round(seconds * 1000)}ms"]
        if self.grpc:
            message = context.folder / "message"
            message.write_bytes(GRPC_MESSAGE)
            words += ["-d", str(message), "-H", "content-type: application/grpc", "-H", "te: trailers"]
        scheme, name = ("https", HOST) if self.tls else ("http", "127.0.0.1")
        if self.tls:
            words += ["--connect-to", f"127.0.0.1:{port}"]
        return words + [f"{scheme}://{name}:{port}/1k"]

    def run(self, context, started, seconds):
        command = self.command(context, started.port, seconds)
        # Before it is started: with its priority this program comes to nothing while it runs.
        before = measure.cpu(started.pid)
        process = Process(command, {LOAD_CORE}, context.priority)
        try:
            out, _ = process.child.communicate(timeout=seconds + _DRAIN)
            spent = measure.cpu(started.pid) - before
        except subprocess.TimeoutExpired as error:
            raise Failed("h2load did not end") from error
        finally:
            process.stop()
        return self.parse(command, out.decode(errors="replace"), spent)

    def parse(self, command, text, spent):
        found = re.search(r"finished in .*?, ([\d.]+) req/s", text)
        numbers = re.search(
            r"requests: \d+ total, (\d+) started, (\d+) done, (\d+) succeeded, "
            r"(\d+) failed, (\d+) errored, (\d+) timeout",
            text,
        )
        data = re.search(r"\((\d+)\) data", text)
        if not (found and numbers and data):
            raise Failed(f"h2load: {text.strip()[-200:]}")
        started, done, succeeded, failed, errored, late = map(int, numbers.groups())
        errors = {name: n for name, n in (("failed", failed), ("errored", errored), ("timeout", late)) if n}
        # What is under way when the time is over has sent some of its bytes, and is not done.
        if not done * self.expect <= int(data[1]) <= started * self.expect:
            errors["answers of another length"] = abs(int(data[1]) - done * self.expect)
        return Outcome(succeeded, errors, float(found[1]), spent, None, command)


def backend_counts(backend):
    """How many requests each version has answered."""
    counts = []
    for port in backend["http1"]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/count", timeout=5) as answer:
            counts.append(int(answer.read()))
    return counts
