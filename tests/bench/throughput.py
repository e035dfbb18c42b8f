"""
Requests a second, and processor time a request: everybody, with one key that is always allowed.
"""
from typing import NamedTuple

import figures
import load
import peers

CONNECTIONS = (1, 8, 64, 512, 1000)
STALL_US = 1_000_000    # an answer that takes as long is one


class Turn(NamedTuple):
    """One server's turn in one round."""
    load: load.Load
    processor_us: float    # user and system time of the whole server, a request


def take_turn(server, questions, loop):
    """A load, and what it took the server."""
    before = server.processor_time_s()
    seen = server.ask(questions, loop)
    if "tight" not in questions.kinds and seen.refused:
        raise load.LoadError(f"{server.name} refused {seen.refused} of {seen.requests} requests")
    return Turn(seen, (server.processor_time_s() - before) / seen.requests * 1e6)


def by_connections(run):
    """(peer, connections) -> turns. All counts in each round, so that they can be compared, too."""
    turns = {}
    with peers.started(run, peers.ALL) as servers:
        for done in range(run.rounds):
            for connections in CONNECTIONS:
                for server in servers:
                    run.progress(f"requests/s: round {done + 1} of {run.rounds}, "
                                 f"{connections} connections, {server.name}")
                    turns.setdefault((server.name, connections), []).append(
                        take_turn(server, load.Questions(["allow"]),
                                  load.Loop(connections, run.seconds, [run.client_core])))
    tabulate(run, turns)
    return turns


def tabulate(run, turns):
    """The medians, for the report."""
    for name, title, of in (("rate", "Requests/s by connections", lambda turn: turn.load.rate),
                            ("processor", "Processor time a request by connections, µs",
                             lambda turn: turn.processor_us),
                            ("p50", "Median latency by connections, µs", lambda turn: turn.load.p50_us)):
        rows = [[peer, *(figures.median(map(of, turns[peer, connections])) for connections in CONNECTIONS)]
                for peer in peers.ALL]
        run.series(name, ["peer", *CONNECTIONS], rows)
        run.table(title, ["", *CONNECTIONS],
                  [[peer, *map(figures.number, values)] for peer, *values in rows])


def rate_against(peer):
    """The row of requests/s at 64 connections against a peer."""
    def how(run):
        turns = run.once(by_connections)
        mine, others = ([turn.load.rate for turn in turns[name, 64]] for name in ("allowd", peer))
        return figures.versus(mine, others, "requests/s", ("allowd", peer))
    return how


def processor_against(peer, connections):
    """The row of processor time a request against a peer."""
    def how(run):
        turns = run.once(by_connections)
        mine, others = ([turn.processor_us for turn in turns[name, connections]] for name in ("allowd", peer))
        return figures.versus(mine, others, "µs a request", ("allowd", peer))
    return how


def many(connections):
    """The row of requests/s with so many connections against the same with 64."""
    def how(run):
        turns = run.once(by_connections)
        many_turns = turns["allowd", connections]
        mine, others = ([turn.load.rate for turn in these] for these in (many_turns, turns["allowd", 64]))
        stalls = sum(turn.load.errors + (turn.load.longest_us > STALL_US) for turn in many_turns)
        longest_ms = max(turn.load.longest_us for turn in many_turns) / 1e3
        finding = figures.versus(mine, others, "requests/s", (f"at {connections}", "at 64"),
                                 f"{stalls} stalls" if stalls else "")
        return finding._replace(details=f"{finding.details}; longest answer {figures.number(longest_ms)} ms")
    return how


def p50_one(run):
    """The row of the median latency of a single connection."""
    turns = run.once(by_connections)
    mine, others = ([turn.load.p50_us for turn in turns[name, 1]] for name in ("allowd", "nginx"))
    return figures.versus(mine, others, "µs", ("allowd", "nginx"))
