"""
A batch of 100 keys against 100 requests of one key each.
"""
import base
import figures
import load
import peers
import throughput

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


def both_forms(run):
    """Batches of allowd, in JSON and in lines, and JSON's of an earlier allowd, each server freshly started in each
    round: name -> decisions a second of the server's processor. The load generator has more to read and to write of
    JSON than the server has of lines, so requests a second would be its own."""
    asked = (("JSON", peers.AllowdPeer, "batch"), ("lines", peers.AllowdPeer, "lines"), (base.NAME, base.peer, "batch"))
    rates = {name: [] for name, _, _ in asked}
    loop = load.Loop(CONNECTIONS, run.seconds, [run.client_core])
    for done in range(run.rounds):
        for name, make, form in asked:
            with peers.prepared(run, make(run)) as server:
                run.progress(f"batches: round {done + 1} of {run.rounds}, {name}")
                turn = throughput.take_turn(server, load.Questions([form], form), loop)
                rates[name].append(BATCH_KEYS * 1e6 / turn.processor_us)
    return rates


def against_base(form):
    """The row of one form against JSON of the earlier allowd."""
    def how(run):
        rates = run.once(both_forms)
        return figures.versus(rates[form], rates[base.NAME], "decisions a second of processor time", (form, base.NAME))
    return how
