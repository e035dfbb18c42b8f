"""
Figures of several rounds, made one: medians, and ratios of what belongs to the same round.

A machine that others use is now faster and now slower. Whatever it does hits all who take
turns in a round, so two of them are compared within each round first, and the median is of
the ratios.
"""
import statistics
from typing import NamedTuple


class Finding(NamedTuple):
    """What a row of the goals found."""
    figure: float      # is held against the goal
    details: str       # the absolute figures behind it, in one line
    fault: str = ""    # why the goal is missed whatever the figure is, such as "2 stalls"


def median(values):
    """The middle one."""
    return statistics.median(values)


def paired_ratios(mine, others):
    """Those within each round."""
    return [one / other for one, other in zip(mine, others, strict=True)]


def number(value):
    """A figure for people: three digits that count, thousands apart."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def others(values, against, names):
    """The same ratio of others, for comparison. values, against: name -> a figure a round."""
    return ", ".join(f"{name} {median(paired_ratios(values[name], against[name])):.2f}" for name in names)


def versus(mine, others, unit, names, fault=""):
    """The finding of one against the other: the median ratio, how far the rounds were apart, and
    both medians, under these names."""
    ratios = paired_ratios(mine, others)
    return Finding(median(ratios),
                   f"{names[0]} {number(median(mine))}, {names[1]} {number(median(others))} {unit}; "
                   f"rounds {min(ratios):.2f} to {max(ratios):.2f}", fault)
