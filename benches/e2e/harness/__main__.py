"""The benchmark's command line."""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import certificates
import install
import report
from cases import CASES
from peers import Context
from peers.base import temporary
from plot import plots
from processes import LOAD_CORE, may_be_real_time, raise_file_limit
from runner import Runner
from summary import summarize

# With --quick, variants are left out unless they are named.
_QUICK_ROUNDS, _QUICK_SECONDS = 3, 0.4
_FAMILIES = ("nginx", "haproxy", "envoy", "pingora")


def arguments():
    parser = argparse.ArgumentParser(prog="benches/e2e/run", description="Measures Weir beside other proxies.")
    parser.add_argument("--quick", action="store_true", help="under five minutes, once everything is built")
    parser.add_argument("--rounds", type=int, help="rounds of every case (10; with --quick 3)")
    parser.add_argument("--seconds", type=float, help="of one measurement (2; with --quick 0.4)")
    parser.add_argument("--cases", help="names, with commas between; --list shows them")
    parser.add_argument(
        "--peers", help=f"some of {','.join(_FAMILIES)}, or variants such as nginx+split; none: only Weir"
    )
    parser.add_argument("--weir", help="a ready program instead of `cargo build --release`")
    parser.add_argument("--binary", action="append", default=[], metavar="PEER=PATH", help="a ready program for a peer")
    parser.add_argument("--out", type=Path, help="folder for results.json, table.md and the plots (a temporary one)")
    parser.add_argument("--publish", action="store_true", help="the folder is docs/benchmark")
    parser.add_argument("--install", action="store_true", help="only install and build")
    parser.add_argument("--list", action="store_true", help="list the cases")
    return parser.parse_args()


def chosen_cases(options):
    names = options.cases.split(",") if options.cases else [case.name for case in CASES]
    unknown = set(names) - {case.name for case in CASES}
    if unknown:
        sys.exit(f"no case {', '.join(sorted(unknown))}: --list shows them")
    return [case for case in CASES if case.name in names]


def chosen_contestants(case, peers, missing, quick):
    def is_wanted(one):
        if one.peer.family in ("floor", "weir"):
            return True
        if one.peer.family in missing or one.peer.family not in peers and one.peer.name not in peers:
            return False
        return not (quick and one.peer.variant) or one.peer.name in peers

    contestants = [one for one in case.contestants if is_wanted(one)]
    return type(case)(**{**vars(case), "contestants": contestants})


def sayer(case):
    def say(name, result):
        if "cpu_us" in result:
            wrong = f", errors: {result['errors']}" if result["errors"] else ""
            told = (
                f"{result['cpu_us']:.1f} µs per {case.unit}, {result['rate']:,.0f}/s, busy {result['busy']:.0%}{wrong}"
            )
        else:
            told = f"{result['held_rss'] / 2**20:.1f} MiB"
        print(f"  {case.name} {name}: {told}", file=sys.stderr, flush=True)

    return say


def main():
    options = arguments()
    if options.list:
        print("\n".join(f"{case.name:14} {case.title}" for case in CASES))
        return
    overrides = dict(pair.split("=", 1) for pair in options.binary)
    if options.weir:
        overrides["weir"] = str(Path(options.weir).resolve())
    peers = [name for name in (options.peers or ",".join(_FAMILIES)).split(",") if name != "none"]
    programs = install.install({"weir", *(name.split("+")[0] for name in peers)}, overrides)
    if options.install:
        return
    out = (
        install.TREE / "docs/benchmark"
        if options.publish
        else options.out or Path(tempfile.mkdtemp(prefix="weir-bench-"))
    )
    measure_all(options, programs, peers, out)


def measure_all(options, programs, peers, out):
    out.mkdir(parents=True, exist_ok=True)
    if os.cpu_count() < 2:
        sys.exit("two cores are needed: one for the proxy, one for load and backend")
    raise_file_limit()
    real_time = may_be_real_time()
    os.sched_setaffinity(0, {LOAD_CORE})
    rounds = options.rounds or (_QUICK_ROUNDS if options.quick else 10)
    seconds = options.seconds or (_QUICK_SECONDS if options.quick else 2.0)
    begun = time.monotonic()
    with temporary() as name:
        folder = Path(name)
        folder.chmod(0o755)
        certificate = certificates.make(programs["openssl"], folder)
        context = Context(programs, certificate, {}, folder)
        for case in chosen_cases(options):
            case = chosen_contestants(case, peers, programs.missing, options.quick)
            install.note(f"{case.name}: {case.title}")
            about = report.circumstances(sys.argv[1:], programs, real_time)
            cells = Runner(context, rounds, seconds, sayer(case)).run(case)
            result = {**summarize(case, cells), "circumstances": {**about, "rounds": rounds, "seconds": seconds}}
            save(out, {case.name: result})
            print(report.text({"cases": {case.name: result}}), flush=True)
    install.note(f"{time.monotonic() - begun:.0f} s; results are in {out}")


def save(out, results):
    """After every case, so that what was measured is there whatever comes next."""
    merged = report.merge(out / "results.json", results)
    order = {case.name: n for n, case in enumerate(CASES)}
    merged["cases"] = dict(sorted(merged["cases"].items(), key=lambda item: order.get(item[0], len(order))))
    report.write(out / "results.json", merged)
    (out / "table.md").write_text(report.text(merged))
    for name, content in plots(merged).items():
        (out / name).write_text(content)


if __name__ == "__main__":
    main()
