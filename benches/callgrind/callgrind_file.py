"""Reads what callgrind has written."""

import re
from collections import Counter
from dataclasses import dataclass, field

# Where memory comes from: what the program's allocator offers, and what code in C asks for by itself.
_ALLOCATION = re.compile(r"^(mi_(heap_)?(malloc|zalloc|calloc|realloc)\w*|malloc|calloc|realloc|posix_memalign)$")
_ALLOCATOR = re.compile(r"^_?mi_")
_COST = re.compile(r"^[+\-*\d]\S* (\d+)")


@dataclass
class Profile:
    """Instructions by function, without those of the functions it calls, and allocations by who asked."""

    instructions: Counter = field(default_factory=Counter)
    allocations: Counter = field(default_factory=Counter)

    def __sub__(self, before):
        def minus(after, before):
            rest = Counter(after)
            rest.subtract(before)
            return rest

        return Profile(minus(self.instructions, before.instructions), minus(self.allocations, before.allocations))

    def total(self):
        return sum(self.instructions.values())


def read(lines):
    """From a file that was written with `--compress-strings=no`."""
    profile, function, called, is_call = Profile(), "", "", False
    for line in lines:
        if line.startswith("fn="):
            function = line[3:].strip()
        elif line.startswith("cfn="):
            called = line[4:].strip()
        elif line.startswith("calls="):
            if _ALLOCATION.match(plain(called)) and not _ALLOCATOR.match(plain(function)):
                profile.allocations[function] += int(line[6:].split()[0])
            # The next line is what the call has cost, which is counted where it was spent.
            is_call = True
        elif cost := _COST.match(line):
            if not is_call:
                profile.instructions[function] += int(cost[1])
            is_call = False
    return profile


def plain(name):
    """Without what callgrind adds: the depth of a recursion."""
    return name.partition("'")[0]
