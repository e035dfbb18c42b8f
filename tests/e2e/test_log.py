#!/usr/bin/python3 -B
"""The log: what is said of the daemon's life, in which form, and that it costs nobody time."""
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

from harness import (ALLOWD, PATIENCE_S, Connection, request_bytes, wait_until)
from metrics import Metrics

FAULTS = 100  # that one reload tells


class FullPipe(unittest.TestCase):
    """A daemon whose log is a pipe that nobody reads."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "s")
        self.config = os.path.join(directory.name, "allowd.yaml")
        self.write_config("limits: [{name: default, burst: 1000000, rate: 1/s}]\n")
        self.reading, writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        self.process = subprocess.Popen([ALLOWD, "-c", self.config, "-l", "unix:" + self.path],
                                        stderr=writing)
        os.close(writing)
        self.addCleanup(self.kill)
        self.seen = b""
        self.read_until(b" ready: ")
        self.write_config("nothing: 1\n" * FAULTS)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def write_config(self, text):
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.config + ".new", self.config)

    def read_until(self, text):
        while text not in self.seen:
            data = os.read(self.reading, 1 << 16)
            self.assertTrue(data, self.seen)
            self.seen += data

    def call(self, target):
        with Connection(self.path) as connection:
            connection.send(request_bytes("GET", target))
            return connection.receive()

    def metrics(self):
        return Metrics(self.call("/metrics").body.decode("utf-8"))

    def reload(self):
        """Has a faulty file told, which is some hundred lines."""
        name, result = "allowd_config_reloads_total", {"result": "failure"}
        before = self.metrics().value(name, **result)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.metrics().value(name, **result) > before, "the reload is done")

    def lost(self):
        return self.metrics().value("allowd_log_lines_lost_total")

    def lose(self):
        for _ in range(100):
            self.reload()
            if self.lost() > FAULTS:
                return
        self.fail("a pipe that nobody reads takes all there is")

    def test_answers_go_on(self):
        """At their pace, with none that waits for the log; so do reloads and the end."""
        self.lose()
        with Connection(self.path, patience_s=5) as connection:
            for i in range(3000):
                if i % 300 == 0:
                    self.process.send_signal(signal.SIGHUP)
                connection.send(request_bytes("GET", "/allow?key=a"))
                began = time.monotonic()
                self.assertEqual(connection.receive().status, 200)
                self.assertLess(time.monotonic() - began, 5)
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(PATIENCE_S), 0)

    def test_what_is_lost_is_counted_and_told(self):
        self.lose()
        lost = self.lost()
        mark = len(self.seen)
        self.read_until(b" lost: ")
        self.process.send_signal(signal.SIGTERM)
        self.read_until(b"allowd: stopped\n")
        self.assertEqual(self.process.wait(PATIENCE_S), 0)
        lines = self.seen[mark:].decode("utf-8").splitlines()
        told = sum(int(count) for count in re.findall(
            r"^allowd: warning: (\d+) log lines? w(?:as|ere) lost: ", "\n".join(lines), re.M))
        self.assertEqual(told, lost)
        # Each line that is there is there as a whole, as many as were not lost.
        fault = re.compile(r"allowd: error: (.*:\d+:\d+: \S|.* is faulty; )")
        self.assertEqual([line for line in lines if not fault.match(line)
                          and " lost: " not in line], ["allowd: Terminated: draining",
                                                       "allowd: stopped"])

    def test_its_mode_is_left_alone(self):
        """The pipe is shared: nobody else's writes may begin to fail with EAGAIN."""
        with open(f"/proc/{self.process.pid}/fdinfo/2", encoding="ascii") as file:
            flags = int(re.search(r"^flags:\s+(\d+)$", file.read(), re.M)[1], 8)
        self.assertFalse(flags & os.O_NONBLOCK)


if __name__ == "__main__":
    unittest.main()
