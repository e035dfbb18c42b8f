"""
The goals: one row each, what is measured, against what, how good it has to be, and by which
function.

A function is given the run (run.py: rounds, seconds, cores, the daemon's path, a folder of
its own, progress) and returns a Finding (figures.py). What several rows need, one of them
measures: Run.once calls a function only the first time. Absolute figures that do not fit into a
Finding's details go into a table of the report (Run.table), those to be drawn into a series
(Run.series). The order here is the order of the report.
"""
from typing import Callable, NamedTuple

import base
import batches
import connections
import core
import idle
import latency
import loads
import many_keys
import memory
import pipelines
import sockets
import threads
import throughput


class Goal(NamedTuple):
    """A row."""
    name: str          # BENCH_ONLY takes it
    measure: str
    against: str
    relation: str      # ">=" or "<="
    value: float
    unit: str          # "" for a ratio
    how: Callable      # how(run) -> Finding

    def is_met(self, finding):
        """Whether a finding does."""
        if finding.fault:
            return False
        return finding.figure >= self.value if self.relation == ">=" else finding.figure <= self.value

    def missed_by(self, finding):
        """By how much of the goal the figure is short of it; 0 if it is not."""
        short = (self.value - finding.figure) / self.value
        return max(0, short if self.relation == ">=" else -short)

    def text(self):
        """The goal, as the issue writes it."""
        unit = f" {self.unit}" if self.unit else ""
        return f"{'≥' if self.relation == '>=' else '≤'} {self.value:g}{unit}"


RATE = "requests/s, one core, 64 connections"
PROCESSOR = "processor time a request, 64 connections"
BARE = "bare libmicrohttpd"

GOALS = (
    Goal("rate-bare", RATE, "bare libmicrohttpd, same bytes", ">=", 0.98, "", throughput.rate_against(BARE)),
    Goal("rate-nginx", RATE, "nginx limit_req", ">=", 1.05, "", throughput.rate_against("nginx")),
    Goal("rate-haproxy", RATE, "HAProxy stick table", ">=", 1.05, "", throughput.rate_against("HAProxy")),
    Goal("rate-go", RATE, "the Go original", ">=", 1.8, "", throughput.rate_against("Go")),
    Goal("rate-redis", RATE, "Redis + Lua over RESP", ">=", 1.6, "", throughput.rate_against("Redis")),
    Goal("cpu-64-nginx", PROCESSOR, "nginx", "<=", 0.88, "", throughput.processor_against("nginx", 64)),
    Goal("cpu-64-haproxy", PROCESSOR, "HAProxy", "<=", 1.00, "", throughput.processor_against("HAProxy", 64)),
    Goal("cpu-8-nginx", "processor time a request, 8 connections", "nginx", "<=", 0.90, "",
         throughput.processor_against("nginx", 8)),
    Goal("cpu-1-nginx", "processor time a request, one connection", "nginx", "<=", 1.00, "",
         throughput.processor_against("nginx", 1)),
    Goal("cpu-1000-nginx", "processor time a request, 1,000 connections", "nginx", "<=", 0.90, "",
         throughput.processor_against("nginx", 1000)),
    Goal("many-512", "requests/s, 512 connections", "allowd at 64", ">=", 0.9, "", throughput.many(512)),
    Goal("many-1000", "requests/s, 1,000 connections", "allowd at 64", ">=", 0.9, "", throughput.many(1000)),
    Goal("unix", "requests/s, Unix socket", "allowd's own TCP", ">=", 1.15, "", sockets.unix),
    Goal("p50-one", "p50, one connection", "nginx limit_req", "<=", 1.00, "", throughput.p50_one),
    Goal("p99-half", "p99 at half of nginx's peak, constant rate", "nginx limit_req", "<=", 1.2, "",
         latency.p99_half),
    Goal("batches", "decisions/s in batches of 100", "single requests", ">=", 20, "", batches.decisions),
    Goal("batches-base", "decisions/s in batches of 100, both freshly started", base.NAME, ">=", 3, "",
         batches.against_base("JSON")),
    Goal("batches-lines", "the same in lines", f"{base.NAME}, in JSON", ">=", 5, "", batches.against_base("lines")),
    Goal("resp-redis", "RESP, pipelines of 16 on 32 connections: processor time a decision", "Redis + Lua, the same",
         ">=", 6, "times less", pipelines.against_redis),
    Goal("resp-base", "RESP, pipelines of 16 on 32 connections: processor time a decision",
         f"{base.NAME} over HTTP, 64 connections", ">=", 10, "times less", pipelines.against_base),
    Goal("resp-p50", "RESP, one connection, no pipeline: p50", "nginx over HTTP", "<=", 1.00, "", pipelines.p50_one),
    Goal("threads", "two front-end threads on two cores, load from the same two", "one thread", ">=", 1.00, "",
         threads.two),
    Goal("brain", "brain: a decision, 1 million keys, batches of 64", "one dependent memory miss", "<=", 1.0, "",
         core.decision_to_miss),
    Goal("memory", "memory a key, 17-byte keys, 10 million, all told", "half of Redis hash and string, nginx zone",
         "<=", 56, "bytes", memory.a_key),
    Goal("p99-keys", "p99 with 10 million half-drained keys", "1,000 keys", "<=", 1.25, "", many_keys.p99),
    Goal("p999-reload", "p99.9 during a reload that changes the limit of 10 million keys", "without", "<=", 1.5, "",
         many_keys.p999_reload),
    Goal("idle-cpu", "processor, idle, 1 million keys to refill", "a core", "<=", 0.5, "%", idle.processor_percent),
    Goal("idle-memory", "resident memory, idle", "nginx and one worker", "<=", 1.0, "", idle.resident),
    Goal("memory-connection", "memory a connection, idle, 10,000 of them", base.NAME, "<=", 0.7, "",
         connections.memory),
    Goal("start", "start to first answer", "nginx", "<=", 1.0, "", idle.start),
)
# What only fills tables of the report: name -> measure(run).
TABLES = {"loads": loads.measure}


def chosen(names):
    """The goals and the tables with these names; all for none."""
    known = [goal.name for goal in GOALS] + list(TABLES)
    for name in names:
        if name not in known:
            raise ValueError(f"there is no row named {name}; there are {', '.join(known)}")
    return ([goal for goal in GOALS if not names or goal.name in names],
            [measure for name, measure in TABLES.items() if not names or name in names])
