"""
allowd against its peers, and against its goals (goals.py): `make bench`.

Rows are measured one after the other; within a row all take turns, round by round. Prints each
row when it is measured, and writes report.md and its plots beside this file.

usage: bench.py BUILD-DIRECTORY
environment: BENCH_ROUNDS (5), BENCH_SECONDS (2) a turn, BENCH_ONLY (names of rows, comma
  apart: what earlier runs found of the others stays in the report), BENCH_BASE (the commit that some rows compare
  with, which is built for that: that of release 0.1.0)
"""
import os
import sys

import figures
import goals
import load
import machine
import peers_check
import report
import run
import servers
import tools

# What others may use of the machine without it being said.
QUIET = 0.05


def setting(name, default):
    """A positive whole number of the environment."""
    text = os.environ.get(name) or str(default)
    if not text.isdigit() or int(text) == 0:
        raise ValueError(f'{name} is a whole number above 0, not "{text}"')
    return int(text)


def show(goal, finding):
    """A row of the terminal's table."""
    print(f"{'met   ' if goal.is_met(finding) else 'MISSED'} {goal.name:16} {figures.number(finding.figure):>7} "
          f"{goal.text():>12}  {finding.details}" + (f" ({finding.fault})" if finding.fault else ""), flush=True)


def watched(this_run, how):
    """What how(run) gives, and what others used of the machine meanwhile; says so if that was much."""
    others_share = machine.neighbours()
    result = how(this_run)
    others = others_share()
    this_run.end_progress()
    if others > QUIET:
        print(f"       others used {100 * others:.0f} % of the machine for this: measure it again when it is quiet")
    return result, others


def measure(this_run, rows, tables):
    """One after the other."""
    for goal in rows:
        finding, others = watched(this_run, goal.how)
        show(goal, finding)
        this_run.keep(goal, finding, others)
    for fill in tables:
        watched(this_run, fill)
        this_run.save()


def bench(build):
    """All of it."""
    only = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name]
    rows, tables = goals.chosen(only)
    tools.need_all()
    with run.new_run(build, setting("BENCH_ROUNDS", 5), setting("BENCH_SECONDS", 2)) as this_run:
        if only:
            this_run.load()
            this_run.rows = rows
        print(f"bench: {this_run.rounds} rounds, {this_run.seconds} s a turn; "
              + (f"servers on core {this_run.server_core}, clients on core {this_run.client_core}"
                 if this_run.has_two_cores else
                 "this machine has one core, which servers and clients share: figures say little"))
        measure(this_run, rows, tables)
        missed = [goal.name for goal, finding in report.measured(this_run) if not goal.is_met(finding)]
        print(f"bench: missed: {', '.join(missed) or 'nothing'}")
        print(f"bench: {report.write(this_run, os.path.dirname(os.path.abspath(__file__)))}")


def main():
    """With what went wrong in a line."""
    if len(sys.argv) != 2:
        sys.exit("usage: bench.py BUILD-DIRECTORY")
    try:
        bench(sys.argv[1])
    except (ValueError, tools.ToolError, load.LoadError, servers.ServerError, peers_check.CheckError,
            OSError) as fault:
        sys.exit(f"bench: {fault}")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
