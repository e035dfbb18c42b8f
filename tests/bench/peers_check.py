"""
That a peer does what it is measured at: it limits, it answers with the bytes of allowd, and those
that count tokens come to the same numbers.
"""
import re
import time

# Tokens asked of a bucket of 5 (peers.LIMITS), and what is to be said: allowed, and what remains.
SMALL = ((2, True, 3), (2, True, 1), (2, False, 1), (1, True, 0), (1, False, 0), (0, True, 0))
BRISK_S = 1.0


class CheckError(Exception):
    """A peer that would not be measured at what it is there for."""


def expect(server, what, seen, wanted):
    """One thing."""
    if seen != wanted:
        raise CheckError(f"{server.name}, {what}: {seen}, not {wanted}")


def without_figures(body):
    """A body of which the time it was asked at makes no difference."""
    return re.sub(r"\d+", "0", body)


def answers(server, allowed_body, denied_body):
    """The same bytes, but for the time; from who limits nothing, those of the allowed."""
    status, body = server.answer("allow", "alice")
    expect(server, "an allowed answer", (status, body), (200, allowed_body))
    if not server.limits:
        return
    # Another key first, for HAProxy counts a key wherever it is asked about.
    seen = [server.answer("tight", "bob")[0] for _ in range(3)]
    expect(server, "3 of a burst of 1", seen, [200, 429, 429])
    server.answer("tight", "alice")
    status, body = server.answer("tight", "alice")
    expect(server, "a denied answer", (status, without_figures(body)), (429, without_figures(denied_body)))


def sequence(server):
    """The same numbers."""
    for tokens, allowed, remaining in SMALL:
        expect(server, f"{tokens} tokens of a bucket of 5", server.decide("sequence", "small", tokens),
               (allowed, remaining))


def refill(server, limit, tick_s=0.1):
    """As much admitted in a time as the limit says, to a tick at both ends."""
    admitted, began = 0, time.monotonic()
    while time.monotonic() < began + BRISK_S:
        admitted += server.decide("refill", "brisk", 1)[0]
    took = time.monotonic() - began
    lowest, highest = (limit.burst + limit.rate * (took + by * tick_s) for by in (-2, 1))
    if not lowest - 1 <= admitted <= highest + 1:
        raise CheckError(f"{server.name} admitted {admitted} in {took:.3f} s, not {lowest:.1f} to {highest:.1f}")
