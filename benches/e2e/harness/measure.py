"""What the kernel says of a process and its children: time on a core, and memory."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def _read(path):
    try:
        return Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def tree(pid):
    """The process and all that descend from it."""
    found, todo = [], [pid]
    while todo:
        process = todo.pop()
        found.append(process)
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            todo.extend(int(child) for child in _read(task).split())
    return found


@dataclass
class Cpu:
    """Time on a core, in seconds; `user` and `system` only in ticks of the clock."""

    total: float
    user: float
    system: float
    at: float

    def __sub__(self, before):
        spent = (self.total - before.total, self.user - before.user, self.system - before.system)
        return Cpu(*spent, self.at - before.at)


def cpu(pid):
    """Of the whole tree. `schedstat` has nanoseconds, each thread its own; `stat` the division into user and system."""
    total, user, system = 0, 0, 0
    for process in tree(pid):
        for task in Path(f"/proc/{process}/task").glob("*/schedstat"):
            total += int((_read(task).split() or [0])[0])
        # What comes before the last parenthesis is the program's name, which may have spaces in it.
        fields = _read(f"/proc/{process}/stat").rpartition(")")[2].split()
        user += int(fields[11]) if fields else 0
        system += int(fields[12]) if fields else 0
    return Cpu(total / 1e9, user / _TICK, system / _TICK, time.monotonic())


@dataclass
class Memory:
    """Bytes: resident, and its share where pages belong to several processes."""

    rss: int
    pss: int


def memory(pid):
    """Of the whole tree."""
    rss, pss = 0, 0
    for process in tree(pid):
        for line in _read(f"/proc/{process}/smaps_rollup").splitlines():
            name, _, rest = line.partition(":")
            if name in ("Rss", "Pss"):
                size = int(rest.split()[0]) * 1024
                rss, pss = (rss + size, pss) if name == "Rss" else (rss, pss + size)
    return Memory(rss, pss)
