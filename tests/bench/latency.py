"""
Latency at a constant rate, half of what nginx can do at most (pace.c says why constant).

What a goal is held against is the p99 of a tenth of a second, the median of all tenths of a turn:
on a machine that others use a server is off its core for milliseconds now and then, and whoever's
turn it is would pay for that. The percentiles of whole turns are in the report, too, and
how much the generator did not count.
"""
import os
from typing import NamedTuple

import figures
import load
import peers

CONNECTIONS = 64
PEERS = ["allowd", "nginx", "HAProxy", "Go", *peers.FLOORS]


class Paced(NamedTuple):
    """What pace prints."""
    requests: float
    uncounted: float
    p99_tenths_us: float
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float
    longest_us: float


def paced(run, server, rate, seconds, target=None, keys=1):
    """A turn at a constant rate. target: ends in the number of a key, any of so many."""
    said = load.run_pinned(
        [os.path.join(run.build, "pace"), str(server.port), target or server.paths["allow"] + "alice", f"{rate:.0f}",
         str(seconds), str(CONNECTIONS), "spin" if run.has_two_cores else "sleep", str(keys)],
        [run.client_core], seconds)
    return Paced(*map(float, said.split()))


def uncounted_share(turns):
    """How much the generator was not there for."""
    uncounted = sum(turn.uncounted for turn in turns)
    return uncounted / (uncounted + sum(turn.requests for turn in turns))


def half_peak(run, server):
    """Half of what a server can do at most."""
    run.progress(f"{server.name}'s peak")
    return figures.median(server.ask(load.Questions(["allow"]),
                                     load.Loop(CONNECTIONS, run.seconds, [run.client_core])).rate
                          for _ in range(3)) / 2


def at_half_peak(run):
    """The rate, and each peer's turns."""
    turns = {name: [] for name in PEERS}
    with peers.started(run, PEERS) as servers:
        rate = half_peak(run, servers[PEERS.index("nginx")])
        for done in range(run.rounds):
            for server in servers:
                run.progress(f"constant rate: round {done + 1} of {run.rounds}, {server.name}")
                turns[server.name].append(paced(run, server, rate, run.seconds))
    names = {"p50": "p50_us", "p90": "p90_us", "p99 of tenths": "p99_tenths_us", "p99": "p99_us",
             "p99.9": "p999_us"}
    rows = [[peer, *(figures.median(getattr(turn, field) for turn in turns[peer]) for field in names.values())]
            for peer in PEERS]
    run.series("latency", ["peer", *names], rows)
    run.table("Latency at half of nginx's peak rate, µs",
              ["", *names, "not counted"],
              [[peer, *map(figures.number, values), f"{100 * uncounted_share(turns[peer]):.1f} %"]
               for peer, *values in rows])
    return rate, turns


def p99_half(run):
    """The row."""
    rate, turns = run.once(at_half_peak)
    finding = figures.against({name: [turn.p99_tenths_us for turn in turns[name]] for name in PEERS}, "nginx", "µs",
                              peers.FLOORS)
    return finding._replace(details=f"at {figures.number(rate)} requests/s: {finding.details}")
