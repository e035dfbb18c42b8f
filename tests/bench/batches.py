"""
A batch of 100 keys against 100 requests of one key each.
"""
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
