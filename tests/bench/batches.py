"""
A batch of 100 keys against 100 requests of one key each.
"""
import base
import figures
import load
import peers

BATCH_KEYS = 100    # as keys.lua has it
CONNECTIONS = 64


def decisions(run):
    """The row: decisions a second."""
    rates = {"thousand": [], "batch": []}
    loop = load.Loop(CONNECTIONS, run.seconds, [run.client_core])
    with peers.started(run, ["allowd"]) as (server,):
        for done in range(run.rounds):
            for keys, of_keys in rates.items():
                run.progress(f"batches: round {done + 1} of {run.rounds}")
                seen = server.ask(load.Questions(["batch" if keys == "batch" else "allow"], keys), loop)
                if seen.refused:
                    raise load.LoadError(f"allowd refused {seen.refused} of {seen.requests} requests")
                of_keys.append(seen.rate)
    return figures.versus([rate * BATCH_KEYS for rate in rates["batch"]], rates["thousand"],
                          "decisions/s", ("in batches", "singly"))


def against_base(run):
    """The row: batches against the same of an earlier allowd, each freshly started in each round."""
    rates = {"allowd": [], base.NAME: []}
    loop = load.Loop(CONNECTIONS, run.seconds, [run.client_core])
    for done in range(run.rounds):
        for make in (peers.AllowdPeer, base.peer):
            with peers.prepared(run, make(run)) as server:
                run.progress(f"batches: round {done + 1} of {run.rounds}, {server.name}")
                seen = server.ask(load.Questions(["batch"], "batch"), loop)
                if seen.refused:
                    raise load.LoadError(f"{server.name} refused {seen.refused} of {seen.requests} requests")
                rates[server.name].append(seen.rate * BATCH_KEYS)
    return figures.against(rates, base.NAME, "decisions/s")
