#!/usr/bin/python3 -B
"""
Signals that come early: from main's first line until the daemon is ready, and while a command runs.

A preloaded library (failpoint.c) stops the process at each system call in turn. What is sent then
is there when it goes on: no test sleeps, and every moment has its turn. ALLOWD_SHARE says at which
share of the calls (share.py).
"""
import contextlib
import mmap
import os
import pathlib
import random
import re
import signal
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import share
from harness import ALLOWD, PATIENCE_S, Connection, library, request_bytes

FAILPOINT = library("FAILPOINT")
SEED = int(os.environ.get("ALLOWD_SEED") or random.randrange(1 << 32))
CONFIG = """\
threads: %d
listen: ["127.0.0.1:0", "unix:%s"]
state: %s
limits: [{name: default, burst: 10, rate: 1/d}]
"""
HARMLESS = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)
ENDS = (signal.SIGTERM, signal.SIGINT)
NEVER = 1 << 30


def ignore():
    """What a shell's trap '' does before exec: then not even exec itself leaves a gap."""
    for number in HARMLESS:
        signal.signal(number, signal.SIG_IGN)


class Place:
    """A configuration, a state and a socket of their own."""

    def __init__(self, threads=0):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        self.config, self.state = self.directory / "allowd.yaml", self.directory / "state"
        self.socket, self.told = self.directory / "socket", self.directory / "told"
        self.config.write_text(CONFIG % (threads, self.socket, self.state), encoding="utf-8")
        self.told.write_bytes(bytes(mmap.PAGESIZE))

    def calls(self):
        """How many calls there were so far."""
        return struct.unpack_from("=L", self.told.read_bytes())[0]

    def call(self):
        """The name of the call that it was stopped at."""
        return self.told.read_bytes()[8:40].rstrip(b"\0").decode("ascii")

    def close(self):
        for path in self.directory.iterdir():
            path.unlink()
        self.directory.rmdir()


class Run:
    """A process, stopped at the call of a number."""

    def __init__(self, place, *arguments, at=NEVER, prepare=None):
        self.place, self.lines = place, []
        self.changed = threading.Condition()
        variables = {} if at is None else {"LD_PRELOAD": FAILPOINT, "FAILPOINT_KIND": "stop",
                                           "FAILPOINT_AT": str(at), "FAILPOINT_FILE": str(place.told)}
        self.process = subprocess.Popen(
            [ALLOWD, "-c", str(place.config), *arguments], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=prepare,
            env=os.environ | variables)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stderr:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def log(self):
        with self.changed:
            return "\n".join(filter(None, self.lines))

    def wait_for(self, pattern):
        """false: it ended without such a line."""
        with self.changed:
            found = self.changed.wait_for(
                lambda: any(line is None or re.search(pattern, line) for line in self.lines), PATIENCE_S)
            assert found, f"no line with {pattern!r}: {self.lines}"
            return any(line is not None and re.search(pattern, line) for line in self.lines)

    def wait_for_stop(self):
        """false: it ended, or is ready, before it came to that call."""
        while True:
            found = os.waitid(os.P_PID, self.process.pid,
                              os.WSTOPPED | os.WEXITED | os.WNOWAIT | os.WNOHANG)
            if found is not None:
                return found.si_code == os.CLD_STOPPED
            with self.changed:
                if any(line is not None and " ready: " in line for line in self.lines):
                    return False
                self.changed.wait(0.001)

    def send(self, *numbers):
        for number in numbers:
            self.process.send_signal(number)

    def go_on(self):
        self.send(signal.SIGCONT)

    def end(self):
        status = self.process.wait(PATIENCE_S)
        self.reader.join(PATIENCE_S)
        self.process.stderr.close()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.end()


class Early(unittest.TestCase):
    def place(self, threads=0):
        place = Place(threads)
        self.addCleanup(place.close)
        return place

    def stopped_at_every_call(self, place):
        """A run for each call of the share until it is ready, stopped there."""
        at = share.WHICH
        while True:
            with Run(place, at=at) as run:
                if not run.wait_for_stop():
                    self.assertTrue(run.wait_for(" ready: "), run.log())
                    self.assertGreater(at, 50)
                    return
                with self.subTest(at=at, before=place.call()):
                    yield run
            at += share.OF

    def test_hup_at_every_call_leads_to_one_reload(self):
        """And USR1, USR2 and PIPE to nothing."""
        for threads in (0, 1):
            place = self.place(threads)
            for run in self.stopped_at_every_call(place):
                run.send(*HARMLESS, *HARMLESS)
                run.go_on()
                self.assertTrue(run.wait_for("^allowd: reloaded "), run.log())
                run.send(signal.SIGTERM)
                self.assertEqual(run.end(), 0, run.log())
                log = run.log()
                self.assertEqual(log.count("Hangup: reloading"), 1, log)
                self.assertLess(log.index(" ready: "), log.index("Hangup: reloading"))

    def test_an_end_at_every_call_is_an_orderly_one(self):
        for number, threads in zip(ENDS, (0, 1)):
            place = self.place(threads)
            for run in self.stopped_at_every_call(place):
                run.send(signal.SIGHUP, number)
                run.go_on()
                self.assertEqual(run.end(), 0, run.log())
                self.assertRegex(run.log(), "allowd: stopped")
                self.assertNotIn("error", run.log())
                self.assertEqual({path.name for path in place.directory.iterdir()} -
                                 {"allowd.yaml", "told", "state"}, set())
            with Run(place) as run:  # and what is left of the state is a good one
                self.assertTrue(run.wait_for(" ready: "), run.log())
                self.assertNotRegex(run.log(), "refused|is new|error")
                run.send(number)
                self.assertEqual(run.end(), 0)

    def test_while_the_configuration_is_read_it_ends_at_once(self):
        """By then nothing is made, and so it does not even finish reading."""
        place = self.place()
        for number in ENDS:
            at = self.call_that_reads(place)
            with Run(place, at=at) as run:
                self.assertTrue(run.wait_for_stop())
                run.send(number)
                run.go_on()
                self.assertEqual(run.end(), 0)
                self.assertEqual(run.log(), "allowd: stopped before it was ready")
                self.assertEqual(place.calls(), at + 2)  # the line, after a look whether it has room

    def call_that_reads(self, place):
        for at in range(1, 20):
            with Run(place, "-t", at=at) as run:
                self.assertTrue(run.wait_for_stop())
                name = place.call()
                run.go_on()
                self.assertEqual(run.end(), 0)
            if name == "read":
                return at
        self.fail("nothing is read")

    def test_while_it_waits_for_an_address(self):
        first, second = self.place(), self.place()
        second.config.write_text(first.config.read_text(encoding="utf-8").replace(
            str(first.state), str(second.state)), encoding="utf-8")
        for number in ENDS:
            with Run(first, at=None) as other:
                self.assertTrue(other.wait_for(" ready: "))
                with Run(second) as run:
                    self.assertTrue(run.wait_for("state .* is new|restored"))
                    run.send(number)
                    self.assertEqual(run.end(), 0, run.log())
                    self.assertRegex(run.log(), "ended before it was ready|stopped before it was ready")
                with Connection(str(first.socket)) as connection:
                    connection.send(request_bytes("GET", "/healthz"))
                    self.assertEqual(connection.receive().status, 200)
                other.send(number)
                self.assertEqual(other.end(), 0)

    def test_commands_end_as_commands(self):
        """Of -t and --print-config nobody may take the end for an answer."""
        place = self.place()
        for option in ("-t", "--print-config"):
            at = self.call_that_reads(place)
            for number in ENDS:
                with self.subTest(option, number=number), Run(place, option, at=at) as run:
                    self.assertTrue(run.wait_for_stop())
                    run.send(number)
                    run.go_on()
                    self.assertEqual(run.end(), -number)
            with self.subTest(option), Run(place, option, at=at) as run:
                self.assertTrue(run.wait_for_stop())
                run.send(*HARMLESS)
                run.go_on()
                self.assertEqual(run.end(), 0)

    def test_a_help_that_nobody_reads_ends_as_well(self):
        for option in ("-h", "-V"):
            reading, writing = os.pipe()
            filling = os.open(f"/proc/self/fd/{writing}", os.O_WRONLY | os.O_NONBLOCK)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(filling, b"x")
            process = subprocess.Popen([ALLOWD, option], stdout=writing)
            try:
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(PATIENCE_S), -signal.SIGTERM)
            finally:
                process.kill()
                process.wait()
                for descriptor in (reading, writing, filling):
                    os.close(descriptor)

    def test_a_reload_signal_soon_after_the_start(self):
        """As reported: with files of one limit and of hundreds, from exec on."""
        dice = random.Random(SEED)
        place = self.place()
        small = place.config.read_text(encoding="utf-8")
        large = small.replace("limits: [", "limits: [" + "".join(
            f"{{name: l{i}, match: 'l{i}:*', burst: 5, rate: 1/s}}, " for i in range(900)))
        for text, most_s in ((small, 0.03), (large, 0.3)):
            place.config.write_text(text, encoding="utf-8")
            for after_s in [0] + [dice.uniform(0, most_s) for _ in range(12)]:
                with self.subTest(after_s, seed=SEED), Run(place, at=None, prepare=ignore) as run:
                    time.sleep(after_s)  # the moment is what is tried: none is waited for
                    run.send(*HARMLESS)
                    self.assertTrue(run.wait_for(" ready: "), run.log())
                    run.send(signal.SIGTERM)
                    self.assertEqual(run.end(), 0, run.log())


if __name__ == "__main__":
    unittest.main()
