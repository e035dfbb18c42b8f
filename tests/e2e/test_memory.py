"""Allocations that fail: what was decided is told, what could not be told was not charged."""

import os
import signal
import unittest

from harness import Connection, Daemon, request_bytes, wait_until

FAILMALLOC = os.environ.get("FAILMALLOC", "")
CONFIG = "tick: 10s\nlimits:\n  - {name: default, burst: 10000, rate: 1/d}\n"


def ask(daemon, method, target):
    """The status of an answer, or None: the connection was closed instead."""
    with Connection(daemon.address) as connection:
        try:
            connection.send(request_bytes(method, target))
            response = connection.receive()
        except ConnectionError:
            return None
        return None if response is None else response.status


class Memory(unittest.TestCase):
    def check(self, every):
        def preload():
            os.environ["LD_PRELOAD"] = FAILMALLOC
            os.environ["FAILMALLOC_EVERY"] = str(every)

        daemon = Daemon(CONFIG, prepare=preload)
        self.addCleanup(daemon.kill)
        before = self.counters(daemon)
        daemon.signal(signal.SIGUSR1)
        answers = [ask(daemon, "GET", "/allow?key=a") for _ in range(300)]
        drained = [ask(daemon, "GET", "/allow?key=b&tokens=10001") for _ in range(100)]
        resets = [ask(daemon, "POST", "/reset?key=a") for _ in range(100)]
        daemon.signal(signal.SIGUSR1)
        after = self.counters(daemon)

        self.assertLessEqual(set(answers), {200, None})
        self.assertLessEqual(set(drained), {429, None})
        self.assertLessEqual(set(resets), {200, None})
        self.assertEqual(after["allowed"] - before["allowed"], answers.count(200))
        self.assertEqual(after["denied"] - before["denied"], drained.count(429))
        self.assertEqual(after["resets"] - before["resets"], resets.count(200))
        daemon.stop()
        return answers + drained + resets

    @staticmethod
    def counters(daemon):
        # The signal that ends the failing may still be on its way.
        got = []

        def is_answered():
            with Connection(daemon.address) as connection:
                connection.send(request_bytes("GET", "/status"))
                response = connection.receive()
                if response is not None and response.status == 200:
                    got.append(response.json()["counters"])
            return bool(got)

        wait_until(is_answered, "the daemon has memory again")
        return got[0]

    def test_every_nth_allocation_fails(self):
        unanswered = 0
        for every in (2, 3, 5, 7, 11, 23):
            with self.subTest(every=every):
                unanswered += self.check(every).count(None)
        self.assertGreater(unanswered, 0, "nothing failed: the preload does not work")


if __name__ == "__main__":
    unittest.main()
