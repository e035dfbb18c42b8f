"""
What a server takes while nobody asks it anything, and how soon it answers the first who does.
"""
import http.client
import time

import figures
import fill
import peers
import servers

MILLION = 1_000_000
WATCH_S = 10
STARTS = 20     # a round


def processor_percent(run):
    """The row: of a core, with a million buckets that refill."""
    with peers.prepared(run, peers.AllowdPeer(run)) as server:
        run.progress("idle: a million keys")
        fill.allowd(server, MILLION)
        time.sleep(1)
        before_s, began = server.processor_time_s(), time.monotonic()
        time.sleep(WATCH_S)
        share = 100 * (server.processor_time_s() - before_s) / (time.monotonic() - began)
    return figures.Finding(share, f"over {WATCH_S} s")


def small_nginx(run):
    """It writes a bit of a zone for each page that the zone may have: a small one."""
    return peers.nginx(run, zone="1m")


BOTH = {"allowd": peers.AllowdPeer, "nginx": small_nginx}


def resident(run):
    """The row: memory, once a few requests have been answered."""
    taken = {}
    for name, make in BOTH.items():
        with peers.prepared(run, make(run)) as server:
            taken[name] = server.resident_bytes()
    return figures.Finding(taken["allowd"] / taken["nginx"], f"allowd {taken['allowd'] / 1e6:.2f}, "
                           f"nginx and a worker {taken['nginx'] / 1e6:.2f} MB")


def first_answer_ms(server):
    """From the start of the process."""
    with server:
        while True:
            try:
                status, _ = server.answer("allow", "alice")
                break
            except (ConnectionError, http.client.HTTPException):
                pass
        took_ms = (time.monotonic() - server.began) * 1e3
    if status != 200:
        raise servers.ServerError(f"{server.name} answers its first request with {status}")
    return took_ms


def start(run):
    """The row."""
    took_ms = {name: [] for name in BOTH}
    for done in range(run.rounds):
        for name, make in BOTH.items():
            run.progress(f"start: round {done + 1} of {run.rounds}, {name}")
            took_ms[name].append(figures.median(first_answer_ms(make(run)) for _ in range(STARTS)))
    return figures.versus(took_ms["allowd"], took_ms["nginx"], "ms", ("allowd", "nginx"))
