#!/usr/bin/python3 -B
"""A fleet whose store is not there: what -t says of it, starts, reloads, run-time overrides and stops."""
import glob
import json
import os
import signal
import socket
import threading
import time
import unittest

from harness import Daemon, closed_port, request_bytes, run_allowd, wait_until
from test_reload import admin_address, ask
from test_threads import names

CASES = os.path.join(os.environ["TOP_SRCDIR"], "tests", "conf")
LIMITS = ("limits:\n"
          "  - {name: default, burst: 10, rate: 1/d}\n"
          "  - {name: shared, match: 'shared:*', burst: 10, rate: 1/h, scope: fleet}\n")
HEAD = "tick: 10s\nadmin_listen: ['127.0.0.1:0']\n"


def fleet(store, more=""):
    return f"fleet: {{name: test, store: ['{store}']{more}}}\n"


# Between two attempts to reach the store: whoever waited for the next one would do so for long.
RARELY, AT_ONCE_S = ", reconnect_min: 1m, reconnect_max: 10m", 30


def allowed(daemon, key):
    return daemon.call("GET", f"/allow?key={key}")


class Check(unittest.TestCase):
    """What is wrong is told before anything starts."""

    def test_each_fault(self):
        faulty = sorted(path for name in ("fleet-*", "scope-*")
                        for path in glob.glob(os.path.join(CASES, f"{name}.error")))
        self.assertGreater(len(faulty), 15)
        for path in faulty:
            name = os.path.basename(path)[:-len(".error")]
            with self.subTest(name), open(path, encoding="utf-8") as file:
                status, out, told = run_allowd("-t", "-c", f"{name}.yaml", cwd=CASES)
                self.assertEqual((status, out, told), (6, "", file.read()))

    def test_a_good_one(self):
        for name in ("ok-fleet", "ok-fleet-all", "ok-fleet-ttl"):
            status, _, told = run_allowd("-t", "-c", f"{name}.yaml", cwd=CASES)
            self.assertEqual((status, told), (0, "allowd: the configuration is fine\n"))


class NoStore(unittest.TestCase):
    """Nobody listens where the store should be."""

    def setUp(self):
        held, port = closed_port()
        self.addCleanup(held.close)
        self.store = f"redis://127.0.0.1:{port}"

    def run_with(self, text, **options):
        return Daemon(HEAD + text + LIMITS, **options)

    def test_local_limits_are_served(self):
        with self.run_with(fleet(self.store)) as daemon:
            self.assertEqual(allowed(daemon, "a").status, 200)
            denied = allowed(daemon, "shared:a")
            self.assertEqual(denied.status, 429)
            self.assertGreater(denied.json()["retry_after_ms"], 0)
            self.assertEqual(allowed(daemon, "a").json()["remaining"], 8)

    def test_a_socket_that_is_not_there(self):
        with self.run_with(fleet("unix:/nonexistent/redis.sock")) as daemon:
            self.assertEqual(allowed(daemon, "a").status, 200)
            self.assertEqual(allowed(daemon, "shared:a").status, 429)

    def test_the_decider_may_be_hosted(self):
        with self.run_with("threads: 0\n" + fleet(self.store)) as daemon:
            self.assertEqual(allowed(daemon, "a").status, 200)
            self.assertEqual(allowed(daemon, "shared:a").status, 429)
            self.assertNotIn("state", names(daemon))

    def test_it_ends_soon(self):
        with self.run_with(fleet(self.store, RARELY)) as daemon:
            allowed(daemon, "shared:a")
            before = time.monotonic()
            daemon.stop()
            self.assertLess(time.monotonic() - before, AT_ONCE_S)

    def test_there_is_a_thread_only_with_a_fleet(self):
        local = HEAD + LIMITS.replace("fleet", "local")
        with Daemon(local) as daemon:
            self.assertNotIn("fleet", names(daemon))
            daemon.reload(HEAD + fleet(self.store) + LIMITS)
            wait_until(lambda: "fleet" in names(daemon), "there is the thread, under its name")
            self.assertEqual(allowed(daemon, "shared:a").status, 429)
            self.assertEqual(allowed(daemon, "a").status, 200)
            self.assertFalse([line for line in daemon.log() if "next start" in line])
            daemon.reload(local)
            self.assertEqual(allowed(daemon, "shared:a").json()["remaining"], 9)
            # The fleet's thread may say something of its store meanwhile.
            told = [line for line in daemon.log() if "allowd: warning: fleet store " not in line]
            self.assertTrue(told[-2].endswith("it takes effect at the next start"), told)
            self.assertIn("fleet", names(daemon))

    def test_what_a_reload_changes(self):
        with self.run_with(fleet(self.store)) as daemon:
            daemon.reload(HEAD + fleet(self.store, ", ttl: 5s, on_partition: allow") + LIMITS)
            self.assertEqual(allowed(daemon, "shared:a").status, 200)
            self.assertFalse([line for line in daemon.log() if "next start" in line])
            daemon.reload(HEAD + fleet(self.store, ", op_timeout: 60ms") + LIMITS)
            self.assertEqual(allowed(daemon, "shared:b").status, 429)
            self.assertEqual(
                [line for line in daemon.log() if "next start" in line],
                ["allowd: warning: fleet: {name, store, user, password, op_timeout or "
                 "reconnect_min and _max} has changed; it takes effect at the next start"])

    def test_overrides_of_run_time(self):
        with self.run_with(fleet(self.store)) as daemon:
            admin = admin_address(daemon)

            def put(limit, terms):
                return ask(admin, request_bytes(
                    "PUT", f"/overrides?limit={limit}&key=k", [("Content-Type", "application/json")],
                    json.dumps(terms).encode()))[0]

            slots, large = {"concurrent": 3}, {"burst": 52124996, "rate": "7777777/d"}
            for terms, told in ((slots, "has either the one or the other"),
                                (large, "use at most 52124995")):
                refused = put("shared", terms)
                self.assertEqual(refused.status, 422)
                self.assertIn(told, refused.json()["faults"][0]["text"])
            self.assertEqual(put("default", large).status, 201)
            self.assertEqual(put("shared", {"burst": 5, "rate": "1/h"}).status, 201)
            # Those that do not fit are dropped once their limit becomes one of the fleet.
            daemon.reload(HEAD + fleet(self.store) + LIMITS.replace("1/d}", "1/d, scope: fleet}"))
            self.assertIn("do not go with the tick or the scope: 1", "\n".join(daemon.log()))
            left = ask(admin, request_bytes("GET", "/overrides"))[0].json()
            self.assertEqual([entry["limit"] for entry in left["overrides"]], ["shared"])


class Silent(unittest.TestCase):
    """A store that takes connections and says nothing."""

    def test_it_serves_and_ends(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(64)
            store = "redis://127.0.0.1:%d" % listener.getsockname()[1]
            with Daemon(HEAD + fleet(store, RARELY) + LIMITS) as daemon:
                results = []
                asking = [threading.Thread(
                    target=lambda i=i: results.append(allowed(daemon, f"shared:{i}").status))
                    for i in range(8)]
                for thread in asking:
                    thread.start()
                self.assertEqual(allowed(daemon, "a").status, 200)
                for thread in asking:
                    thread.join()
                self.assertEqual(results, [429] * 8)
                daemon.signal(signal.SIGTERM)
                before = time.monotonic()
                self.assertEqual(daemon.wait(), 0)
                self.assertLess(time.monotonic() - before, AT_ONCE_S)


if __name__ == "__main__":
    unittest.main()
