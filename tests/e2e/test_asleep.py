#!/usr/bin/python3 -B
"""
A machine that is suspended: buckets refill meanwhile, and nobody is late after it.

A process that runs is told of a suspension by a preloaded library (asleep.c). What a restart finds
is tested in time namespaces of the kernel's, which take a privilege: without, these tests are
skipped, but never in CI (CI=true).
"""
import ctypes
import errno
import os
import signal
import sys
import time
import unittest

import test_state
from harness import Connection, Daemon, library, request_bytes, wait_until
from manager import Manager
from metrics import Metrics

ASLEEP = library("ASLEEP")
HOUR_S = 3600
LIMITS = "limits:\n  - {name: default, burst: 20, rate: 1/h}\n"
CLONE_NEWTIME = 0x80
YEAR_S = 366 * 24 * HOUR_S
# Tests that set clocks back begin so far ahead of the machine's, which may have been started a minute ago: the kernel has
# no clocks before zero.
AHEAD_S = 2 * HOUR_S

libc = ctypes.CDLL(None, use_errno=True)


def enter_time(boottime_s, monotonic_s=0):
    """Whatever this process starts from now on finds these two clocks so far ahead of the machine's."""
    if libc.unshare(CLONE_NEWTIME) != 0:
        why = errno.errorcode[ctypes.get_errno()]
        if os.environ.get("CI") == "true":
            raise AssertionError(f"no time namespace ({why}), and CI must test what sleep does")
        raise unittest.SkipTest(f"no time namespace can be made here: {why}")
    with open("/proc/self/timens_offsets", "w", encoding="ascii") as offsets:
        offsets.write(f"monotonic {monotonic_s} 0\nboottime {boottime_s} 0\n")


class Suspended(unittest.TestCase):
    """While it runs."""

    def start(self, threads, asleep_s):
        self.manager = Manager()
        self.addCleanup(self.manager.close)
        daemon = Daemon(f"threads: {threads}\nidle_timeout: 75s\n" + LIMITS,
                        prepare=self.manager.prepare(WATCHDOG_USEC=4_000_000, LD_PRELOAD=ASLEEP,
                                                     ASLEEP_S=asleep_s))
        self.addCleanup(daemon.stop)
        return daemon

    @staticmethod
    def ask(connection, method, target):
        connection.send(request_bytes(method, target))
        return connection.receive()

    def test_an_hour_asleep_is_an_hour(self):
        """Eleven hours asleep at 1/h are eleven tokens, not one."""
        for threads in (0, 1, 2):
            with self.subTest(threads=threads):
                daemon = self.start(threads, 11 * HOUR_S)
                with Connection(daemon.address) as connection:
                    self.assertEqual(self.ask(connection, "POST", "/allow?key=a&tokens=20").status, 200)
                    before_ms = self.ask(connection, "GET", "/status?key=a").json()["reset_after_ms"]
                    daemon.signal(signal.SIGUSR1)
                    wait_until(lambda: self.ask(connection, "GET", "/status?key=a").json()["remaining"],
                               "tokens came")
                    status = self.ask(connection, "GET", "/status?key=a").json()
                    self.assertEqual(status["remaining"], 11)
                    asleep_ms = before_ms - status["reset_after_ms"]
                    self.assertAlmostEqual(asleep_ms, 11 * HOUR_S * 1000, delta=60_000)
                    self.assertEqual(self.ask(connection, "POST", "/allow?key=a&tokens=12").status, 429)
                    self.assertEqual(self.ask(connection, "POST", "/allow?key=a&tokens=11").status, 200)
                daemon.stop()

    def test_nobody_is_late_after_it(self):
        """Neither clients, nor the state thread, nor a tick: the watchdog is fed, and no
        connection closed."""
        for threads in (0, 1):
            with self.subTest(threads=threads):
                daemon = self.start(threads, 11 * HOUR_S)
                idle, half = Connection(daemon.address), Connection(daemon.address)
                self.addCleanup(idle.close)
                self.addCleanup(half.close)
                self.assertEqual(self.ask(idle, "POST", "/allow?key=a&tokens=20").status, 200)
                half.send(b"GET /allow?key=b HTTP/1.1\r\n")
                daemon.signal(signal.SIGUSR1)
                with Connection(daemon.address) as other:
                    wait_until(lambda: self.ask(other, "GET", "/status?key=a").json()["remaining"],
                               "it has noticed")
                    # Each look at deadlines is a second after the one before at the earliest.
                    deadline = time.monotonic() + 2.5
                    while time.monotonic() < deadline:
                        self.ask(other, "GET", "/status?key=a")
                        time.sleep(0.01)
                    metrics = Metrics(self.ask(other, "GET", "/metrics").body.decode("utf-8"))
                self.assertEqual(self.ask(idle, "GET", "/readyz").status, 200)
                half.send(b"Host: x\r\n\r\n")
                self.assertEqual(half.receive().status, 200)
                self.assertEqual(metrics.value("allowd_connections_shed_total", reason="slow"), 0)
                self.assertLess(metrics.value("allowd_tick_lag_seconds"), HOUR_S)
                self.assertEqual(self.manager.hear()["READY"], "1")
                for _ in range(2):
                    self.assertEqual(self.manager.hear(), {"WATCHDOG": "1"})
                self.assertEqual([line for line in daemon.log() if "warning" in line], [])
                daemon.stop()


class OverARestart(test_state.StateCase):
    """A process that is killed, and one that goes on by clocks that are elsewhere."""

    def setUp(self):
        super().setUp()
        self.addCleanup(lambda: libc.unshare(CLONE_NEWTIME) == 0 and enter_time(0))

    def serve(self, boottime_s, monotonic_s=0):
        enter_time(boottime_s, monotonic_s)
        return self.start(f"state: {self.path}\n" + LIMITS, prepare=lambda: None)

    def test_time_asleep_counts(self):
        daemon = self.serve(AHEAD_S, AHEAD_S)
        self.take(daemon, "key", 20)
        daemon.kill()
        daemon = self.serve(AHEAD_S + 11 * HOUR_S, AHEAD_S)
        self.assertEqual(self.remaining(daemon, "key"), 11)
        daemon.kill()
        daemon = self.serve(AHEAD_S + 13 * HOUR_S, AHEAD_S - HOUR_S)
        self.assertEqual(self.remaining(daemon, "key"), 13)
        daemon.stop()

    def test_a_clock_that_was_set_back_does_not_freeze(self):
        """The wall clock then tells how long it was."""
        daemon = self.serve(100_000, 100_000)
        self.take(daemon, "key", 20)
        daemon.kill()
        daemon = self.serve(0)
        self.assertEqual(self.remaining(daemon, "key"), 0)
        daemon.kill()
        daemon = self.serve(2 * HOUR_S)
        self.assertEqual(self.remaining(daemon, "key"), 2)
        daemon.stop()

    def test_a_clock_far_ahead_fills_and_no_more(self):
        daemon = self.serve(0)
        self.take(daemon, "key", 20)
        daemon.kill()
        daemon = self.serve(YEAR_S)
        self.assertEqual(self.remaining(daemon, "key"), 20)
        self.take(daemon, "key", 20)
        self.assertEqual(self.remaining(daemon, "key"), 0)
        daemon.stop()


@unittest.skipUnless(sys.byteorder == "little", "the state is that of a little-endian machine")
class FormerClock(test_state.StateCase):
    """What 0.1.0 left knows of CLOCK_MONOTONIC only: until now, no time asleep is credited."""

    TIMES = 0xc0  # where the file has its time

    def setUp(self):
        super().setUp()
        test_state.Listed("state-0.1.0.hex").write(self.path)
        self.addCleanup(lambda: libc.unshare(CLONE_NEWTIME) == 0 and enter_time(0))
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            boot_id = bytes.fromhex(file.read().strip().replace("-", ""))
        with open(self.path, "r+b") as file:
            file.seek(self.TIMES)
            number_and_tick = file.read(16)
            moments_ns = (time.clock_gettime_ns(time.CLOCK_MONOTONIC) + AHEAD_S * 10**9,
                          time.clock_gettime_ns(time.CLOCK_REALTIME))
            when = number_and_tick + b"".join(ns.to_bytes(8, "little") for ns in moments_ns) + boot_id
            file.seek(self.TIMES)
            file.write(when + test_state.checksum(when))

    def serve(self, boottime_s, monotonic_s=0):
        """By clocks that are so far ahead of where 0.1.0 left them."""
        enter_time(AHEAD_S + boottime_s, AHEAD_S + monotonic_s)
        daemon = self.start(f"state: {self.path}\n" + test_state.FirstVersion.LIMITS % "old",
                            prepare=lambda: None)
        self.assertTrue(daemon.wait_for_line(r"state \S+: 4 keys restored"))
        return daemon

    def test_only_time_awake_is_credited(self):
        daemon = self.serve(5 * YEAR_S, 2 * YEAR_S)
        self.assertEqual(self.remaining(daemon, "api:a"), 2)
        self.assertEqual(self.remaining(daemon, "api:b"), 62)
        daemon.kill()

    def test_from_then_on_time_asleep_is(self):
        daemon = self.serve(5 * YEAR_S)
        self.assertEqual(self.remaining(daemon, "api:a"), 0)
        daemon.kill()
        daemon = self.serve(8 * YEAR_S)
        self.assertEqual(self.remaining(daemon, "api:a"), 3)
        daemon.stop()

    def test_a_clock_that_was_set_back_mints_nothing(self):
        daemon = self.serve(0, -1000)
        self.assertEqual(self.remaining(daemon, "api:a"), 0)
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
