"""Runs a case: all contestants are started, then measured in turn, round after round, so that what happens on the
machine meanwhile happens to all of them."""

import http.client
import json
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import install
import measure
import report
from loads import backend_counts
from peers import Unsupported
from processes import LOAD_CORE, NICE, REAL_TIME, Failed, Process, set_priority

# How long a proxy has to give memory back.
_REST = 3
# How long a proxy is used before it is measured, so that its memory and connections are those of one at work.
_WARM_UP = 0.3
# Who changes weights at the same time.
_CHANGERS = 4
_FAILURES = (Failed, OSError, subprocess.SubprocessError, ValueError)


class Runner:
    """Measures cases with these programs."""

    def __init__(self, context, rounds, seconds, say):
        self.context, self.rounds, self.seconds, self.say = context, rounds, seconds, say

    def run(self, case):
        """The case's rounds of every contestant, and why some have none."""
        self.context.priority = REAL_TIME if case.kind == "cpu" else NICE
        self.context.backend, backend = start_backend(self.context)
        try:
            if case.kind == "memory":
                return self.memory(case)
            return self.rounds_of(case)
        finally:
            if not backend.alive():
                install.note(f"the backend ended with {backend.child.returncode}: this case is worth nothing")
            backend.stop()

    def rounds_of(self, case):
        servers, cells = {}, {contestant.name: {"rounds": []} for contestant in case.contestants}
        try:
            running = [one for one in case.contestants if self.start(one, servers, cells)]
            running = [
                one for one in running if self.warm_up(one, servers[one.peer.name, one.setting], cells[one.name])
            ]
            rate = self.half_of_saturation(running, servers) if case.kind == "latency" else None
            for number in range(self.rounds):
                # Nobody is always first, or always behind the same one.
                turn = number % max(len(running), 1)
                for one in running[turn:] + running[:turn]:
                    self.once(one, servers[one.peer.name, one.setting], cells[one.name], number, rate)
            for cell in cells.values():
                cell.update({"rate_asked": round(rate)} if rate else {})
        finally:
            for server in servers.values():
                server.process.stop()
        return cells

    def start(self, one, servers, cells):
        key = one.peer.name, one.setting
        try:
            if key not in servers:
                servers[key] = one.peer.start(self.context, one.setting)
            return True
        except Unsupported as error:
            cells[one.name]["unsupported"] = report.nameless(str(error))
        except _FAILURES as error:
            cells[one.name]["failed"] = report.nameless(str(error))
        return False

    def warm_up(self, one, server, cell):
        try:
            one.load.run(self.context, server, _WARM_UP)
            return True
        except _FAILURES as error:
            cell["failed"] = report.nameless(str(error))
            return False

    def once(self, one, server, cell, number, rate):
        load = one.load.at(rate) if rate else one.load
        try:
            before = backend_counts(self.context.backend)
            with changing(server, one.changes) as changed:
                outcome = load.run(self.context, server, self.seconds)
            result = {"round": number, **outcome.as_dict()}
            stable, canary = backend_counts(self.context.backend)
            stable, canary = stable - before[0], canary - before[1]
            result["canary_share"] = round(canary / max(stable + canary, 1), 4)
            if changed["refused"]:
                raise Failed(f"a change of weights was answered with {changed['refused']}")
            result["changes_per_second"] = round(changed["count"] / changed["seconds"])
            result["rss"] = measure.memory(server.pid).rss
            cell["rounds"].append(result)
            cell["command"] = report.command(outcome.command)
            self.say(one.name, result)
        except _FAILURES as error:
            cell["failed"] = report.nameless(str(error))

    def half_of_saturation(self, running, servers):
        """Of Weir or of the best other proxy, whichever is lower: a rate that both are at ease with."""
        rates = {}
        for one in running:
            if one.peer.family in ("floor", "weir", "nginx", "haproxy"):
                outcome = one.load.run(self.context, servers[one.peer.name, one.setting], 1.0)
                rates[one.peer.family] = max(rates.get(one.peer.family, 0), outcome.rate)
        others = [rate for family, rate in rates.items() if family not in ("floor", "weir")]
        return min([rates["weir"], *([max(others)] if others else [])]) / 2

    def memory(self, case):
        cells = {contestant.name: {"rounds": []} for contestant in case.contestants}
        # Memory hardly varies; more rounds would only take time.
        for number in range(2 if self.rounds >= 10 else 1):
            for one in case.contestants:
                servers = {}
                if "unsupported" not in cells[one.name] and self.start(one, servers, cells):
                    self.hold(one, next(iter(servers.values())), cells[one.name], number)
        return cells

    def hold(self, one, server, cell, number):
        try:
            before = measure.memory(server.pid)
            process = one.load.open(self.context, server.port, None)
            try:
                with_all = measure.memory(server.pid)
                process.child.communicate(b"\n", timeout=30)
            finally:
                process.stop()
            time.sleep(_REST)
            after = measure.memory(server.pid)
            result = {"round": number}
            for name, seen in (("before", before), ("held", with_all), ("after", after)):
                result |= {f"{name}_{key}": value for key, value in vars(seen).items()}
            cell["rounds"].append(result)
            cell["command"] = report.command(process.command)
            self.say(one.name, result)
        except _FAILURES as error:
            cell["failed"] = report.nameless(str(error))
        finally:
            server.process.stop()


def start_backend(context):
    process = Process([context.programs["backend"]], {LOAD_CORE}, context.priority)
    return process.line(), process


@contextmanager
def changing(server, times_a_second):
    """Changes the weights of the proxy's split meanwhile; tells how often that was done."""
    told = {"count": 0, "seconds": 1, "refused": None}
    if not times_a_second:
        yield told
        return
    end, begun = threading.Event(), time.monotonic()
    # An answer takes its time beside a worker that is busy, so several change in turn.
    arguments = (server.extra["admin"], times_a_second / _CHANGERS, end, told)
    threads = [threading.Thread(target=change, args=(n, *arguments)) for n in range(_CHANGERS)]
    for thread in threads:
        thread.start()
    try:
        yield told
    finally:
        told["seconds"] = time.monotonic() - begun
        end.set()
        for thread in threads:
            thread.join()


def change(number, port, times_a_second, end, told):
    set_priority(REAL_TIME)
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    due = time.monotonic() + number / times_a_second / _CHANGERS
    while not end.wait(max(due - time.monotonic(), 0)):
        due += 1 / times_a_second
        canary = 9 + number % 2 + told["count"] % 2
        body = json.dumps({"weights": {"stable": 100 - canary, "canary": canary}})
        status = patch(connection, "/api/v1/splits/-/bench", body)
        if status != 200:
            told["refused"] = status
            return
        told["count"] += 1
    connection.close()


def patch(connection, path, body):
    """Sends a PATCH in one piece, which the standard library does not, and gives the status of its answer."""
    head = f"PATCH {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    connection.sendall(f"{head}\r\n\r\n{body}".encode())
    with http.client.HTTPResponse(connection, method="PATCH") as answer:
        answer.begin()
        answer.read()
        return answer.status
