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


def versus(mine, others, unit, names, fault=""):
    """The finding of one against the other: the median ratio, how far the rounds were apart, and
    both medians, under these names."""
    ratios = paired_ratios(mine, others)
    return Finding(median(ratios),
                   f"{names[0]} {number(median(mine))}, {names[1]} {number(median(others))} {unit}; "
                   f"rounds {min(ratios):.2f} to {max(ratios):.2f}", fault)


def beside(finding, values, wanted, names):
    """A finding, and what others come to in the place of allowd. values, wanted: of each name a figure a round,
    and what that is held against."""
    theirs = ", ".join(f"{name} {median(paired_ratios(values[name], wanted[name])):.2f}" for name in names)
    return finding._replace(details=f"{finding.details}; {theirs}")


def against(values, peer, unit, names=()):
    """The finding of allowd against a peer, beside others. values: of each name a figure a round."""
    finding = versus(values["allowd"], values[peer], unit, ("allowd", peer))
    return beside(finding, values, dict.fromkeys(values, values[peer]), names) if names else finding
