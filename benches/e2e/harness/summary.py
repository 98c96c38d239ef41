"""Medians and ratios. A ratio is the median of the ratios of rounds: the two were measured one after the other, so that
what slowed the machine down slowed both."""

from statistics import median, quantiles

MEASURES = {"cpu": "cpu_us", "latency": "cpu_us", "memory": "held_rss"}
# A note on who got fewer requests through than were asked for.
BEHIND = "does not keep up"
_LATENCIES = ("p50", "p90", "p99", "p999", "max")


def spread(values):
    """Median, least, and the quartiles."""
    values = [value for value in values if value is not None]
    if not values:
        return None
    low, _, high = quantiles(values, n=4, method="inclusive") if len(values) > 1 else (values[0],) * 3
    told = {"median": median(values), "min": min(values), "q1": low, "q3": high, "n": len(values)}
    return {name: round(value, 4) for name, value in told.items()}


def cell_summary(cell, kind):
    """What a contestant's rounds come to."""
    rounds = cell["rounds"]
    if not rounds:
        return {}
    if kind == "memory":
        return {name: spread([one[name] for one in rounds]) for name in rounds[0] if name != "round"}
    names = ("cpu_us", "user_us", "system_us", "rate", "busy", "rss", "canary_share", "changes_per_second")
    told = {name: spread([one[name] for one in rounds]) for name in names}
    if rounds[0]["latency_us"]:
        told["latency_us"] = {
            name: spread([one["latency_us"][name] for one in rounds if one["latency_us"]]) for name in _LATENCIES
        }
    errors = {}
    for one in rounds:
        for what, times in one["errors"].items():
            errors[what] = errors.get(what, 0) + times
    told["errors"] = errors
    return told


def ratio(cells, name, base, measure):
    """Of two contestants, round by round."""
    bases = {one["round"]: one[measure] for one in cells[base]["rounds"]}
    rounds = [one for one in cells[name]["rounds"] if bases.get(one["round"])]
    return spread([one[measure] / bases[one["round"]] for one in rounds])


def middle(cells, name, measure):
    return median(one[measure] for one in cells[name]["rounds"])


def note(one, summary):
    """What the figures do not say by themselves."""
    share = summary.get("canary_share", {}).get("median", 0.1)
    if one.peer.shares and not one.setting.sticky and not 0.05 < share < 0.15:
        return f"the canary had {share:.0%} of the requests"
    if summary.get("rate_asked") and summary["rate"]["median"] < 0.98 * summary["rate_asked"]:
        return BEHIND
    if one.changes and summary.get("changes_per_second"):
        return f"{summary['changes_per_second']['median']:.0f} changes a second"
    return ""


def summarize(case, cells):
    """Everything about a case that tables and plots show."""
    measure = MEASURES[case.kind]
    measured = [one for one in case.contestants if cells[one.name]["rounds"]]
    told = {"title": case.title, "kind": case.kind, "unit": case.unit, "limits": case.limits, "cells": {}}
    told["connections"] = case.connections
    floors = [one.name for one in measured if one.peer.family == "floor"]
    others = [one.name for one in measured if one.peer.family not in ("floor", "weir")]
    floor = min(floors, key=lambda name: middle(cells, name, measure), default=None)
    best = min(others, key=lambda name: middle(cells, name, measure), default=None)
    best_split = min(
        (one.name for one in measured if one.name in others and one.peer.split),
        key=lambda name: middle(cells, name, measure),
        default=None,
    )
    base = case.base if any(one.name == case.base for one in measured) else None
    told.update({"floor": floor, "best": best, "best_split": best_split, "base": base})
    for one in case.contestants:
        cell = cells[one.name]
        summary = {**cell_summary(cell, case.kind), **{key: cell[key] for key in cell if key != "rounds"}}
        if cell["rounds"]:
            summary["ratios"] = {
                to: ratio(cells, one.name, against, measure)
                for to, against in (("floor", floor), ("peer", best), ("split", best_split), ("own", base))
                if against
            }
            summary["note"] = note(one, summary)
        told["cells"][one.name] = {**summary, "rounds": cell["rounds"]}
    return told
