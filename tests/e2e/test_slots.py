#!/usr/bin/python3 -B
"""Slots: what is shown of them over HTTP, what is refused because only a lease takes them, and reloads."""
import unittest

from harness import Case

# At one token a day and a tick of 10 s no bucket gains a token while the test runs.
LIMITS = """
tick: 10s
limits:
  - {name: jobs, match: "job:*", concurrent: 8, overrides: [{key: "job:large", concurrent: 2},
                                                            {key: "job:rated", burst: 5, rate: 1/d}]}
  - name: mixed
    match: "mixed:*"
    buckets: [{name: running, concurrent: 4}, {name: day, burst: 10, rate: 1/d}]
    on_expiry: return
  - {name: default, burst: 10, rate: 1/d}
checks:
  - {name: edge, key: "{header:X-Key}", deny_status: 403, cost: [{methods: [PUT], tokens: 3}]}
"""


class Slots(Case):
    config = LIMITS

    def test_are_shown_without_a_time(self):
        response = self.call("GET", "/status?key=job:a")
        self.assertEqual(response.json(), {"key": "job:a", "limit": "jobs", "remaining": 8, "owed": 0, "burst": 8,
                                           "reset_after_ms": None, "active": False})
        self.assertEqual(self.call("GET", "/status?key=job:large").json()["remaining"], 2)
        look = self.call("GET", "/allow?key=job:a&tokens=0")
        self.assertEqual((look.status, look.json()["remaining"]), (200, 8))
        mixed = self.call("GET", "/status?key=mixed:a").json()
        self.assertEqual((mixed["remaining"], mixed["burst"], mixed["reset_after_ms"]), (10, 10, None))
        self.assertEqual(mixed["buckets"], [
            {"name": "running", "remaining": 4, "owed": 0, "burst": 4, "reset_after_ms": None},
            {"name": "day", "remaining": 10, "owed": 0, "burst": 10, "reset_after_ms": 0}])

    def test_are_among_the_limits(self):
        limits = self.call("GET", "/status").json()["limits"]
        self.assertEqual(limits[0], {"name": "jobs", "match": "job:*", "concurrent": 8, "overrides": 2})
        self.assertEqual(limits[1]["on_expiry"], "return")
        self.assertEqual(limits[1]["buckets"][0], {"name": "running", "concurrent": 4})
        self.assertNotIn("on_expiry", limits[2])

    def test_tokens_need_a_lease(self):
        for key, limit in (("job:a", "jobs"), ("job:large", "jobs"), ("mixed:a", "mixed")):
            before = self.counters()
            response = self.call("GET", f"/allow?key={key}")
            self.assert_problem(response, 400, f'limit "{limit}" counts what goes on at a time')
            self.assertIn("/acquire", response.json()["detail"])
            self.assertIsNone(response.header("RateLimit"))
            self.assertEqual(self.counters()["denied"], before["denied"])
        self.assertEqual(self.allow("job:rated", "&tokens=5").status, 200)

    def test_a_batch_that_needs_a_lease_does_nothing(self):
        key = self.key()
        for mode in ("each", "all"):
            response = self.batch([{"key": key}, {"key": "job:a", "tokens": 0}, {"key": "job:a"}], mode)
            self.assert_problem(response, 400, "requests.2.: limit \"jobs\"")
            self.assertEqual(self.call("GET", f"/status?key={key}").json()["remaining"], 10)
        self.assertEqual(self.batch([{"key": key}, {"key": "job:a", "tokens": 0}], "all").status, 200)

    def test_are_not_charged_refunded_or_reset(self):
        for call, tokens in (("charge", "&tokens=1"), ("refund", "&tokens=1"), ("reset", "")):
            with self.subTest(call):
                self.assert_problem(self.call("POST", f"/{call}?key=job:a{tokens}"), 400,
                                    'limit "jobs" has no tokens')
        charged = self.call("POST", "/charge?key=mixed:b&tokens=15").json()
        self.assertEqual((charged["charged"], charged["owed"]), (15, 5))
        self.assertNotIn("charged", charged["buckets"][0])
        self.assertEqual(self.call("POST", "/refund?key=mixed:b&tokens=7").json()["remaining"], 2)
        self.assertEqual(self.call("POST", "/reset?key=mixed:b").json()["buckets"][0]["remaining"], 4)

    def test_a_check_says_that_it_takes_none(self):
        for method in ("GET", "PUT"):
            response = self.call(method, "/check/edge", [("X-Key", "job:a")])
            self.assert_problem(response, 500, 'the key of this check falls under limit "jobs"')
        self.assertEqual(self.call("GET", "/check/edge", [("X-Key", self.key())]).status, 200)


class Reloads(Case):
    RATE = "tick: 10s\nlimits: [{name: default, burst: 10, rate: 1/d}]\n"
    SLOTS = "tick: 10s\nlimits: [{name: default, concurrent: %d}]\n"
    BOTH = ("tick: 10s\nlimits: [{name: default, buckets: [{name: a, concurrent: 3}, "
            "{name: b, burst: 10, rate: 1/d}]}]\n")
    config = RATE

    def test_tokens_and_slots_give_each_other_nothing(self):
        self.assertEqual(self.allow("k", "&tokens=7").status, 200)
        for config, burst, remaining in ((self.BOTH, 10, 3), (self.RATE, 10, 3), (self.SLOTS % 4, 4, 4),
                                         (self.SLOTS % 6, 6, 6), (self.RATE, 10, 10)):
            self.daemon.reload(config)
            shown = self.call("GET", "/status?key=k").json()
            with self.subTest(config):
                self.assertEqual((shown["burst"], shown["remaining"]), (burst, remaining))
                self.assertEqual(self.allow("other").status, 400 if "concurrent" in config else 200)


if __name__ == "__main__":
    unittest.main()
