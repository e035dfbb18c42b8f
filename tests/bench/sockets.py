"""
A Unix socket against TCP, both of the same daemon.

wrk knows no Unix sockets, so h2load asks both.
"""
import os

import figures
import load
import peers

CONNECTIONS = 64


def unix(run):
    """The row."""
    path = os.path.join(run.folder, "allowd.sock")
    bases = {"Unix": f"unix:{path}"}
    rates = {"Unix": [], "TCP": []}
    loop = load.Loop(CONNECTIONS, run.seconds, [run.client_core])
    with peers.prepared(run, peers.AllowdPeer(run, unix=path)) as server:
        bases["TCP"] = f"http://127.0.0.1:{server.port}"
        for done in range(run.rounds):
            for name, base in bases.items():
                run.progress(f"sockets: round {done + 1} of {run.rounds}, {name}")
                rates[name].append(load.h2load(base, server.url("allow", "alice"), loop).rate)
    return figures.versus(rates["Unix"], rates["TCP"], "requests/s", ("Unix", "TCP"))
