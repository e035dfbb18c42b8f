#!/usr/bin/python3 -B
"""GET /keys: which keys there are and how they stand, who is denied, and that asking
disturbs nobody."""
import os
import re
import signal
import statistics
import threading
import time
import unittest
import urllib.parse

from harness import Case, Connection, Daemon, FORM, parse_address, request_bytes, wait_until

FAILMALLOC = os.environ.get("FAILMALLOC", "")
LIMITS = ("limits:\n"
          "  - {name: api, match: 'api:*', burst: 20, rate: 1/d}\n"
          "  - {name: trial, match: 'trial:*', burst: 1, rate: 1/d, shadow: true}\n"
          "  - {name: default, burst: 10, rate: 1/d, overrides: [{key: 'banned:*', action: deny}]}\n")
MEMBERS = ["key", "limit", "remaining", "owed", "burst", "reset_after_ms", "active", "leases",
           "slots", "denied", "denied_error"]


class Keys(Case):
    config = LIMITS

    def keys(self, **parameters):
        """One call; its answer's members, checked for their form."""
        response = self.call("GET", "/keys?" + urllib.parse.urlencode(parameters)
                             if parameters else "/keys")
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(response.header("Cache-Control"), "no-store")
        self.assertIsNone(response.header("RateLimit"))
        self.assertEqual(response.body.count(b"\n"), 1)
        answer = response.json()
        self.assertEqual(list(answer), ["keys", "cursor", "looked_at", "tracked", "denied_over_ms"])
        for key in answer["keys"]:
            self.assertEqual([name for name in key if name != "shadow"], MEMBERS)
        return answer

    def walk(self, **parameters):
        """All keys, page by page."""
        found, answer = [], self.keys(**parameters)
        while True:
            found += answer["keys"]
            if answer["cursor"] is None:
                return found
            answer = self.keys(cursor=answer["cursor"], **parameters)


class Contract(Keys):
    def test_a_key_is_shown_as_its_status_says(self):
        self.allow("api:shown", "&tokens=7")
        self.allow("shown", "&tokens=3&limit=api")
        self.allow("trial:shown")
        for key in self.keys(prefix="shown")["keys"] + self.keys(prefix="api:shown")["keys"] + \
                self.keys(prefix="trial:shown")["keys"]:
            status = self.call("GET", f"/status?key={key['key']}&limit={key['limit']}").json()
            for name in ("key", "limit", "remaining", "owed", "burst", "active"):
                self.assertEqual(key[name], status[name])
            self.assertEqual(key.get("shadow"), status.get("shadow"))
            self.assertLess(0, key["reset_after_ms"])
        found = self.keys(prefix="shown")["keys"]
        self.assertEqual([(key["limit"], key["remaining"]) for key in found], [("api", 17)])

    def test_a_key_that_is_full_again_is_gone(self):
        key = self.key()
        self.allow(key)
        self.assertEqual(len(self.keys(prefix=key)["keys"]), 1)
        self.call("POST", f"/reset?key={key}")
        self.assertEqual(self.keys(prefix=key)["keys"], [])

    def test_looking_takes_nothing_and_makes_nothing(self):
        self.allow("api:looked")
        before, tracked = self.counters(), self.call("GET", "/status").json()["keys"]
        for parameters in ({}, {"sort": "remaining"}, {"sort": "denied"}, {"prefix": "nobody"}):
            self.keys(**parameters)
        self.assertEqual(self.counted(before), {})
        self.assertEqual(self.call("GET", "/status").json()["keys"], tracked)

    def test_the_emptiest_come_first(self):
        for i in range(1, 8):
            self.allow(f"sorted:{i}", f"&tokens={i}")
        answer = self.keys(prefix="sorted:", sort="remaining", count=3)
        self.assertEqual([key["remaining"] for key in answer["keys"]], [3, 4, 5])
        self.assertIsNone(answer["cursor"])

    def test_the_most_denied_come_first(self):
        for key, times in (("denied:a", 3), ("denied:b", 5), ("denied:c", 1)):
            for _ in range(times):
                self.allow(key, "&tokens=11")
        self.allow("denied:d")
        answer = self.keys(prefix="denied:", sort="denied")
        self.assertEqual([(key["key"], key["denied"], key["denied_error"], key["active"])
                          for key in answer["keys"]],
                         [("denied:b", 5, 0, False), ("denied:a", 3, 0, False),
                          ("denied:c", 1, 0, False)])
        self.assertTrue(0 <= answer["denied_over_ms"] <= 120000)
        self.assertEqual(len(self.keys(prefix="denied:", sort="denied", count=1)["keys"]), 1)
        self.allow("denied:b", "&tokens=4")
        self.assertEqual([(key["key"], key["denied"]) for key in self.walk(prefix="denied:b")],
                         [("denied:b", 5)])

    def test_trials_overrides_and_batches_count_as_denials(self):
        for _ in range(3):
            self.assertEqual(self.allow("trial:t").status, 200)
        self.assertEqual(self.allow("banned:b").status, 429)
        self.batch([{"key": "batch:poor", "tokens": 11}, {"key": "batch:rich"}], mode="all")
        found = {key["key"]: key for key in self.keys(sort="denied", count=1000)["keys"]}
        self.assertEqual((found["trial:t"]["denied"], found["trial:t"]["shadow"]), (2, True))
        self.assertEqual((found["banned:b"]["denied"], found["banned:b"]["remaining"]), (1, 0))
        self.assertEqual(found["batch:poor"]["denied"], 1)
        self.assertNotIn("batch:rich", found)

    def test_every_valid_key_comes_back_as_it_is(self):
        keys = ['q"uote', "back\\slash", "slash/", "tab?&=#+%", "ä", "\u2028", "\U0001f600", "\ufffd",
                "</script>", "\u00a0", "é" * 125, "x" * 251, " ", "\ufeff", "a\u0301"]
        for key in keys:
            self.assertEqual(self.allow(urllib.parse.quote("odd:" + key)).status, 200)
        found = self.walk(prefix="odd:", count=4)
        self.assertEqual(sorted(key["key"] for key in found), sorted("odd:" + key for key in keys))
        for key in keys:
            self.assertIn("odd:" + key,
                          [each["key"] for each in self.keys(prefix="odd:" + key)["keys"]])

    def test_head_and_other_methods(self):
        response = self.call("HEAD", "/keys?prefix=nobody")
        self.assertEqual((response.status, response.body), (200, b""))
        for method in ("POST", "DELETE", "PUT"):
            response = self.call(method, "/keys")
            self.assert_problem(response, 405, "GET, HEAD")
            self.assertEqual(response.header("Allow"), "GET, HEAD")
        self.assert_problem(self.call("POST", "/keys", [FORM], b"count=1"), 405)
        self.assert_problem(self.call("GET", "/keys/x"), 404, "/keys")

    def test_hostile_parameters(self):
        for query, detail in (
                ("count=0", "from 1 to 1000"), ("count=1001", "from 1 to 1000"),
                ("count=", "from 1 to 1000"), ("count=01", "from 1 to 1000"),
                ("count=%31%00", "from 1 to 1000"), ("count=" + "9" * 400, "from 1 to 1000"),
                ("count=1&count=1", "there twice"), ("sort=", "remaining or denied"),
                ("sort=key", "remaining or denied"), ("sort=remaining&sort=denied", "there twice"),
                ("limit=nobody", "no limit named"), ("limit=", "no limit named"),
                ("limit=%00", "no limit named"), ("prefix=%ff", "not valid UTF-8"),
                ("prefix=%00", "control character"), ("prefix=%zz", "hexadecimal"),
                ("prefix=" + "a" * 256, "longer than 255"), ("prefix=a&prefix=a", "there twice"),
                ("cursor=", "did not issue this cursor"), ("cursor=0", "did not issue this cursor"),
                ("cursor=0123456789abcdef", "did not issue this cursor"),
                ("cursor=../../../../etc/p", "did not issue this cursor"),
                ("cursor=" + "f" * 16, "did not issue this cursor"),
                ("sort=denied&cursor=0123456789abcdef", "takes no cursor"),
                ("key=a", "unknown parameter"), ("&", "unknown parameter"),
                ("tokens=1", "unknown parameter"), ("COUNT=1", "unknown parameter")):
            self.assert_problem(self.call("GET", "/keys?" + query), 400, detail)

    def test_a_cursor_is_good_for_one_process(self):
        for i in range(20):
            self.allow(f"cursor:{i}")
        cursor = self.keys(count=1)["cursor"]
        self.assertRegex(cursor, r"^[0-9a-f]{16}$")
        self.keys(cursor=cursor)
        with Daemon(LIMITS) as other:
            self.assert_problem(other.call("GET", "/keys?cursor=" + cursor), 400, "did not issue this cursor")

    def test_it_is_a_route_of_its_own_in_the_metrics(self):
        self.keys()
        metrics = self.call("GET", "/metrics").body.decode()
        self.assertRegex(metrics, r'allowd_requests_total\{route="/keys",status="200"\} [1-9]')

    def test_pipelined_calls_are_answered_in_order(self):
        connection = self.connect()
        for i in range(8):
            self.allow(f"pipe:{i}")
        connection.send(b"".join(request_bytes("GET", f"/keys?prefix=pipe:{i}") +
                                 request_bytes("GET", f"/status?key=pipe:{i}") for i in range(8)))
        for i in range(8):
            self.assertEqual([key["key"] for key in connection.receive().json()["keys"]],
                             [f"pipe:{i}"])
            self.assertEqual(connection.receive().json()["key"], f"pipe:{i}")


class Admin(Case):
    config = "admin_listen: ['127.0.0.1:0']\n" + LIMITS

    def test_where_admins_have_their_own_address_it_is_served_there_alone(self):
        admin = [parse_address(match[1]) for match in
                 (re.match("allowd: listening for admins on (.*)", line)
                  for line in self.daemon.log()) if match][0]
        for target in ("/keys", "/keys?sort=denied", "/%6beys", "/keys?count=bad"):
            self.assert_problem(self.call("GET", target), 403)
        with Connection(admin) as connection:
            connection.send(request_bytes("GET", "/keys"))
            self.assertEqual(connection.receive().status, 200)

    def test_where_there_is_a_token_it_takes_that(self):
        path = os.path.join(self.daemon.directory, "token")
        with open(path, "w", encoding="ascii") as file:
            file.write("correct-horse-battery-staple")
        os.chmod(path, 0o600)
        with Daemon(f"admin_token_file: {path}\n" + LIMITS) as daemon, \
                Connection(daemon.address) as connection:
            connection.send(request_bytes("GET", "/keys"))
            self.assertEqual(connection.receive().status, 401)
            connection.send(request_bytes("GET", "/keys", [
                ("Authorization", "Bearer correct-horse-battery-staple")]))
            self.assertEqual(connection.receive().status, 200)


class Busy(Keys):
    """20,000 keys, and traffic all the while."""

    STEADY = 20000
    config = "max_keys: 60000\n" + LIMITS

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with Connection(cls.daemon.address) as connection:
            for first in range(0, cls.STEADY, 500):
                connection.send(b"".join(
                    request_bytes("GET", f"/allow?key=steady:{i}&tokens={1 + i % 9}")
                    for i in range(first, first + 500)))
                for _ in range(500):
                    assert connection.receive().status == 200

    def traffic(self, until, latencies):
        """Keys that come and go, and what each answer took."""
        number = 0
        with Connection(self.daemon.address) as connection:
            while not until.is_set():
                number += 1
                began = time.monotonic()
                connection.send(request_bytes("GET", f"/allow?key=fleeting:{number}"))
                assert connection.receive().status == 200
                latencies.append(time.monotonic() - began)
                if number > 50:
                    connection.send(request_bytes("POST", f"/reset?key=fleeting:{number - 50}"))
                    assert connection.receive().status == 200

    def under_traffic(self, work):
        """What work() returns, and the latencies meanwhile."""
        until, latencies = threading.Event(), []
        thread = threading.Thread(target=self.traffic, args=(until, latencies))
        thread.start()
        try:
            return work(), latencies
        finally:
            until.set()
            thread.join()

    def test_a_walk_shows_every_key_once_whatever_comes_and_goes(self):
        for count in (1000, 333):
            found, _ = self.under_traffic(lambda: self.walk(count=count))
            names = [key["key"] for key in found]
            self.assertEqual(len(names), len(set(names)))
            self.assertEqual({name for name in names if name.startswith("steady:")},
                             {f"steady:{i}" for i in range(self.STEADY)})
            self.assertTrue(all(key["remaining"] == 9 - int(key["key"][7:]) % 9 for key in found
                                if key["key"].startswith("steady:")))

    def test_the_emptiest_of_all_in_one_call(self):
        answer = self.keys(sort="remaining", count=1000)
        self.assertIsNone(answer["cursor"])
        self.assertGreaterEqual(answer["looked_at"], self.STEADY)
        self.assertEqual({key["remaining"] for key in answer["keys"]}, {1})

    def test_decisions_go_on_meanwhile(self):
        """A message holds the state thread for less than a millisecond; the rest is room for a
        machine that is busy, and for sanitizers."""
        def look():
            for _ in range(20):
                self.keys(sort="remaining", count=1000)
        _, latencies = self.under_traffic(look)
        self.assertGreater(len(latencies), 20)
        self.assertLess(statistics.median(latencies), 0.1)

    def test_clients_that_leave_leave_nothing_behind(self):
        before = self.daemon.descriptors()
        for i in range(50):
            connection = Connection(self.daemon.address)
            connection.send(request_bytes("GET", "/keys?sort=remaining&count=1000"))
            if i % 2:
                time.sleep(0.001 * (i % 7))
            connection.reset()
        self.assertEqual(self.keys(prefix="steady:77", count=1000)["cursor"], None)
        self.assertLessEqual(len(self.daemon.descriptors()), len(before) + 1)


@unittest.skipUnless(os.path.exists(FAILMALLOC), "no allocator that fails")
class Starved(unittest.TestCase):
    def ask(self, daemon, target):
        """The status of an answer, or None: the connection was closed instead."""
        with Connection(daemon.address) as connection:
            try:
                connection.send(request_bytes("GET", target))
                response = connection.receive()
            except ConnectionError:
                return None
            if response is not None and response.status == 200:
                self.assertEqual(len(response.json()["keys"]), 1)
            return None if response is None else response.status

    def test_without_memory_it_is_503_and_nothing_leaks_into_the_next_answer(self):
        answers = []
        for every in (3, 7, 23, 37):
            def preload(every=every):
                os.environ["LD_PRELOAD"] = FAILMALLOC
                os.environ["FAILMALLOC_EVERY"] = str(every)
            with Daemon(LIMITS, prepare=preload) as daemon:
                self.assertEqual(daemon.call("GET", "/allow?key=a").status, 200)
                daemon.signal(signal.SIGUSR1)
                answers += [self.ask(daemon, "/keys?count=1000") for _ in range(60)]
                daemon.signal(signal.SIGUSR1)
                wait_until(lambda: self.ask(daemon, "/keys") == 200, "there is memory again")
        self.assertEqual(set(answers), {200, 503, None})


if __name__ == "__main__":
    unittest.main()
