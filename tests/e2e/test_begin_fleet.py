#!/usr/bin/python3 -B
"""allowd --begin-fleet: a store that is new to a fleet is told so, once."""
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import Connection, Daemon, request_bytes, run_allowd, wait_until

LIMITS = ("limits:\n"
          "  - {name: default, burst: 10, rate: 1/d}\n"
          "  - {name: shared, match: 'shared:*', burst: 100, rate: 1/d, scope: fleet}\n")
KEYS = [f"shared:{i}" for i in range(40)]


class BeginFleet(unittest.TestCase):
    def setUp(self):
        server = shutil.which(os.environ.get("ALLOWD_STORE", "redis-server"))
        if server is None:
            self.skipTest("there is no such server")
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="allowd-begin-"))
        self.socket = os.path.join(folder, "s")
        self.path = os.path.join(folder, "allowd.yaml")
        self.config = f"fleet: {{name: test, store: ['unix:{self.socket}'], cold_wait: 1m, op_timeout: 400ms}}\n" + LIMITS
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(self.config)
        store = subprocess.Popen([server, "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", folder],
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(store.wait)
        self.addCleanup(store.kill)
        wait_until(lambda: os.path.exists(self.socket), "the store is there")

    def begin(self):
        status, out, told = run_allowd("--begin-fleet", "-c", self.path)
        self.assertRegex(told, r"\Aallowd: fleet store [^\n]* is up: [^\n]*\n\Z")
        return status, out

    def left(self):
        """How many tokens a sidecar tells of each key, after it took one."""
        with Daemon(self.config) as daemon, Connection(daemon.address) as connection:
            def ask(key):
                connection.send(request_bytes("GET", f"/allow?key={key}"))
                answer = connection.receive()
                return (answer.status, answer.json()["remaining"]) if answer.status == 200 else (answer.status, 0)
            wait_until(lambda: any("is up" in line for line in daemon.log()), "the store is up")
            return [ask(key) for key in KEYS]

    def test_a_new_store_begins_with_full_buckets_of_all_shards(self):
        self.assertEqual(self.begin(), (0, "Fleet test has begun in the store: all its buckets are full.\n"))
        self.assertEqual(self.left(), [(200, 99)] * len(KEYS))

    def test_without_it_they_begin_empty(self):
        self.assertEqual(self.left(), [(429, 0)] * len(KEYS))

    def test_what_the_store_knows_stays(self):
        self.left()
        status, out = self.begin()
        self.assertEqual(status, 0)
        self.assertIn("what the store did not know", out)
        self.assertEqual(self.begin(), (0, "The store knows fleet test already. Nothing was changed.\n"))
        self.assertEqual(self.left(), [(429, 0)] * len(KEYS))


class NoFleet(unittest.TestCase):
    def test_a_configuration_without_a_fleet(self):
        status, out, told = run_allowd("--begin-fleet")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("-c", told)

    def test_a_store_that_is_not_there(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("fleet: {name: test, store: ['unix:/nonexistent/s']}\n" + LIMITS)
            file.flush()
            status, out, told = run_allowd("--begin-fleet", "-c", file.name)
        self.assertEqual((status, out), (1, ""))
        self.assertIn("start this again", told)


if __name__ == "__main__":
    unittest.main()
