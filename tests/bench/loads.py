"""
Other loads than one key that is always allowed: tables for the report, no goals.

Few keys and many, evenly and not; all denied, and every other one.
"""
import figures
import load
import peers
import throughput

CONNECTIONS = 64
FILL_S = 12     # until a million keys are there, at the slowest peer's pace
LOADS = (
    ("one key, denied", ["tight"], "one"),
    ("one key, every other denied", ["allow", "tight"], "one"),
    ("1,000 keys", ["allow"], "thousand"),
    ("1,000,000 keys, evenly", ["kept"], "million"),
    ("1,000,000 keys, skewed", ["kept"], "skewed"),
)


def can(server, kinds, keys):
    """redis-benchmark sends one kind of question, and its keys are evenly spread."""
    return not isinstance(server, peers.RedisPeer) or (len(kinds) == 1 and keys != "skewed")


def fill(run, servers):
    """Has each know the million keys, so that no round is one of insertions alone."""
    for server in servers:
        run.progress(f"a million keys for {server.name}")
        server.fill("kept", load.Loop(CONNECTIONS, FILL_S, [run.client_core]))


def measure(run):
    """All of them."""
    turns = {}
    with peers.started(run, peers.LIMITING) as servers:
        fill(run, servers)
        for done in range(run.rounds):
            for title, kinds, keys in LOADS:
                for server in servers:
                    if can(server, kinds, keys):
                        run.progress(f"{title}: round {done + 1} of {run.rounds}, {server.name}")
                        turns.setdefault((server.name, title), []).append(throughput.take_turn(
                            server, load.Questions(kinds, keys, done + 1),
                            load.Loop(CONNECTIONS, run.seconds, [run.client_core])))
    tabulate(run, turns)
    return turns


def cells(turns, peer, figure):
    """A row of a table: figure(turns of a load) for each load that the peer had."""
    return [peer, *(figures.number(figure(turns[peer, asked], asked)) if (peer, asked) in turns else "-"
                    for asked, _, _ in LOADS)]


def tabulate(run, turns):
    """Medians, and paired ratios."""
    def to_allowd(of_peer, asked):
        return figures.median(figures.paired_ratios(*([turn.load.rate for turn in these]
                                                      for these in (turns["allowd", asked], of_peer))))

    for title, figure in (
            ("Requests/s", lambda these, _: figures.median(turn.load.rate for turn in these)),
            ("allowd's requests/s to the other's", to_allowd),
            ("Processor time a request, µs", lambda these, _: figures.median(turn.processor_us for turn in these))):
        run.table(f"{title}, {CONNECTIONS} connections, by load", ["", *(asked for asked, _, _ in LOADS)],
                  [cells(turns, peer, figure) for peer in peers.LIMITING])
