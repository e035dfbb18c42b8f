"""
Load generators: run on one core, and what they print taken apart.
"""
import os
import re
import subprocess
from typing import NamedTuple

import tools

FOLDER = os.path.dirname(os.path.abspath(__file__))
KEYS_SCRIPT = os.path.join(FOLDER, "keys.lua")
UNIT_US = {"us": 1, "ms": 1e3, "s": 1e6, "m": 60e6}


class LoadError(Exception):
    """A load generator that did not do its work; says what it printed."""


class Loop(NamedTuple):
    """A closed one: each connection asks again as soon as it has its answer."""
    connections: int
    seconds: float
    cores: list           # of the generator, a thread on each
    pipeline: int = 1     # requests that are sent at a time; redis-benchmark knows that, the others do not


class Questions(NamedTuple):
    """What is asked: kinds (peers.py), in turn, about which keys (keys.lua)."""
    kinds: list
    keys: str = "one"
    seed: int = 1


class Load(NamedTuple):
    """What a turn was like, as the client saw it."""
    requests: int         # all that were made, also to find out how many to make
    rate: float           # requests a second
    refused: int = 0      # answers other than 2xx
    errors: int = 0       # connections that failed, and answers that did not come in time
    p50_us: float = 0
    longest_us: float = 0


def run_pinned(command, cores, seconds):
    """Runs a command on these cores, and returns what it printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=seconds + 60,
                              preexec_fn=lambda: os.sched_setaffinity(0, set(cores)))
    except subprocess.TimeoutExpired as late:
        raise LoadError(f"{command[0]} did not end in {late.timeout} s") from late
    if done.returncode != 0:
        raise LoadError(f"{command[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def duration_us(text):
    """wrk's "12.34us", "1.20ms", "1.00s"."""
    amount, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(amount) * UNIT_US[unit]


def parse_wrk(text):
    """wrk's summary, with --latency."""
    done = re.search(r"(\d+) requests in", text)
    if done is None:
        raise LoadError(f"wrk printed what is not understood: {text.strip()}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    return Load(requests=int(done.group(1)),
                rate=float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)),
                refused=int(refused.group(1)) if refused else 0,
                errors=sum(map(int, errors.groups())) if errors else 0,
                p50_us=duration_us(re.search(r"^ +50%\s+(\S+)", text, re.M).group(1)),
                longest_us=duration_us(re.search(r"Latency\s+\S+\s+\S+\s+(\S+)", text).group(1)))


def wrk(url, loop, script_arguments=()):
    """With arguments keys.lua makes the requests; without, all are the same one."""
    script = ["-s", KEYS_SCRIPT] if script_arguments else []
    return parse_wrk(run_pinned(
        [tools.find("wrk"), "--latency", f"-t{min(len(loop.cores), loop.connections)}", f"-c{loop.connections}",
         f"-d{loop.seconds}s", *script, url, *(["--", *script_arguments] if script else [])],
        loop.cores, loop.seconds))


def parse_h2load(text):
    """h2load's summary."""
    rate = re.search(r"finished in \S+, ([\d.]+) req/s", text)
    done = re.search(r"requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed, (\d+) errored",
                     text)
    refused = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", text)
    if rate is None or done is None or refused is None:
        raise LoadError(f"h2load printed what is not understood: {text.strip()}")
    return Load(requests=int(done.group(1)), rate=float(rate.group(1)),
                refused=sum(map(int, refused.groups()[1:])), errors=int(done.group(3)))


def h2load(base, url, loop):
    """The same from h2load; base: "unix:PATH", or where else to connect."""
    return parse_h2load(run_pinned(
        [tools.find("h2load"), "--h1", f"-t{min(len(loop.cores), loop.connections)}", f"-c{loop.connections}",
         f"-D{loop.seconds}", f"--base-uri={base}", url], loop.cores, loop.seconds))


def parse_redis_benchmark(text, requests):
    """redis-benchmark's CSV: a line of names and one of figures."""
    lines = [line for line in text.splitlines() if line.startswith('"')]
    if len(lines) != 2:
        raise LoadError(f"redis-benchmark printed what is not understood: {text.strip()}")
    names, values = (re.findall(r'"([^"]*)"', line) for line in lines)
    # The command comes first, and has quotes of its own: count from the end.
    seen = dict(zip(reversed(names), reversed(values)))
    return Load(requests=requests, rate=float(seen["rps"]), p50_us=float(seen["p50_latency_ms"]) * 1e3,
                longest_us=float(seen["max_latency_ms"]) * 1e3)


def redis_benchmark(port, command, keys, loop):
    """The same over RESP, about so many keys. It takes a number of requests, not a time, so a first few
    say how many fill that."""
    def run(requests):
        return parse_redis_benchmark(run_pinned(
            [tools.find("redis-benchmark"), "-p", str(port), "-c", str(loop.connections),
             "-n", str(requests), "-r", str(keys), "-P", str(loop.pipeline), "--csv", *command],
            loop.cores, loop.seconds), requests)
    first = run(20000)
    seen = run(max(1000, int(first.rate * loop.seconds)))
    return seen._replace(requests=seen.requests + first.requests)
