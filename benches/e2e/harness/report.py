"""Tables for people, and the file for programs."""

import json
import platform
import re
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from install import TREE


def machine():
    """Where and when this was measured."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) // 1024
    congestion = Path("/proc/sys/net/ipv4/tcp_congestion_control")
    return {
        "cpu": cpu,
        "cores": len(list(Path("/sys/devices/system/cpu").glob("cpu[0-9]*"))),
        "memory_mib": memory,
        "kernel": platform.release(),
        "tcp_congestion_control": congestion.read_text().strip() if congestion.exists() else None,
    }


def commit():
    def git(*words):
        return subprocess.run(["git", "-C", TREE, *words], capture_output=True, text=True).stdout.strip()

    return git("rev-parse", "--short=12", "HEAD") + ("+changes" if git("status", "--porcelain") else "")


def nameless(text):
    """Without the folders of this machine, which mean nothing on another one."""

    def last(found):
        return found[2] if Path(found[1]).is_dir() else found[0]

    return re.sub(r"(?<![\w.:/])(/[\w.+@-]+)/(?:[\w.+@-]+/)*([\w.+@-]+)", last, text)


def command(words):
    return nameless(" ".join(map(str, words)))


def circumstances(options, programs, real_time):
    """What belongs to the figures of a run."""
    return {
        "date": datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "command": command(["benches/e2e/run", *options]),
        "versions": programs.versions,
        "machine": machine(),
        "real_time_priority": real_time,
        "load_average": Path("/proc/loadavg").read_text().split()[0],
    }


def merge(file, results):
    """Cases that were measured before stay until they are measured again."""
    before = json.loads(file.read_text()) if file.exists() else {}
    return {"cases": {**before.get("cases", {}), **results}}


def write(file, results):
    file.write_text(json.dumps(results, indent=1) + "\n")


def number(value, digits=3):
    """As many digits as mean something."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"


def with_spread(told, scale=1.0):
    if not told:
        return ""
    low, high = number(told["q1"] * scale), number(told["q3"] * scale)
    return f"{number(told['median'] * scale)} [{low}–{high}]"


def ratio_text(told, least=False):
    if not told:
        return ""
    text = f"{told['median']:.2f} [{told['q1']:.2f}–{told['q3']:.2f}]"
    return f"{text}, min {told['min']:.2f}" if least else text


def remarks(case, cell):
    """Why a cell is not to be taken at its word."""
    found = [
        f"{what}: {cell[what]}" if what == "failed" else cell[what]
        for what in ("unsupported", "failed")
        if what in cell
    ]
    found += [f"{what}: {times}" for what, times in cell.get("errors", {}).items()]
    return "; ".join([*found, *filter(None, [cell.get("note")])])


def cpu_row(cell):
    if not cell.get("cpu_us"):
        return [""] * 8
    ratios = cell.get("ratios", {})
    return [
        with_spread(cell["cpu_us"]),
        number(cell["cpu_us"]["min"]),
        f"{number(cell['user_us']['median'])} + {number(cell['system_us']['median'])}",
        ratio_text(ratios.get("own")) if "own" in ratios else ratio_text(ratios.get("peer")),
        ratio_text(ratios.get("floor")),
        number(cell["rate"]["median"]),
        f"{cell['busy']['median']:.0%}",
        number(cell["rss"]["median"] / 2**20),
    ]


def latency_row(cell):
    if not cell.get("latency_us"):
        return [""] * 6
    quantiles = [with_spread(cell["latency_us"][name]) for name in ("p50", "p99", "p999")]
    return [*quantiles, number(cell["rate"]["median"]), with_spread(cell["cpu_us"]), f"{cell['busy']['median']:.0%}"]


def memory_row(cell, connections):
    if not cell.get("held_rss"):
        return [""] * 5
    mib = [number(cell[name]["median"] / 2**20) for name in ("before_rss", "held_rss", "held_pss", "after_rss")]
    return [*mib, number(kib_each(cell, connections))]


def kib_each(cell, connections):
    return (cell["held_rss"]["median"] - cell["before_rss"]["median"]) / max(connections, 1) / 1024


def table(case):
    """A case as rows of text, its heads first."""
    own = case["base"] is not None
    heads = {
        "cpu": [
            "CPU µs [IQR]",
            "min",
            "user + system",
            "÷ base" if own else "÷ best peer",
            "÷ floor",
            "per s",
            "busy",
            "MiB",
        ],
        "latency": ["p50 µs [IQR]", "p99 µs", "p99.9 µs", "per s", "CPU µs", "busy"],
        "memory": ["before MiB", "held MiB", "of it its own", "after MiB", "KiB per connection"],
    }[case["kind"]]
    rows = [["", *heads, ""]]
    for name, cell in case["cells"].items():
        if case["kind"] == "memory":
            values = memory_row(cell, case["connections"])
        else:
            values = cpu_row(cell) if case["kind"] == "cpu" else latency_row(cell)
        rows.append([name, *values, remarks(case, cell)])
    return rows


def overlap(one, other):
    return one["q1"] <= other["q3"] and other["q1"] <= one["q3"]


def latency_verdicts(case):
    """Weir's tails beside the best of the others; where the quartiles overlap, nothing can be concluded."""
    cells = {name: cell["latency_us"] for name, cell in case["cells"].items() if cell.get("latency_us")}
    others = [name for name in cells if not name.startswith(("weir", "floor"))]
    for quantile, words in (("p99", "p99"), ("p999", "p99.9")):
        if "weir" not in cells or not others:
            return
        best = min(others, key=lambda name, quantile=quantile: cells[name][quantile]["median"])
        ours, theirs = cells["weir"][quantile], cells[best][quantile]
        word = "better" if ours["median"] < theirs["median"] else "worse"
        judged = "equal, as far as this can tell" if overlap(ours, theirs) else word
        yield f"{words}: weir {with_spread(ours)}, best peer ({best}) {with_spread(theirs)}, n = {ours['n']}: {judged}"


def verdicts(case):
    """What was asked for, and what is."""
    if case["kind"] == "latency":
        yield from latency_verdicts(case)
        return
    name = next((name for name in reversed(case["cells"]) if name.startswith("weir")), None)
    ratios = case["cells"].get(name, {}).get("ratios", {})
    words = {"peer": f"best peer ({case['best']})", "split": f"best with a split ({case['best_split']})"}
    words |= {"floor": f"floor ({case['floor']})", "own": f"base ({case['base']})"}
    if case["kind"] == "memory" and ratios:
        cell, limits = case["cells"][name], case["limits"]
        if "each" in limits:
            each = number(kib_each(cell, case["connections"]))
            yield f"{name}: {each} KiB per connection; asked for: {limits['each']}"
        if "all" in limits:
            yield f"{name}: {number(cell['held_rss']['median'] / 2**20)} MiB in all; asked for: {limits['all']}"
    for to, told in ratios.items():
        asked = case["limits"].get(to)
        rest = f"; asked for: {asked:.2f}" if asked else ""
        yield f"{name} ÷ {words[to]}: {ratio_text(told, least=True)}{rest}"


def line(row, widths):
    return "| " + " | ".join(value.ljust(width) for value, width in zip(row, widths, strict=True)) + " |"


def text(results):
    """Tables in Markdown, which are as readable as they are."""
    lines = []
    for name, case in results["cases"].items():
        about = case["circumstances"]
        per = "" if case["kind"] == "memory" else f", per {case['unit']}"
        lines += [f"## {name}: {case['title']}{per}", ""]
        rows = table(case)
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += [line(rows[0], widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
        lines += [*(line(row, widths) for row in rows[1:]), ""]
        lines += [f"- {verdict}" for verdict in verdicts(case)]
        lines += [f"- `{about['command']}`, commit {about['commit']}, {about['date']}", ""]
    return "\n".join(lines)
