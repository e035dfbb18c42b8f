"""
One schedule of arrivals, asked of two programs, and a judge of what each answered.

When a program decided is not known: between the request and its answer, and a program may go by a clock that stood still a
little before. So the judge keeps the instants at which the bucket may have been empty, and a decision is wrong only if no
instant explains it. A busy machine makes the judge milder, never wrong.
"""
import contextlib
import random
import time

from harness import Connection


class Bucket:
    """A bucket of so many tokens, refilled at so many a second, that was full at first.

    early_s, late_s: how far behind and ahead the clock may be by which a program goes. lost: the part of a token that it may
    lose by rounding each time that it allows. stands_still: it may not refill while it allows."""

    def __init__(self, burst, rate_s, early_s=0, late_s=0, lost=0, stands_still=False):
        self.token_s, self.fill_s = 1 / rate_s, burst / rate_s
        self.early_s, self.late_s, self.lost_s = early_s + 1e-9, late_s + 1e-9, lost / rate_s
        self.stands_still = stands_still
        self.empty_at = (float("-inf"), float("-inf"))  # the earliest and the latest instant

    def explains(self, asked_at, answered_at, is_allowed):
        """Whether a bucket of this kind could have decided so; and it did."""
        first, last = asked_at - self.early_s, answered_at + self.late_s
        earliest, latest = self.empty_at
        if is_allowed:
            if last - earliest < self.token_s:
                return False
            latest = max(min(latest, last - self.token_s), last - self.fill_s)
            earliest = max(earliest, first - self.fill_s)
            stood_s = last - first if self.stands_still else 0
            self.empty_at = earliest + self.token_s, latest + self.token_s + self.lost_s + stood_s
            return True
        if first - latest >= self.token_s:
            return False
        self.empty_at = max(earliest, first - self.token_s), latest
        return True


def unexplained(trace, bucket):
    """The first decision of a trace, of (asked_at, answered_at, is_allowed), that no instant explains; None: all are."""
    for number, decision in enumerate(trace):
        if not bucket.explains(*decision):
            return number, decision
    return None


def schedule(dice, burst, rate_s, length_s, most):
    """When to ask: several at once, steady for a while, and pauses, in turns."""
    arrivals, at_s = [0] * dice.randint(1, burst + 2), 0.3 / rate_s
    while at_s < length_s and len(arrivals) < most:
        kind = dice.randrange(3)
        if kind == 0:
            arrivals += [at_s] * dice.randint(1, burst + 2)
        elif kind == 1:
            gap_s = dice.uniform(0.4, 1.3) / rate_s
            for _ in range(dice.randint(2, 8)):
                arrivals.append(at_s)
                at_s += gap_s
        at_s += dice.expovariate(rate_s / dice.choice((0.5, 1, burst + 1)))
    return arrivals[:most]


def schedules(seed, limits, length_s=4, most=80):
    """Of several limits, given as {name: (burst, rate_s)}, in the order of time: (at_s, name)."""
    dice = random.Random(seed)
    return sorted((at_s, name) for name, (burst, rate_s) in limits.items()
                  for at_s in schedule(dice, burst, rate_s, length_s, most))


def play(arrivals, *asks):
    """Asks at each arrival what is to be asked, one after the other: the traces of each, by name."""
    traces = [{name: [] for _, name in arrivals} for _ in asks]
    began = time.monotonic()
    for at_s, name in arrivals:
        time.sleep(max(0, began + at_s - time.monotonic()))
        for ask, trace in zip(asks, traces):
            asked_at = time.monotonic()
            is_allowed = ask(name)
            trace[name].append((asked_at, time.monotonic(), is_allowed))
    return traces


@contextlib.contextmanager
def asking(address, request_of, yes=(200,), no=(429,), first=None):
    """Gives a function that asks over one connection that stays. first: a request that makes the connection, and takes
    nothing: the clock by which a server goes may be older than its first request."""
    with Connection(address) as connection:
        def ask(name):
            connection.send(request_of(name))
            status = connection.receive().status
            if status not in (*yes, *no):
                raise AssertionError(f"status {status}")
            return status in yes
        if first is not None:
            connection.send(first)
            connection.receive()
        yield ask
