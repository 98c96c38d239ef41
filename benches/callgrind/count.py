"""Instructions and allocations per request of the real binary, by callgrind: two runs of the same proxy that differ in
the number of requests only, so that what is done once, or by connection, is in neither figure."""

import argparse
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e" / "harness"))

import certificates  # noqa: E402
import install  # noqa: E402
import processes  # noqa: E402
from callgrind_file import read  # noqa: E402
from loads import H2load, Rig  # noqa: E402
from peers import WEIR, Context, Setting  # noqa: E402
from peers.base import temporary  # noqa: E402

GROWTH = 1.05
UNITS = ("instructions", "allocations")
# So many that the connections to endpoints that a proxy opens as its load begins do not count: it is some hundred more or fewer.
FEW, MANY = 20_000, 80_000
# The load is never what is waited for, so the proxy finds as many requests at once every time.
RELAYS = {
    "http1": (Setting(), lambda n: Rig("http", ("--connections", "64", "--requests", str(n)))),
    "http2": (Setting(h2=True), lambda n: H2load(8, ("-m100", f"-n{n}"), 1024, timed=False)),
    # An answer's message begins with five bytes about it.
    "grpc": (
        Setting(h2=True, upstream_h2=True),
        lambda n: H2load(8, ("-m100", f"-n{n}"), 5 + 1024, grpc=True, timed=False),
    ),
}
DECISIONS = {
    "decide": "1 route",
    "decide-1000-hosts": "1,000 routes by host",
    "decide-1000-paths": "1,000 routes by path",
    "decide-sticky": "sticky cookie",
}
_TIME = 120


class UnderCallgrind(type(WEIR)):
    """The proxy, slowed down."""

    def command(self, context, setting, port, folder):
        command, extra = super().command(context, setting, port, folder)
        out = folder / "callgrind.out"
        options = ["--tool=callgrind", "--compress-strings=no", "--compress-pos=no", f"--callgrind-out-file={out}"]
        return ["valgrind", *options, *command], {**extra, "out": out}


def relay(context, name, requests):
    """What the proxy did to start, relay so many requests, and end."""
    setting, load = RELAYS[name]
    started = UnderCallgrind().start(context, setting)
    try:
        outcome = load(requests).run(context, started, _TIME)
    finally:
        # It writes its profile as it ends.
        started.process.stop(patience=60)
    if outcome.errors or outcome.requests != requests:
        raise processes.Failed(f"{name}: {outcome.requests} of {requests} requests, {outcome.errors}")
    with open(started.extra["out"]) as lines:
        return read(lines)


def per_request(context, name):
    rest = relay(context, name, MANY) - relay(context, name, FEW)
    return rest, MANY - FEW


def print_profile(name, rest, requests):
    print(f"\n{name}: instructions per request by function")
    for function, spent in rest.instructions.most_common(25):
        print(f"{spent / requests:10.1f}  {function[:160]}")
    print(f"{name}: allocations per request by who asks for them")
    for function, made in rest.allocations.most_common(15):
        if made > 0.005 * requests:
            print(f"{made / requests:10.2f}  {function[:160]}")
    print()


def decisions(names):
    """Instructions per decision; that they allocate nothing is checked by the benchmark itself."""
    cases = [DECISIONS[name] for name in names]
    out = subprocess.run([HERE / "decide", *cases], check=True, capture_output=True, text=True).stdout
    found = {case: int(n) for case, n in re.findall(r"^(.*): (\d+) instructions per decision$", out, re.MULTILINE)}
    return {name: (found[DECISIONS[name]], None) for name in names}


def budgets():
    lines = (line.split() for line in (HERE / "budgets").read_text().splitlines())
    lines = [words for words in lines if words and not words[0].startswith("#")]
    return {name: (float(figures[0]), float(figures[1]) if figures[1:] else None) for name, *figures in lines}


def relays(names, weir, profile):
    environment = {"OPENSSL_ia32cap": ":0"}
    programs = install.Programs(paths={"h2load": "h2load", "openssl": "openssl"})
    install.rig(programs)
    if not weir:
        install.cargo_build(install.TREE)
    programs.paths["weir"] = weir or str(install.built(install.TREE, "release") / "weir")
    figures = {}
    with temporary() as folder:
        folder = Path(folder)
        certificate = certificates.make("openssl", folder)
        backend = processes.Process([programs["backend"]], {0, 1}, processes.NICE)
        try:
            context = Context(programs, certificate, backend.line(), folder, processes.NICE, environment, patience=60)
            for name in names:
                rest, requests = per_request(context, name)
                figures[name] = rest.total() / requests, sum(rest.allocations.values()) / requests
                if profile:
                    print_profile(name, rest, requests)
        finally:
            backend.stop()
    return figures


def compare(figures, allowed):
    """Prints every figure; whether all are within their budgets."""
    good = True
    for name, measured in figures.items():
        for unit, figure, budget in zip(UNITS, measured, allowed.get(name, (None, None)), strict=True):
            if figure is None:
                continue
            line = f"{name}: {figure:,.{0 if unit == 'instructions' else 2}f} {unit}"
            if budget is not None:
                # Something that happens once a second is not an allocation per request.
                grown = figure > budget * GROWTH + (0.05 if unit == "allocations" else 0)
                good = good and not grown
                line += f", budget {budget:,.10g}{': GROWN' if grown else ''}"
                line += ": the budget can be lowered" if figure < budget / GROWTH else ""
            print(line, flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(prog="benches/callgrind/check")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--measure", action="store_true")
    parser.add_argument("--weir", type=lambda path: str(Path(path).resolve()))
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    known = [*DECISIONS, *RELAYS]
    groups = {"decisions": DECISIONS, "relays": RELAYS}
    names = [name for asked in options.names or groups for name in groups.get(asked, [asked])]
    if unknown := set(names) - set(known):
        parser.error(f"no {', '.join(sorted(unknown))}: there are {', '.join([*groups, *known])}")
    figures = {}
    if relaying := [name for name in names if name in RELAYS]:
        counted = relays(relaying, options.weir, options.profile)
        # What deploy/build has made has budgets of its own.
        figures |= {f"released-{name}": told for name, told in counted.items()} if options.weir else counted
    if deciding := [name for name in names if name in DECISIONS]:
        figures |= decisions(deciding)
    good = compare(figures, {} if options.measure else budgets())
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
