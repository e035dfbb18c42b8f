#!/usr/bin/python3 -B
"""
How many instructions a request takes, and a decision, and each override while one of them changes: no more than when
they were last counted.

A count does not vary with the machine and its load, but with the compiler, its flags and the
libraries, so it is held against instructions.txt only where those are Debian 12's. With
ALLOWD_RECORD=1 it is put there instead.
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import callgrind
from harness import JSON, LINES, PATIENCE_S, TOP, Connection, Daemon, request_bytes

RECORD = TOP / "tests" / "e2e" / "instructions.txt"
DECISIONS = 4096        # of decisions.c
OVERRIDES = 10000       # at most
BATCH = 100             # keys
TOLERANCE = {"decision": 1.03, "override": 1.03, "request": 1.05, "hosted": 1.05, "check": 1.05, "batch": 1.05}
LIMITS = """
tick: 10s
max_keys: 1000
limits:
  - {name: default, burst: 1000000, rate: 1/s}
checks:
  - {name: edge, key: "{client_ip/64}", deny_status: 429, trusted_proxies: [127.0.0.1]}
"""
# What the recipes for proxies send.
FORWARDED = [("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Host", "shop.example"),
             ("X-Forwarded-Method", "GET"), ("X-Forwarded-Uri", "/a/b?c=d")]
RECORDS = os.environ.get("ALLOWD_RECORD") == "1"


def why_not():
    """Why nothing can be counted here that would compare, or None."""
    flags = os.environ.get("BUILD_CFLAGS", "")
    if "-fsanitize" in flags or "--coverage" in flags:
        return "valgrind runs no sanitized build, and a coverage build counts itself"
    if shutil.which("valgrind") is None:
        return "valgrind is not installed"
    if sorted(flags.split()) != ["-O2", "-g"]:
        return f"the record is of CFLAGS='-g -O2', not of '{flags}'"
    compiler = subprocess.run([*os.environ.get("BUILD_CC", "cc").split(), "--version"],
                              capture_output=True, text=True, check=True).stdout
    if not re.match(r".*\(Debian 12\.2\.0", compiler):
        return f"the record is of Debian 12's gcc, not of {compiler.splitlines()[0]}"
    if os.uname().machine != "x86_64":
        return f"the record is of x86_64, not of {os.uname().machine}"
    if not re.search(r"^flags\s*:.*\bavx2\b", pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii"), re.M):
        return "the record is of a processor with AVX2, for which the C library has functions of its own"
    return None


def recorded():
    """Name -> instructions."""
    rows = (line.split() for line in RECORD.read_text(encoding="ascii").splitlines())
    return {" ".join(row[:-1]): int(row[-1]) for row in rows if row and row[0] != "#"}


def record(name, count):
    """Puts a figure in the place of the one that is there, or at the end."""
    figures = recorded() | {name: count}
    head = [line for line in RECORD.read_text(encoding="ascii").splitlines() if line.startswith("#")]
    rows = [f"{name:24} {count:6}" for name, count in figures.items()]
    RECORD.write_text("\n".join(head + rows) + "\n", encoding="ascii")


class Instructions(unittest.TestCase):
    """Each test counts one of the figures."""

    def setUp(self):
        if reason := why_not():
            self.skipTest(reason)
        # Where there is one processor no thread watches for another (patience.h).
        processors = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(processors)})
        self.addCleanup(os.sched_setaffinity, 0, processors)
        folder = tempfile.TemporaryDirectory(prefix="allowd-instructions-")
        self.addCleanup(folder.cleanup)
        self.out = pathlib.Path(folder.name) / "out"

    def judge(self, name, count):
        """Holds a count against the record, or puts it there."""
        count = round(count)
        if RECORDS:
            record(name, count)
        before = recorded()[name]
        print(f"{name}: {count} instructions, recorded {before}", flush=True)
        if count * TOLERANCE[name.split()[0]] < before:
            print("which is so much less that it should be recorded: ALLOWD_RECORD=1", flush=True)
        most = before * TOLERANCE[name.split()[0]]
        self.assertLessEqual(
            count, most,
            f"{name}: it took {before} instructions and takes {count} now, {count / before - 1:.1%} more. "
            "If that is worth it: ALLOWD_RECORD=1 make check-instructions, then commit "
            "tests/e2e/instructions.txt and say why")

    # ---- the brain alone ----

    def measured(self, name, argument):
        """What a program takes in the function of that name."""
        program = os.path.join(os.environ["BUILDDIR"], "tests", "e2e", name)
        subprocess.run([*callgrind.COMMAND, f"--callgrind-out-file={self.out}",
                        "--toggle-collect=measured", program, argument],
                       check=True, timeout=PATIENCE_S)
        return callgrind.instructions(self.out)

    def decide(self, kind):
        """Counts decisions of a kind."""
        self.judge(f"decision {kind}", self.measured("decisions", kind) / DECISIONS)

    def test_a_decision_on_a_key_that_is_there(self):
        self.decide("existing")

    def test_a_decision_on_a_new_key(self):
        self.decide("new")

    def test_a_decision_that_denies(self):
        self.decide("denied")

    def test_a_decision_from_tokens_in_hand(self):
        self.decide("fleet")
        self.assertLessEqual(recorded()["decision fleet"], 1.05 * recorded()["decision existing"],
                             "a limit that a fleet shares must cost no more than 1.05 of a local one")

    # ---- limits that differ in one override from those before, which are put into force between two decisions ----

    def test_an_override_while_one_of_them_changes(self):
        few, many = (self.measured("one_override", str(count)) / count for count in (1000, OVERRIDES))
        self.judge("override of all", many)
        self.assertLessEqual(many, few, "the more overrides there are, the more each of them takes")

    # ---- requests ----

    @staticmethod
    def allow(number):
        return request_bytes("GET", f"/allow?key=user:{number:012}")

    @staticmethod
    def check(_):
        return request_bytes("GET", "/check/edge", FORWARDED)

    @staticmethod
    def keys(number):
        return [f"user:{number:06}{i:06}" for i in range(BATCH)]

    def batch(self, number):
        body = json.dumps({"requests": [{"key": key} for key in self.keys(number)]}, separators=(",", ":"))
        return request_bytes("POST", "/allow", [JSON], body.encode())

    def lines(self, number):
        return request_bytes("POST", "/allow", [LINES], "".join(f"{key}\n" for key in self.keys(number)).encode())

    def run_daemon(self, make, threads, connections, rounds):
        """What a daemon takes from start to end, that answers a request of each of these
        connections in each round."""
        with Daemon(f"threads: {threads}" + LIMITS, under=[*callgrind.COMMAND, f"--callgrind-out-file={self.out}"]) as daemon:
            clients = [Connection(daemon.address) for _ in range(connections)]
            for client in clients:
                self.addCleanup(client.close)
            requests = [make(number) for number in range(connections)]
            for _ in range(rounds):
                for client, request in zip(clients, requests):
                    client.send(request)
                for client in clients:
                    self.assertEqual(client.receive().status, 200)
            for client in clients:
                client.close()
        return callgrind.instructions(self.out)

    def ask(self, name, threads, connections, rounds, make=None):
        """Counts a request: what so many rounds take more than a few."""
        few, make = 3, make or self.allow
        before = self.run_daemon(make, threads, connections, few)
        count = self.run_daemon(make, threads, connections, few + rounds) - before
        self.judge(f"{name} of {connections}", count / (rounds * connections))

    def test_a_request_on_one_connection(self):
        self.ask("request", 1, 1, 1000)

    def test_a_request_on_one_of_64_connections(self):
        self.ask("request", 1, 64, 30)

    def test_a_request_on_one_connection_where_the_decider_is_hosted(self):
        self.ask("hosted", 0, 1, 1000)

    def test_a_request_on_one_of_64_connections_where_the_decider_is_hosted(self):
        self.ask("hosted", 0, 64, 30)

    def test_a_check_on_one_connection(self):
        self.ask("check", 1, 1, 1000, self.check)

    def test_a_check_on_one_of_64_connections(self):
        self.ask("check", 1, 64, 30, self.check)

    # ---- batches ----

    def test_a_batch_in_json(self):
        self.ask("batch in JSON", 0, 1, 200, self.batch)

    def test_a_batch_in_lines(self):
        self.ask("batch in lines", 0, 1, 200, self.lines)


if __name__ == "__main__":
    unittest.main(verbosity=2)  # why one was skipped
