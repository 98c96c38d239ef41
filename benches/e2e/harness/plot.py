"""Plots as SVG: bars, one panel for each case."""

from html import escape

from summary import BEHIND

_WIDTH, _LEFT, _BAR, _GAP, _HEAD = 640, 150, 16, 4, 30
_COLORS = {"floor": "#9aa0a6", "weir": "#0b6e4f"}
_STYLE = "text{font:12px system-ui,sans-serif;fill:#222}.t{font-weight:600}.w{stroke:#222;stroke-width:1}"
_DARK = "@media(prefers-color-scheme:dark){text{fill:#ddd}.w{stroke:#ddd}}"


def _panel(title, bars, top):
    """Bars are (name, value, low, high, text); low and high are where the whisker ends."""
    most = max((high for _, _, _, high, _ in bars), default=1) or 1
    scale = (_WIDTH - _LEFT - 110) / most
    lines = [f'<text class="t" x="0" y="{top + 18}">{escape(title)}</text>']
    y = top + _HEAD
    for name, value, low, high, text in bars:
        color = _COLORS.get(name.split("+")[0].split(":")[0], "#c77d3c")
        middle = y + _BAR / 2
        end = _LEFT + max(value, high) * scale + 6
        lines += [
            f'<text x="{_LEFT - 8}" y="{y + 12}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{_LEFT}" y="{y}" width="{value * scale:.1f}" height="{_BAR}" fill="{color}"/>',
            f'<line class="w" x1="{_LEFT + low * scale:.1f}" x2="{_LEFT + high * scale:.1f}" '
            f'y1="{middle}" y2="{middle}"/>',
            f'<text x="{end:.1f}" y="{y + 12}">{escape(text)}</text>',
        ]
        y += _BAR + _GAP
    return lines, y + 14


def _document(panels):
    lines, top = [], 0
    for title, bars in panels:
        more, top = _panel(title, bars, top)
        lines += more
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top}" width="{_WIDTH}" height="{top}">'
    return "\n".join([head, f"<style>{_STYLE}{_DARK}</style>", *lines, "</svg>", ""])


def _bar(name, told, scale, unit):
    value = told["median"] * scale
    return (
        name,
        value,
        told["q1"] * scale,
        told["q3"] * scale,
        f"{value:,.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}",
    )


def _latency_bar(name, cell, quantile):
    # Who falls behind has a latency of any length, beside which the others' could not be seen.
    if cell.get("note") == BEHIND:
        return name, 0, 0, 0, BEHIND
    return _bar(name, cell["latency_us"][quantile], 1e-3, "ms")


def plots(results):
    """File names and their contents."""
    cpu, latency, memory = [], [], []
    for case in results["cases"].values():
        cells = {name: cell for name, cell in case["cells"].items() if cell["rounds"]}
        if case["kind"] == "cpu":
            cpu.append(
                (f"{case['title']}: CPU per {case['unit']}", [_bar(n, c["cpu_us"], 1, "µs") for n, c in cells.items()])
            )
        elif case["kind"] == "latency":
            for quantile, words in (("p50", "median"), ("p99", "99%"), ("p999", "99.9%")):
                bars = [_latency_bar(n, c, quantile) for n, c in cells.items() if c.get("latency_us")]
                latency.append((f"{case['title']}: {words}", bars))
        else:
            memory.append(
                (f"{case['title']}: resident", [_bar(n, c["held_rss"], 2**-20, "MiB") for n, c in cells.items()])
            )
    named = (("cpu.svg", cpu), ("latency.svg", latency), ("memory.svg", memory))
    return {name: _document(panels) for name, panels in named if panels}
