#!/usr/bin/env python3
"""
One limit shared by two front doors: two allowds with a fleet, against Redis asked by a script for each request.

    tests/bench/fleet.py BUILD      a build directory, in which `make allowd pace` was done

Both have one core: the two allowds there, hosted, and their store on the other core with the load; or the Redis that is asked for each
request (peers/bucket.lua), with the load on the other core. They take turns, and the median of their ratios counts: of what
each can do at most, and of how long both take for the same requests at the same times, half as many as this Redis can do.
Then how much of a limit is admitted while far more is asked for. NOTEBOOK.md has what was measured.

FLEET_ROUNDS is how often each has its turn, FLEET_SECONDS for how long.
"""
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
from statistics import median

TOP = pathlib.Path(os.environ.get("TOP_SRCDIR") or pathlib.Path(__file__).resolve().parents[2])
ROUNDS = int(os.environ.get("FLEET_ROUNDS", "7"))
SECONDS = int(os.environ.get("FLEET_SECONDS", "4"))
SERVERS_CORE, LOAD_CORE = "0", "1"
CONNECTIONS = 32 # of each of two clients
BURST, RATE = 1_000_000, 1_000_000
SCARCE_BURST, SCARCE_RATE = 100, 500


def on(core, *words):
    return ["taskset", "-c", core, *words]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Process:
    def __init__(self, words):
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def end(self):
        self.process.kill()
        self.process.wait()


class Redis(Process):
    def __init__(self, folder, name, core):
        self.path = os.path.join(folder, f"{name}.sock")
        self.port = free_port()
        super().__init__(on(core, "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.path, "--save", "", "--dir", folder))
        while not os.path.exists(self.path):
            time.sleep(0.01)

    def ask(self, *words):
        return subprocess.run(["redis-cli", "-s", self.path, *words], check=True, capture_output=True, text=True).stdout

    def commands(self):
        return int(re.search(r"total_commands_processed:(\d+)", self.ask("info", "stats"))[1])


class Allowd(Process):
    def __init__(self, build, folder, name, store, limits):
        self.port = free_port()
        path = os.path.join(folder, f"{name}.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write(f"listen: ['127.0.0.1:{self.port}']\nthreads: 0\n"
                       f"fleet: {{name: bench, store: ['unix:{store.path}'], on_loss: full, cold_wait: 2s, op_timeout: 1s}}\nlimits:\n{limits}")
        super().__init__(on(SERVERS_CORE, os.path.join(build, "allowd"), "-c", path))
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.01)


def loads(allowds, key):
    """Requests and admitted ones a second of both, and the p99 of the slower one in milliseconds."""
    counts = ("function setup(t) table.insert(threads, t) end\nfunction init() ok = 0 end\n"
              "function response(status) if status == 200 then ok = ok + 1 end end\n")
    tells = ("function done(s, l) local n = 0 for _, t in ipairs(threads) do n = n + t:get('ok') end\n"
             "io.write(string.format('RESULT %d %d %d %d\\n', s.requests, n, s.duration, l:percentile(99))) end\n")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        # It is slower if it counts who is let through, so it does only where that is asked.
        file.write("threads = {}\n" + (counts if key == "scarce" else "") + tells)
        file.flush()
        clients = [subprocess.Popen(on(LOAD_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", file.name,
                                       f"http://127.0.0.1:{allowd.port}/allow?key={key}:1"), stdout=subprocess.PIPE, text=True)
                   for allowd in allowds]
        told = [re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", client.communicate()[0]) for client in clients]
    rate = sum(int(one[1]) * 1e6 / int(one[3]) for one in told)
    admitted = sum(int(one[2]) * 1e6 / int(one[3]) for one in told)
    return rate, admitted, max(int(one[4]) for one in told) / 1000


def redis_load(redis, digest):
    """Requests a second and the p99 in milliseconds."""
    out = subprocess.run(on(LOAD_CORE, "redis-benchmark", "-p", str(redis.port), "-c", str(2 * CONNECTIONS), "-n",
                            str(40000 * SECONDS), "--csv", "evalsha", digest, "1", "bench:1", str(BURST), str(RATE), "1000000", "1"),
                         check=True, capture_output=True, text=True).stdout.splitlines()
    row = dict(zip(out[-2].replace('"', "").split(","), re.findall(r'"([^"]*)"', out[-1])))
    return float(row["rps"]), float(row["p99_latency_ms"])


def paced(build, ports, target, rate):
    """The p99 of two clients that ask at a constant rate, in milliseconds: the median of tenths of a second (pace.c), of the
    slower one."""
    clients = [subprocess.Popen(on(LOAD_CORE, os.path.join(build, "pace"), str(port), target, f"{rate / 2:.0f}", str(SECONDS),
                                   str(CONNECTIONS), "sleep"), stdout=subprocess.PIPE, text=True) for port in ports]
    return max(float(client.communicate()[0].split()[2]) for client in clients) / 1000


def compare(rows, names):
    for i, name in enumerate(names):
        values = sorted(row[i] for row in rows)
        print(f"{name}: {median(values):.5g} ({values[0]:.5g} to {values[-1]:.5g})")


def main(build):
    with tempfile.TemporaryDirectory(prefix="allowd-bench-") as folder:
        store, asked = Redis(folder, "store", LOAD_CORE), Redis(folder, "asked", SERVERS_CORE)
        limits = (f"  - {{name: many, match: 'many:*', burst: {BURST}, rate: {RATE}/s, scope: fleet}}\n"
                  f"  - {{name: scarce, match: 'scarce:*', burst: {SCARCE_BURST}, rate: {SCARCE_RATE}/s, scope: fleet}}\n"
                  "  - {name: default, burst: 10, rate: 1/s}\n")
        allowds = [Allowd(build, folder, f"allowd{i}", store, limits) for i in range(2)]
        digest = asked.ask("script", "load", (TOP / "tests/bench/peers/bucket.lua").read_text(encoding="ascii")).strip()
        rows = []
        try:
            loads(allowds, "many")
            for _ in range(ROUNDS):
                before = store.commands()
                rate, _, p99 = loads(allowds, "many")
                commands = (store.commands() - before) / (rate * SECONDS)
                redis_rate, redis_p99 = redis_load(asked, digest)
                rows.append((rate / redis_rate, p99 / redis_p99, commands, rate, redis_rate, p99, redis_p99))
                print("two allowds %.0f/s, p99 %.2f ms, %.5f commands a decision; Redis %.0f/s, p99 %.2f ms" %
                      (rate, p99, commands, redis_rate, redis_p99), flush=True)
            compare(rows, ("decisions a second", "p99 at what each can do", "commands a decision"))
            rate, rows = median(row[4] for row in rows) / 2, []
            call = f"resp:EVALSHA {digest} 1 bench:1 {BURST} {RATE} 1000000 1"
            for _ in range(ROUNDS):
                ours = paced(build, [allowd.port for allowd in allowds], "/allow?key=many:1", rate)
                redis = paced(build, [asked.port] * 2, call, rate)
                rows.append((ours / redis,))
                print("at %.0f/s two allowds' p99 is %.3f ms; Redis's %.3f ms" % (rate, ours, redis), flush=True)
            compare(rows, ("p99 at that rate",))
            time.sleep(2)
            for _ in range(3):
                _, admitted, _ = loads(allowds, "scarce")
                print("admitted of a limit under over-demand: %.4f" % ((admitted - SCARCE_BURST / SECONDS) / SCARCE_RATE))
        finally:
            for process in (*allowds, store, asked):
                process.end()


main(sys.argv[1])
