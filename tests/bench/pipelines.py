"""
Redis's protocol: commands in pipelines and one at a time, beside Redis and a bucket in Lua, nginx over HTTP and
an earlier allowd over HTTP.

Where a load generator is full, requests/s say nothing of the server: what is compared is the processor time that a
decision takes, of the whole server. redis-benchmark makes the load, and a leaner client (pipe.c) beside it.
"""
import os

import base
import figures
import load
import peers
import throughput

PIPELINE = load.Loop(connections=32, seconds=0, cores=[], pipeline=16)
HTTP_CONNECTIONS = 64
KEYS = "user:__rand_int__"
KEYS_COUNT = 100_000


def pipe(run, server, command):
    """A turn of the lean client."""
    said = load.run_pinned([os.path.join(run.build, "pipe"), str(server.port_of_resp()), str(PIPELINE.connections),
                            str(PIPELINE.pipeline), str(run.seconds), *command], [run.client_core], run.seconds)
    answered, seconds = said.split()
    return load.Load(requests=int(answered), rate=int(answered) / float(seconds))


def benchmark(run, server, command):
    """A turn of redis-benchmark."""
    return load.redis_benchmark(server.port_of_resp(), command, KEYS_COUNT,
                                PIPELINE._replace(seconds=run.seconds, cores=[run.client_core]))


def turn(server, ask):
    """A load, and what it took the server."""
    before = server.processor_time_s()
    seen = ask()
    return throughput.Turn(seen, (server.processor_time_s() - before) / seen.requests * 1e6)


CLIENTS = {"redis-benchmark": benchmark, "pipe": pipe}


def in_pipelines(run):
    """(server, client) -> turns: allowd and Redis by both clients, and the earlier allowd over HTTP."""
    turns = {}
    with peers.prepared(run, peers.AllowdPeer(run, resp=True)) as allowd, \
            peers.prepared(run, peers.redis(run)) as redis, peers.prepared(run, base.peer(run)) as before:
        commands = {allowd: ["ALLOW", KEYS], redis: redis.call(KEYS, "default")}
        for done in range(run.rounds):
            for server, command in commands.items():
                for name, client in CLIENTS.items():
                    run.progress(f"pipelines: round {done + 1} of {run.rounds}, {server.name}, {name}")
                    turns.setdefault((server.name, name), []).append(
                        turn(server, lambda: client(run, server, command)))
            run.progress(f"pipelines: round {done + 1} of {run.rounds}, {before.name}")
            turns.setdefault((before.name, "wrk"), []).append(throughput.take_turn(
                before, load.Questions(["allow"]), load.Loop(HTTP_CONNECTIONS, run.seconds, [run.client_core])))
    tabulate(run, turns)
    return turns


def tabulate(run, turns):
    """The medians, for the report."""
    title = f"Pipelines of {PIPELINE.pipeline} on {PIPELINE.connections} connections"
    run.table(title, ["", "processor time a decision, µs", "decisions/s"],
              [[f"{server}, {client}", figures.number(processor_us(these)),
                figures.number(figures.median(one.load.rate for one in these))]
               for (server, client), these in turns.items()])
    run.series("pipelines", ["peer", "redis-benchmark", "pipe"],
               [[name, *(processor_us(turns[name, client]) for client in CLIENTS)] for name in ("allowd", "Redis")])


def processor_us(turns):
    """The median."""
    return figures.median(one.processor_us for one in turns)


def times(turns, peer, client, mine):
    """A finding: how many times the processor time of allowd's decision a peer's is."""
    of = {name: [one.processor_us for one in turns[name]] for name in ((peer, client), ("allowd", mine))}
    return figures.versus(of[peer, client], of["allowd", mine], "µs a decision", (peer, "allowd"))


def against_redis(run):
    """The row, held against what redis-benchmark sees; what the lean client sees beside it."""
    turns = run.once(in_pipelines)
    finding = times(turns, "Redis", "redis-benchmark", "redis-benchmark")
    lean = times(turns, "Redis", "pipe", "pipe")
    return finding._replace(details=f"{finding.details}; by the lean client {lean.figure:.1f}")


def against_base(run):
    """The row: a decision of a pipeline against one of the earlier allowd over HTTP."""
    turns = run.once(in_pipelines)
    finding = times(turns, base.NAME, "wrk", "redis-benchmark")
    lean = times(turns, base.NAME, "wrk", "pipe")
    return finding._replace(details=f"{finding.details}; by the lean client {lean.figure:.1f}")


def p50_one(run):
    """The row: one connection, one command at a time, beside nginx over HTTP."""
    of = {"allowd": [], "nginx": [], "Redis": []}
    loop = load.Loop(1, run.seconds, [run.client_core])
    with peers.prepared(run, peers.AllowdPeer(run, resp=True)) as allowd, \
            peers.prepared(run, peers.nginx(run)) as nginx, peers.prepared(run, peers.redis(run)) as redis:
        asks = {"allowd": lambda: load.redis_benchmark(allowd.port_of_resp(), ["ALLOW", "alice"], 1, loop),
                "nginx": lambda: nginx.ask(load.Questions(["allow"]), loop),
                "Redis": lambda: redis.ask(load.Questions(["allow"]), loop)}
        for done in range(run.rounds):
            for name, ask in asks.items():
                run.progress(f"one connection: round {done + 1} of {run.rounds}, {name}")
                of[name].append(ask().p50_us)
    return figures.against(of, "nginx", "µs", ["Redis"])
