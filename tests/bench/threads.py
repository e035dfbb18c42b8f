"""
Two front-end threads against one, both on two cores, and the load on the same two.
"""
import figures
import load
import peers
import throughput

CONNECTIONS = 64


def two(run):
    """The row."""
    cores = sorted({run.server_core, run.client_core})
    rates = {1: [], 2: []}
    with peers.prepared(run, peers.AllowdPeer(run, threads=1, cores=cores)) as one, \
            peers.prepared(run, peers.AllowdPeer(run, threads=2, cores=cores)) as other:
        for done in range(run.rounds):
            for threads, server in ((1, one), (2, other)):
                run.progress(f"threads: round {done + 1} of {run.rounds}, {threads}")
                rates[threads].append(throughput.take_turn(
                    server, load.Questions(["allow"]), load.Loop(CONNECTIONS, run.seconds, cores)).load.rate)
    return figures.versus(rates[2], rates[1], "requests/s", ("two", "one"),
                          "" if run.has_two_cores else "this machine has but one core")
