"""
callgrind: what it is started with, and the instructions that it counted, by function.
"""
import collections
import re

COMMAND = ("valgrind", "-q", "--tool=callgrind")

# Where a thread does nothing but wait for another, for however long that takes, or wakes one
# that may wait: how much of this is done is for chance to say, so it does not count.
WAITING = re.compile(r"inbox_take|sleep_until_filled|is_woken|put_mark|take_mark|"
                     r"is_filled|patience_watch|.*(sem_(post|.*wait)|futex).*")

# A "rep stosb", which is what large ones may be made of, counts once for each byte: that
# is no measure of what it takes, and whether it is used depends on the processor.
CLEARING = re.compile(r"__memset_.*")


def self_costs(path):
    """What a file of callgrind's (its format is part of valgrind's manual) has of each function,
    without those it called."""
    names, costs, function, is_call = {}, collections.Counter(), None, False
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if match := re.match(r"c?fn=\((\d+)\)(?: (.*))?$", line):
                number, name = match.groups()
                if name is not None:
                    names[number] = name
                if not line.startswith("c"):
                    function = names[number]
            elif line.startswith("calls="):
                is_call = True  # the line after it is what the callee took
            elif match := re.match(r"[+*\d-]\S* (\d+)$", line):
                if not is_call:
                    costs[function] += int(match[1])
                is_call = False
    return costs


def instructions(path):
    """All that were counted, waiting and clearing left out."""
    return sum(count for name, count in self_costs(path).items()
               if not WAITING.fullmatch(name) and not CLEARING.fullmatch(name))
