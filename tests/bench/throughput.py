"""
Requests a second, and processor time a request: everybody, with one key that is always allowed.
"""
import os
from typing import Callable, NamedTuple

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


def wanted(run):
    """The peers and the connections that the rows of a run need: all, unless it is a run of some rows only."""
    rows = [goal.how for goal in run.rows if isinstance(goal.how, Row)]
    if not rows:
        return list(peers.ALL), CONNECTIONS
    names = {"allowd", *peers.FLOORS, *(row.peer for row in rows)}
    counts = {count for row in rows for count in row.connections}
    return [name for name in peers.ALL if name in names], sorted(counts)


def by_connections(run):
    """(peer, connections) -> turns. All counts in each round, so that they can be compared, too."""
    turns = {}
    names, counts = wanted(run)
    with peers.started(run, names) as servers:
        for done in range(run.rounds):
            for connections in counts:
                for server in servers:
                    run.progress(f"requests/s: round {done + 1} of {run.rounds}, "
                                 f"{connections} connections, {server.name}")
                    turns.setdefault((server.name, connections), []).append(
                        take_turn(server, load.Questions(["allow"]),
                                  load.Loop(connections, run.seconds, [run.client_core])))
    if len(turns) == len(peers.ALL) * len(CONNECTIONS):
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
    """What a chain of letters takes to another thread and back, on one core."""
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
               ["for each chain, where the decider has a thread of its own", *[figures.number(handover_us(run))] * len(CONNECTIONS)]])


def of_all(turns, figure, connections):
    """Everybody's figures with so many connections, one a round."""
    return {name: [figure(turn) for turn in these]
            for (name, count), these in turns.items() if count == connections}


def rate_of(turn):
    """Requests a second."""
    return turn.load.rate


def against(turns, figure, connections, peer, unit):
    """A finding against a peer with so many connections, and how near to it one comes who decides nothing."""
    return figures.against(of_all(turns, figure, connections), peer, unit,
                           () if peer in peers.FLOORS else peers.FLOORS)


class Row(NamedTuple):
    """A row of turns with so many connections; called with the run it gives the finding."""
    connections: tuple     # those that it needs; the first is that of the figure
    peer: str
    finding: Callable      # finding(turns, row)

    def __call__(self, run):
        return self.finding(run.once(by_connections), self)


def find_rate(turns, row):
    """Requests/s against a peer."""
    return against(turns, rate_of, row.connections[0], row.peer, "requests/s")


def find_processor(turns, row):
    """Processor time a request against a peer."""
    return against(turns, lambda turn: turn.processor_us, row.connections[0], row.peer, "µs a request")


def find_p50(turns, row):
    """The median latency against a peer's."""
    return against(turns, lambda turn: turn.load.p50_us, row.connections[0], row.peer, "µs")


def find_many(turns, row):
    """Requests/s with so many connections against the same with fewer."""
    connections, usual_connections = row.connections
    rates, usual = (of_all(turns, rate_of, count) for count in row.connections)
    many_turns = turns["allowd", connections]
    stalls = sum(turn.load.errors + (turn.load.longest_us > STALL_US) for turn in many_turns)
    longest_ms = max(turn.load.longest_us for turn in many_turns) / 1e3
    finding = figures.versus(rates["allowd"], usual["allowd"], "requests/s",
                             (f"at {connections}", f"at {usual_connections}"), f"{stalls} stalls" if stalls else "")
    finding = finding._replace(details=f"{finding.details}; longest answer {figures.number(longest_ms)} ms")
    return figures.beside(finding, rates, usual, [row.peer, *peers.FLOORS])


def rate_against(peer):
    """The row of requests/s at 64 connections against a peer."""
    return Row((64,), peer, find_rate)


def processor_against(peer, connections):
    """The row of processor time a request against a peer."""
    return Row((connections,), peer, find_processor)


def many(connections):
    """The row of requests/s with so many connections against the same with 64; nginx stands beside."""
    return Row((connections, 64), "nginx", find_many)


# The row of the median latency of a single connection.
p50_one = Row((1,), "nginx", find_p50)
