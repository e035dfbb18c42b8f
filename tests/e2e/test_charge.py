#!/usr/bin/python3 -B
"""Charges: what they take, forgive and leave owed, over HTTP; and what a debt outlives."""
import os
import tempfile
import unittest

from harness import FORM, JSON, Case, Connection, Daemon, request_bytes, wait_until
from metrics import Metrics

DAY_MS = 86_400_000
MOST = 999_999_999_999_999

# At one token a day and a tick of 10 s no bucket gains a token while the test runs.
LIMITS = """
tick: 10s
limits:
  - name: pair
    match: "pair:*"
    buckets: [{name: a, burst: 5, rate: 1/d, debt_max: 3}, {name: b, burst: 20, rate: 1/d}]
  - {name: none, match: "none:*", burst: 10, rate: 1/d, debt_max: 0}
  - {name: trial, match: "trial:*", burst: 10, rate: 1/d, shadow: true}
  - name: default
    burst: 10
    rate: 1/d
    overrides:
      - {key: free, action: allow}
      - {key: spam, action: deny}
      - {key: vip, burst: 100, rate: 10/d, debt_max: 250}
"""


def charge(case, key, tokens, more=""):
    return case.call("POST", f"/charge?key={key}&tokens={tokens}{more}")


class Charge(Case):
    config = LIMITS

    def charge(self, key, tokens, more=""):
        response = charge(self, key, tokens, more)
        self.assertEqual(response.status, 200, response)
        return response.json()

    def counted(self, before):
        """What has been counted of charges."""
        after = self.counters()
        return [after[name] - before[name] for name in ("charges", "charges_failed", "forgiven_tokens")]

    def test_the_whole_answer(self):
        key = self.key()
        self.allow(key, "&tokens=4")
        response = charge(self, key, 9)
        self.assertEqual(response.status, 200)
        self.assertEqual(
            response.body.decode(),
            f'{{"key":"{key}","limit":"default","tokens":9,"charged":9,"forgiven":0,"remaining":0,'
            f'"owed":3,"burst":10,"reset_after_ms":{13 * DAY_MS},"active":true}}\n')
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(response.header("RateLimit"), f'"default";r=0;t={4 * DAY_MS // 1000}')
        self.assertIsNone(response.header("Retry-After"))

    def test_every_way_to_charge(self):
        for target, headers, body in (("/charge?key={}&tokens=13", (), None),
                                      ("/charge?tokens=13&key={}&limit=default", (), None),
                                      ("/charge", [FORM], "key={}&tokens=13"),
                                      ("/charge?key={}", [FORM], "tokens=13")):
            with self.subTest(target, body=body):
                key = self.key()
                answer = self.call("POST", target.format(key), headers,
                                   None if body is None else body.format(key).encode()).json()
                self.assertEqual((answer["charged"], answer["forgiven"], answer["owed"]), (13, 0, 3))

    def test_until_it_is_paid_asks_are_denied(self):
        key = self.key()
        self.charge(key, 15)
        response = self.allow(key)
        self.assertEqual(response.status, 429)
        answer = response.json()
        self.assertEqual((answer["remaining"], answer["owed"]), (0, 5))
        self.assert_about(answer["retry_after_ms"], 6 * DAY_MS)
        self.assertEqual(response.header("Retry-After"), str(answer["retry_after_ms"] // 1000))
        self.assert_about(answer["reset_after_ms"], 15 * DAY_MS)
        self.assertEqual(self.allow(key, "&tokens=10").json()["retry_after_ms"],
                         answer["retry_after_ms"] + 9 * DAY_MS)
        self.assertEqual(self.allow(key, "&tokens=0").status, 200)

    def assert_about(self, found, wanted):
        """As it is, or ticks later."""
        self.assertLessEqual(found, wanted)
        self.assertGreater(found, wanted - 3_600_000)

    def test_what_is_beyond_the_debt_is_forgiven(self):
        before = self.counters()
        key = self.key()
        answer = self.charge(key, 27)
        self.assertEqual((answer["charged"], answer["forgiven"], answer["owed"]), (20, 7, 10))
        answer = self.charge(key, MOST)
        self.assertEqual((answer["charged"], answer["forgiven"], answer["owed"]), (0, MOST, 10))
        self.assertEqual(self.counted(before), [2, 0, MOST + 7])

    def test_without_a_debt(self):
        key = self.key("none:")
        answer = self.charge(key, 12)
        self.assertEqual((answer["charged"], answer["forgiven"], answer["remaining"], answer["owed"]),
                         (10, 2, 0, 0))

    def test_each_bucket_clamps_for_itself(self):
        key = self.key("pair:")
        answer = self.charge(key, 30)
        self.assertEqual((answer["charged"], answer["forgiven"], answer["owed"]), (8, 22, 10))
        self.assertEqual(list(answer["buckets"][0]), ["name", "remaining", "owed", "burst",
                                                      "reset_after_ms", "charged", "forgiven"])
        self.assertEqual([[bucket[name] for name in ("name", "remaining", "owed", "charged", "forgiven")]
                          for bucket in answer["buckets"]],
                         [["a", 0, 3, 8, 22], ["b", 0, 10, 30, 0]])
        status = self.call("GET", f"/status?key={key}").json()
        self.assertEqual((status["remaining"], status["owed"]), (0, 10))
        self.assertEqual(list(status["buckets"][0]),
                         ["name", "remaining", "owed", "burst", "reset_after_ms"])

    def test_refunds_pay_first_and_resets_forgive(self):
        key = self.key()
        self.charge(key, 15)
        answer = self.call("POST", f"/refund?key={key}&tokens=7").json()
        self.assertEqual((answer["owed"], answer["remaining"]), (0, 2))
        self.charge(key, 10)
        answer = self.call("POST", f"/reset?key={key}").json()
        self.assertEqual((answer["owed"], answer["remaining"], answer["active"]), (0, 10, False))

    def test_overrides_and_trials(self):
        answer = self.charge("free", 5)
        self.assertEqual((answer["charged"], answer["forgiven"], answer["owed"], answer["reason"],
                          answer["override"]), (0, 5, 0, "override", "free"))
        answer = self.charge("spam", 15)
        self.assertEqual((answer["charged"], answer["owed"]), (15, 5))
        answer = self.charge("vip", 500)
        self.assertEqual((answer["charged"], answer["forgiven"], answer["owed"]), (350, 150, 250))
        key = self.key("trial:")
        answer = self.charge(key, 15)
        self.assertEqual((answer["charged"], answer["owed"], answer["shadow"]), (15, 5, True))
        response = self.allow(key)
        self.assertEqual((response.status, response.json()["would_allow"]), (200, False))

    def test_a_batch_sees_what_is_owed(self):
        key = self.key()
        self.charge(key, 15)
        result, = self.batch([{"key": key}]).json()["results"]
        self.assertEqual((result["allowed"], result["owed"]), (False, 5))
        self.assertEqual(self.batch([{"key": key}, {"key": self.key()}], "all").status, 429)

    def test_the_keys_that_owe_most_come_first(self):
        keys = [self.key("most:") for _ in range(3)]
        for key, tokens in zip(keys, (10, 20, 15)):
            self.charge(key, tokens)
        found = self.call("GET", "/keys?prefix=most:&sort=remaining").json()["keys"]
        self.assertEqual([(key["key"], key["remaining"], key["owed"]) for key in found],
                         [(keys[1], 0, 10), (keys[2], 0, 5), (keys[0], 0, 0)])

    def test_what_is_refused_charges_nothing(self):
        before = self.counters()
        key = self.key()
        for more, detail in (("", "tokens is missing; call /charge\\?key=KEY&tokens=NUMBER"),
                             ("&tokens=", "tokens is"), ("&tokens=0", "tokens is 0; give"),
                             ("&tokens=-1", 'tokens is "-1"'), ("&tokens=1.5", "tokens is"),
                             ("&tokens=1e3", "tokens is"), ("&tokens=%2B1", "tokens is"),
                             (f"&tokens={MOST + 1}", f"from 0 to {MOST}"),
                             (f"&tokens={1 << 50}", f"from 0 to {MOST}"),
                             (f"&tokens={1 << 64}", "tokens is"),
                             ("&tokens=5&tokens=5", "twice"), ("&tokens=5&wait=1s", "unknown"),
                             ("&tokens=5&limit=nosuch", 'no limit named "nosuch"'),
                             ("&tokens=5&deny_status=200", "unknown parameter")):
            with self.subTest(more):
                self.assert_problem(self.call("POST", f"/charge?key={key}{more}"), 400, detail)
        self.assert_problem(self.call("POST", "/charge?tokens=5"), 400, "key is missing")
        self.assert_problem(self.call("POST", "/charge?key=%ff&tokens=5"), 400, "UTF-8")
        for method in ("GET", "HEAD", "DELETE", "PUT", "QUERY"):
            response = self.call(method, f"/charge?key={key}&tokens=5")
            self.assertEqual((response.status, response.header("Allow")), (405, "POST"))
        batch = b'{"requests":[{"key":"k","tokens":5}]}'
        self.assert_problem(self.call("POST", "/charge", [JSON], batch), 415)
        for fields in ([("Origin", "http://evil.example")], [("Sec-Fetch-Site", "cross-site")]):
            self.assert_problem(self.call("POST", f"/charge?key={key}&tokens=5", fields), 403,
                                "another origin")
        self.assertEqual(self.remaining(key), 10)
        self.assertEqual(self.counted(before), [0, 0, 0])


class Hosted(Charge):
    config = "threads: 0\n" + LIMITS


SMALL = """
tick: 10s
max_keys: 4
when_full: %s
limits:
  - {name: default, burst: 10, rate: 1/d}
"""


class Full(unittest.TestCase):
    """A table with room for four keys, all of which owe."""

    def call(self, method, target):
        self.connection.send(request_bytes(method, target))
        return self.connection.receive()

    def lived_in(self, when_full, threads):
        with Daemon(f"threads: {threads}" + SMALL % when_full) as daemon, \
                Connection(daemon.address) as self.connection:
            for i in range(4):
                self.assertEqual(charge(self, f"k{i}", 15).json()["owed"], 5)
            response = charge(self, "new", 5)
            self.assertEqual(response.status, 503)
            self.assertEqual(response.header("Content-Type"), "application/problem+json")
            self.assertIn("nothing was charged", response.json()["detail"])
            self.assertIsNone(response.header("Retry-After"))
            status = 200 if when_full == "allow" else 429
            response = self.call("GET", "/allow?key=new")
            self.assertEqual((response.status, response.json()["reason"]), (status, "table_full"))
            for i in range(4):
                self.assertEqual(self.call("GET", f"/status?key=k{i}").json()["owed"], 5)
            metrics = Metrics(self.call("GET", "/metrics").body.decode())
            self.assertEqual(metrics.value("allowd_charges_failed_total"), 1)
            self.assertEqual(metrics.value("allowd_evictions_total", kind="live"), 0)
            wait_until(lambda: "allowd: warning: the table is full of keys that owe: 1 charge was "
                       "refused for want of room; raise max_keys" in daemon.log(), "it is logged")
            self.call("POST", "/reset?key=k0")
            self.assertEqual(self.call("GET", "/allow?key=new").status, 200)
            self.assertEqual(charge(self, "newer", 15).status, 200)   # "new" had to go for it
            metrics = Metrics(self.call("GET", "/metrics").body.decode())
            self.assertEqual(metrics.value("allowd_evictions_total", kind="live"), 1)

    def test_a_charge_is_unavailable_and_others_are_served(self):
        for when_full in ("evict", "deny", "allow"):
            for threads in (0, 1):
                with self.subTest(when_full, threads=threads):
                    self.lived_in(when_full, threads)


KEPT = """
state: %s/state
max_keys: %d
tick: 10s
limits:
  - {name: default, burst: 10, rate: 1/d%s}
"""


class Kept(unittest.TestCase):
    """What is owed outlives reloads, kills and another size of the table."""

    def owed(self, daemon, keys):
        with Connection(daemon.address) as connection:
            connection.send(b"".join(request_bytes("GET", f"/status?key={key}") for key in keys))
            return [connection.receive().json()["owed"] for _ in keys]

    def test_reloads_and_kills(self):
        keys = [f"key-{i}" for i in range(200)]
        owed = [1 + i % 10 for i in range(200)]
        with tempfile.TemporaryDirectory() as directory:
            with Daemon(KEPT % (directory, 1000, "")) as daemon:
                with Connection(daemon.address) as connection:
                    for key, tokens in zip(keys, owed):
                        connection.send(request_bytes("POST", f"/charge?key={key}&tokens={10 + tokens}"))
                        self.assertEqual(connection.receive().json()["owed"], tokens)
                    for i in range(200):   # and as many that owe nothing
                        connection.send(request_bytes("GET", f"/allow?key=other-{i}"))
                        self.assertEqual(connection.receive().status, 200)
                daemon.reload(KEPT % (directory, 1000, ", debt_max: 50"))
                self.assertEqual(self.owed(daemon, keys), owed)
                daemon.kill()
            with Daemon(KEPT % (directory, 1000, ", debt_max: 50")) as daemon:
                self.assertEqual(self.owed(daemon, keys), owed)
            # Those that owe nothing have no room any more.
            with Daemon(KEPT % (directory, 200, ", debt_max: 4")) as daemon:
                self.assertEqual(self.owed(daemon, keys), [min(tokens, 4) for tokens in owed])
            self.assertTrue(os.path.exists(os.path.join(directory, "state")))


if __name__ == "__main__":
    unittest.main()
