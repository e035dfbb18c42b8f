"""
The report: what the goals came to, misses first, then all figures, the machine, and how it was done.
"""
import os

import figures
import goals
import machine
import plots

HOW = """\
All servers of a row are started on one core, each is checked to do what it is measured at (peers_check.py: it limits,
answers with allowd's bytes, and counts to the same numbers), and then they take turns, round by round, with the load
generator on the other core. A ratio is of two turns in the same round; what is held against the goal is the median of
the ratios, which need not be the ratio of the medians beside it. Processor time is user and system time of the whole
server, workers included: where the load generator cannot keep a server's core busy, requests/s hide what that shows.

Two that decide nothing show how far one could come: bare libmicrohttpd (bare.c) answers with the same bytes, and the
epoll loop (loop.c) does no more than one recv(2) and one send(2) a request. The figure after their names is what they
come to in the place of allowd.

Latency at a constant rate is counted from when a request was due, not from when it could be sent (pace.c). "p99 of
tenths" is the median of the p99 of each tenth of a second, which what else the machine does seldom hits; "not
counted" is what was under way while the generator itself was off its core.

Memory is what is resident of a whole server, its processes' shared pages once (PSS). Ten million keys come to Redis
by a script of its own, a bucket as bucket.lua keeps it or as a hash of two fields; two million to nginx by pipelined
requests, for it forgets a key that owes nothing after a minute.
A server has answered from when its process was started, to when the first connection that it took had its answer.

Where 512 connections come at once, libmicrohttpd's own thread, as bare libmicrohttpd has it, all but stands still now
and then; allowd has a loop of its own. Redis is asked over RESP, a simpler protocol than HTTP, by redis-benchmark,
which sends one kind of question about keys that are evenly spread, so some of its cells are empty. What the peers are
told, and why, is in [peers](peers).

An earlier allowd is the commit that BENCH_BASE names, built by the bench itself. In pipelines redis-benchmark keeps no
server busy, so what a decision takes is held against the goal, not how many there are in a second.
"""


def row_of(markdown_cells):
    """A line of a table."""
    return "| " + " | ".join(markdown_cells) + " |"


def table(columns, rows):
    """A table; figures stand right."""
    return [row_of(columns), row_of(["---"] + ["---:"] * (len(columns) - 1)), *map(row_of, rows)]


def measured(run):
    """The goals that have a finding, with it."""
    for goal in goals.GOALS:
        kept = run.found["goals"].get(goal.name)
        if kept is not None:
            yield goal, figures.Finding(kept["figure"], kept["details"], kept["fault"])


def miss_text(goal, finding):
    """A goal that was missed, in a sentence."""
    fault = f", {finding.fault}" if finding.fault else ""
    return (f"- **{goal.measure}**, against {goal.against}: {figures.number(finding.figure)}, "
            f"goal {goal.text()}, short by {100 * goal.missed_by(finding):.0f} %{fault} ({finding.details})")


def misses(run):
    """The first thing that is said."""
    missed = [miss_text(goal, finding) for goal, finding in measured(run) if not goal.is_met(finding)]
    met = sum(1 for goal, finding in measured(run) if goal.is_met(finding))
    unmeasured = [goal.name for goal in goals.GOALS if goal.name not in run.found["goals"]]
    lines = [f"{met} goals met, {len(missed)} missed" + (":" if missed else "."), "", *missed]
    if unmeasured:
        lines += ["", f"Not measured: {', '.join(unmeasured)}."]
    return lines


def goals_table(run):
    """All, with what was measured."""
    lines = [row_of(["measure", "against", "goal", "measured", "", "figures"]), row_of(["---"] * 6)]
    for goal, finding in measured(run):
        lines.append(row_of([goal.measure, goal.against, goal.text(), figures.number(finding.figure),
                             "met" if goal.is_met(finding) else "**missed**", finding.details]))
    return lines


def write(run, folder):
    """report.md and its plots."""
    kept = run.found["goals"].values()
    dates = sorted(one["date"] for one in kept)
    rounds = min((one["rounds"] for one in kept), default=run.rounds)
    lines = ["# allowd and its peers", "", "Made by `make bench`; not to be edited.", "", *misses(run), "",
             "## Goals", "", *goals_table(run), ""]
    for file, title in plots.draw(run, folder):
        lines += [f"![{title}]({file})", ""]
    lines += ["## Figures", "", "Medians of the rounds.", ""]
    for title, content in run.found["tables"].items():
        lines += [f"### {title}", "", *table(content["columns"], content["rows"]), ""]
    lines += ["## The machine", "", f"{machine.description(run)}.", "",
              ", ".join(f"{name} {version}" for name, version in machine.versions(run)) + ".", ""]
    if dates:
        others = max(one["others"] for one in kept)
        lines += [f"Measured {dates[0]} to {dates[-1]} UTC, {rounds} rounds or more; "
                  f"others used at most {100 * others:.0f} % of the machine meanwhile.", ""]
    lines += ["## How", "", HOW]
    path = os.path.join(folder, "report.md")
    with open(path, "w", encoding="utf-8") as out:
        out.write("\n".join(lines))
    return path
