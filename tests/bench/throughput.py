"""
Requests a second, and processor time a request: everybody, with one key that is always allowed.
"""
import os
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
    tabulate_parts(run, turns)
    return turns


def tabulate(run, turns):
    """The medians, for the report."""
    for name, title, of in (("rate", "Requests/s by connections", rate_of),
                            ("processor", "Processor time a request by connections, µs",
                             lambda turn: turn.processor_us),
                            ("p50", "Median latency by connections, µs", lambda turn: turn.load.p50_us)):
        rows = [[peer, *(figures.median(map(of, turns[peer, connections])) for connections in CONNECTIONS)]
                for peer in peers.ALL]
        run.series(name, ["peer", *CONNECTIONS], rows)
        run.table(title, ["", *CONNECTIONS],
                  [[peer, *map(figures.number, values)] for peer, *values in rows])


def handover_us(run):
    """What a chain takes to the state thread and back, on one core."""
    return figures.median(
        float(load.run_pinned([os.path.join(run.build, "handover")], [run.server_core], 1))
        for _ in range(run.rounds))


def tabulate_parts(run, turns):
    """What of a request's processor time is the kernel's, and what each server takes beyond that."""
    def beyond_loop(name):
        return [figures.number(figures.median(
                    mine.processor_us - loop.processor_us for mine, loop in
                    zip(turns[name, connections], turns["epoll loop", connections], strict=True)))
                for connections in CONNECTIONS]

    loop = [figures.number(figures.median(turn.processor_us for turn in turns["epoll loop", connections]))
            for connections in CONNECTIONS]
    run.table("Whose the processor time of a request is, µs", ["", *CONNECTIONS],
              [["the kernel's: an epoll loop", *loop],
               *([f"{name}'s, beyond that", *beyond_loop(name)] for name in peers.ALL if name != "epoll loop"),
               ["of allowd's, for each batch: the hand-over", *[figures.number(handover_us(run))] * len(CONNECTIONS)]])


def of_all(turns, figure, connections):
    """Everybody's figures with so many connections, one a round."""
    return {name: [figure(turn) for turn in turns[name, connections]] for name in peers.ALL}


def rate_of(turn):
    """Requests a second."""
    return turn.load.rate


def against(turns, figure, connections, peer, unit):
    """A finding against a peer with so many connections, and how near to it one comes who decides nothing."""
    return figures.against(of_all(turns, figure, connections), peer, unit,
                           () if peer in peers.FLOORS else peers.FLOORS)


def rate_against(peer):
    """The row of requests/s at 64 connections against a peer."""
    def how(run):
        return against(run.once(by_connections), rate_of, 64, peer, "requests/s")
    return how


def processor_against(peer, connections):
    """The row of processor time a request against a peer."""
    def how(run):
        return against(run.once(by_connections), lambda turn: turn.processor_us, connections, peer, "µs a request")
    return how


def many(connections):
    """The row of requests/s with so many connections against the same with 64."""
    def how(run):
        turns = run.once(by_connections)
        rates, usual = of_all(turns, rate_of, connections), of_all(turns, rate_of, 64)
        many_turns = turns["allowd", connections]
        stalls = sum(turn.load.errors + (turn.load.longest_us > STALL_US) for turn in many_turns)
        longest_ms = max(turn.load.longest_us for turn in many_turns) / 1e3
        finding = figures.versus(rates["allowd"], usual["allowd"], "requests/s", (f"at {connections}", "at 64"),
                                 f"{stalls} stalls" if stalls else "")
        finding = finding._replace(details=f"{finding.details}; longest answer {figures.number(longest_ms)} ms")
        return figures.beside(finding, rates, usual, ["nginx", *peers.FLOORS])
    return how


def p50_one(run):
    """The row of the median latency of a single connection."""
    return against(run.once(by_connections), lambda turn: turn.load.p50_us, 1, "nginx", "µs")
