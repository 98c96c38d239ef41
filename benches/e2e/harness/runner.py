"""Runs a case: all contestants are started, then measured in turn, round after round, so that what happens on the
machine meanwhile happens to all of them."""

import json
import subprocess
import time
from contextlib import contextmanager

import install
import measure
import report
from loads import backend_counts
from peers import Unsupported
from processes import LOAD_CORE, NICE, REAL_TIME, Failed, Process

# How long a proxy has to give memory back.
_REST = 3
# How long a proxy is used before it is measured, so that its memory and connections are those of one at work.
_WARM_UP = 0.3
# How long the last change of weights may take, seconds.
_PATIENCE = 10
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
            with changing(self.context, server, one.changes) as changed:
                outcome = load.run(self.context, server, self.seconds)
            result = {"round": number, **outcome.as_dict()}
            stable, canary = backend_counts(self.context.backend)
            stable, canary = stable - before[0], canary - before[1]
            result["canary_share"] = round(canary / max(stable + canary, 1), 4)
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
def changing(context, server, times_a_second):
    """Changes the weights of the proxy's split meanwhile; tells how often that was done."""
    told = {"count": 0, "seconds": 1}
    if not times_a_second:
        yield told
        return
    weights = [{"weights": {"stable": 100 - canary, "canary": canary}} for canary in (9, 10, 11)]
    bodies = [word for body in weights for word in ("--body", json.dumps(body))]
    admin = f"127.0.0.1:{server.extra['admin']}"
    words = ["changes", "--to", admin, "--rate", times_a_second, "--path", "/api/v1/splits/-/bench", *bodies]
    process = Process([context.programs["load"], *words], {LOAD_CORE}, context.priority)
    try:
        yield told
        out, _ = process.child.communicate(timeout=_PATIENCE)
        if process.child.returncode != 0:
            raise Failed("a change of weights was refused")
        told.update(json.loads(out))
    finally:
        process.stop()
