"""allowd against bare libmicrohttpd: requests per second, and processor time a request;
and a batch of 100 keys against 100 requests of one key each.

Both run pinned to one core, wrk to another; they take turns, round by round, so
that whatever else the machine does hits both. Prints the medians, and the
median of the ratios within each round.

usage: bench.py ALLOWD BARE [ROUNDS [SECONDS]]
"""

import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

CONNECTIONS = (8, 64)
TARGET = "/allow?key=alice"
CONFIG = """\
limits:
  - name: default
    burst: 100000000
    rate: 100000000/s
"""
KEYS_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "keys.lua")
BATCH_KEYS = 100 # as the script has it
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Server:
    def __init__(self, name, command, port, core):
        self.name, self.port = name, port
        self.process = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, preexec_fn=lambda: os.sched_setaffinity(0, {core})
        )

    def wait_until_it_answers(self):
        for _ in range(100):
            if subprocess.run(["curl", "-sf", "-o", os.devnull, self.url()], check=False).returncode == 0:
                return
            time.sleep(0.05)
        sys.exit(f"bench: {self.name} does not answer")

    def url(self):
        return f"http://127.0.0.1:{self.port}{TARGET}"

    def cpu_s(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_S

    def measure(self, connections, seconds, core, keys=None):
        """Requests per second, and microseconds of processor time a request. keys: the
        load of keys.lua, "single" or "batch", instead of one key all the time."""
        before = self.cpu_s()
        script = ["-s", KEYS_SCRIPT] if keys else []
        wrk = subprocess.run(
            ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", *script, self.url(), "--", keys or ""],
            capture_output=True, text=True, check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        ).stdout
        if "Non-2xx" in wrk:
            sys.exit(f"bench: {self.name} did not answer 200 to all:\n{wrk}")
        requests = int(re.search(r"(\d+) requests in", wrk).group(1))
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", wrk).group(1))
        return rate, (self.cpu_s() - before) / requests * 1e6

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)


def compare(servers, connections, rounds, seconds, core):
    figures = {server.name: [] for server in servers}
    for done in range(rounds):
        for server in servers:
            figures[server.name].append(server.measure(connections, seconds, core))
        print(f"\r{connections} connections: round {done + 1} of {rounds}", end="", file=sys.stderr)
    print(file=sys.stderr)
    for name, rows in figures.items():
        rate, cpu = (statistics.median(row[i] for row in rows) for i in (0, 1))
        print(f"{connections:4} connections  {name:8} {rate:10.0f} requests/s  {cpu:6.2f} us/request")
    first, second = (figures[server.name] for server in servers)
    rate, cpu = (statistics.median(a[i] / b[i] for a, b in zip(first, second)) for i in (0, 1))
    print(f"{connections:4} connections  {servers[0].name}/{servers[1].name}: "
          f"requests/s {rate:.2f}, processor time {cpu:.2f}")


def compare_batch(server, connections, rounds, seconds, core):
    """What a decision costs in a batch, and alone."""
    ratios = []
    for done in range(rounds):
        rate, cpu = server.measure(connections, seconds, core, "single")
        batch_rate, batch_cpu = server.measure(connections, seconds, core, "batch")
        ratios.append((batch_rate * BATCH_KEYS / rate, batch_cpu / BATCH_KEYS / cpu, batch_cpu))
        print(f"\rbatches: round {done + 1} of {rounds}", end="", file=sys.stderr)
    print(file=sys.stderr)
    rate, cpu, batch_cpu = (statistics.median(row[i] for row in ratios) for i in range(3))
    print(f"{connections:4} connections  a batch of {BATCH_KEYS} keys {batch_cpu:6.1f} us, "
          f"{cpu:.3f} of {BATCH_KEYS} single requests; decisions/s {rate:.1f} times as many")


def main():
    allowd, bare = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 5
    seconds = int(sys.argv[4]) if len(sys.argv) > 4 else 2
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is missing; apt-get install wrk")
    cores = sorted(os.sched_getaffinity(0))
    server_core, client_core = cores[0], cores[-1]
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "bench.yaml")
        with open(config, "w", encoding="ascii") as out:
            out.write(CONFIG)
        servers = [
            Server("allowd", [allowd, "-c", config, "-l", "127.0.0.1:18429"], 18429, server_core),
            Server("bare", [bare, "18430"], 18430, server_core),
        ]
        try:
            for server in servers:
                server.wait_until_it_answers()
            for connections in CONNECTIONS:
                compare(servers, connections, rounds, seconds, client_core)
            compare_batch(servers[0], 64, rounds, seconds, client_core)
        finally:
            for server in servers:
                server.stop()


if __name__ == "__main__":
    main()
