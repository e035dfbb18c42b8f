#!/usr/bin/python3 -B
"""A state thread that gets on no more: the service manager's watchdog is not fed."""
import signal
import unittest

from harness import Connection, Daemon, library, request_bytes, wait_until
from manager import Manager

STALLSTATE = library("STALLSTATE")
SILENCE_US = 400000
WATCHDOG = {"WATCHDOG": "1"}
IDLE = "threads: 1\nlimits:\n  - {name: default, burst: 10, rate: 1/s}\n"
TICKING = "tick: 1ms\n" + IDLE
HOSTED = IDLE.replace("threads: 1", "threads: 0")


class Stall(unittest.TestCase):
    def start(self, config):
        self.manager = Manager()
        self.addCleanup(self.manager.close)
        daemon = Daemon(config, prepare=self.manager.prepare(
            WATCHDOG_USEC=SILENCE_US, LD_PRELOAD=STALLSTATE,
            STALL_THREAD="front" if config == HOSTED else "state"))
        self.addCleanup(daemon.stop)
        self.assertEqual(self.manager.hear()["READY"], "1")
        self.assertEqual(self.manager.hear(), WATCHDOG)
        return daemon

    def stall(self, daemon):
        """What was fed before is heard first, and the answer to the last question; then no more comes."""
        daemon.signal(signal.SIGUSR1)
        wait_until(lambda: self.manager.hear_silence(2 * SILENCE_US / 1e6), "it is fed no more")

    def test_it_stops_the_feeding_while_it_lasts(self):
        for config in (IDLE, TICKING, HOSTED):
            with self.subTest(config):
                daemon = self.start(config)
                with Connection(daemon.address) as connection:
                    connection.send(request_bytes("GET", "/allow?key=a&tokens=10"))
                    self.assertEqual(connection.receive().status, 200)
                    self.stall(daemon)
                    connection.send(request_bytes("GET", "/status"))
                    self.assertTrue(self.manager.hear_silence(SILENCE_US / 1e6))
                    daemon.signal(signal.SIGUSR1)
                    for _ in range(3):
                        self.assertEqual(self.manager.hear(), WATCHDOG)
                    self.assertEqual(connection.receive().status, 200)
                daemon.stop()

    def test_in_a_reload(self):
        """The main thread waits for the state thread: that must not look like life."""
        for config in (IDLE, HOSTED):
            with self.subTest(config):
                daemon = self.start(config)
                self.stall(daemon)
                daemon.signal(signal.SIGHUP)
                self.assertEqual(self.manager.hear()["RELOADING"], "1")
                self.assertTrue(self.manager.hear_silence(2 * SILENCE_US / 1e6))
                daemon.signal(signal.SIGUSR1)
                self.assertEqual(self.manager.hear_word()["READY"], "1")
                self.assertEqual(self.manager.hear(), WATCHDOG)

    def test_in_a_drain(self):
        daemon = self.start(IDLE)
        with Connection(daemon.address) as connection:
            self.stall(daemon)
            connection.send(request_bytes("GET", "/status"))
            daemon.signal(signal.SIGTERM)
            self.assertEqual(self.manager.hear()["STOPPING"], "1")
            self.assertTrue(self.manager.hear_silence(2 * SILENCE_US / 1e6))
            daemon.signal(signal.SIGUSR1)
            self.assertEqual(connection.receive().status, 200)
        self.assertEqual(daemon.wait(), 0)


if __name__ == "__main__":
    unittest.main()
