"""
Ten million buckets, half full, so that all refill: what that does to latency, at the rate of
latency.py, and what a reload does that changes the limit of all of them.
"""
import contextlib
import threading

import figures
import fill
import latency
import peers

FEW = 1000


def random_keys(run, server, rate, keys):
    """A turn at a constant rate, about any of so many keys."""
    return latency.paced(run, server, rate, run.seconds, target="/allow?limit=kept&key=" + fill.KEY % 0, keys=keys)


@contextlib.contextmanager
def filled(run, keys):
    """A daemon that knows so many."""
    with peers.prepared(run, peers.AllowdPeer(run, max_keys=max(keys, FEW) + 1000)) as server:
        run.progress(f"latency: {keys:,} keys")
        fill.allowd(server, keys)
        yield server


def other_burst(done):
    """The limits, of which one is another from one round to the next."""
    return dict(peers.LIMITS, kept=fill.LIMIT._replace(burst=fill.LIMIT.burst + 1 + done))


def reloaded(run, server, rate, done):
    """A turn in the middle of which the limit of all keys becomes another."""
    timer = threading.Timer(run.seconds / 2, server.reload, [other_burst(done)])
    timer.start()
    turn = random_keys(run, server, rate, fill.KEYS)
    timer.join()
    return turn


def three_ways(run):
    """Turns with few keys, with many, and with many and a reload."""
    rate, _ = run.once(latency.at_half_peak)
    few, many, reloads = [], [], []
    with filled(run, FEW) as small, filled(run, fill.KEYS) as large:
        for done in range(run.rounds):
            run.progress(f"ten million keys: round {done + 1} of {run.rounds}")
            few.append(random_keys(run, small, rate, FEW))
            many.append(random_keys(run, large, rate, fill.KEYS))
            reloads.append(reloaded(run, large, rate, done))
    return few, many, reloads


def p99(run):
    """The row of many keys against few."""
    few, many, _ = run.once(three_ways)
    return figures.versus([turn.p99_tenths_us for turn in many], [turn.p99_tenths_us for turn in few], "µs",
                          ("10 million keys", "1,000"))


def p999_reload(run):
    """The row of a reload against none."""
    _, without, reloads = run.once(three_ways)
    return figures.versus([turn.p999_us for turn in reloads], [turn.p999_us for turn in without], "µs",
                          ("with a reload", "without"))
