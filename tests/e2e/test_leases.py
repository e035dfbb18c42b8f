#!/usr/bin/python3 -B
"""Leases: what they take, how long they last, and what they outlive, over HTTP."""
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import FORM, JSON, Case, Daemon, request_bytes, wait_until
from metrics import Metrics

HOUR_MS = 3_600_000
TICK_MS = 10  # an end is on a tick
UNKNOWN = "0123456789abcdef0123456789abcdef"
ORIGIN = ("Origin", "http://evil.example")
LEASE = r"[0-9a-f]{32}"

# At one token a day no bucket gains a token while the tests run.
LIMITS = """
tick: 10ms
limits:
  - {name: jobs, match: "jobs:*", concurrent: 3}
  - {name: one, match: "one:*", concurrent: 1}
  - name: both
    match: "both:*"
    buckets: [{name: running, concurrent: 2}, {name: day, burst: 10, rate: 1/d, debt_max: 5}]
  - {name: back, match: "back:*", burst: 10, rate: 1/d, on_expiry: return}
  - {name: trial, match: "trial:*", concurrent: 1, shadow: true}
  - name: default
    burst: 10
    rate: 1/d
    overrides:
      - {key: free, action: allow}
      - {key: spam, action: deny}
      - {key: vip, concurrent: 2}
"""


class LeaseCase(Case):
    config = LIMITS

    def post(self, target, headers=()):
        return self.call("POST", target, headers)

    def acquire(self, key, parameters="&ttl=1h"):
        """The whole answer of one that is granted."""
        response = self.post(f"/acquire?key={key}{parameters}")
        self.assertEqual(response.status, 200, response)
        answer = response.json()
        self.assertIs(answer["allowed"], True)
        self.assertRegex(answer["lease"], f"^{LEASE}$")
        return answer

    def lease(self, key, parameters="&ttl=1h"):
        return self.acquire(key, parameters)["lease"]

    def release(self, lease, parameters=""):
        response = self.post(f"/release?lease={lease}{parameters}")
        self.assertEqual(response.status, 200, response)
        return response.json()

    def assert_denied(self, key, parameters="&ttl=1h", **members):
        response = self.post(f"/acquire?key={key}{parameters}")
        self.assertEqual(response.status, 429, response)
        answer = response.json()
        self.assertNotIn("lease", answer)
        self.assertEqual({name: answer.get(name) for name in members}, members)
        return answer

    def state(self, lease):
        response = self.call("GET", f"/status?lease={lease}")
        return response.json()["state"] if response.status == 200 else None

    def wait_for_end(self, lease):
        wait_until(lambda: self.state(lease) == "expired", "the lease ends by itself")


class Leases(LeaseCase):
    def test_the_whole_answer(self):
        key = self.key("jobs:")
        response = self.post(f"/acquire?key={key}&slots=2&ttl=1h")
        self.assertEqual(response.status, 200)
        self.assertRegex(
            response.body.decode(),
            rf'^{{"allowed":true,"lease":"{LEASE}","expires_after_ms":{HOUR_MS},"slots":2,"key":"{key}",'
            r'"limit":"jobs","tokens":1,"remaining":1,"owed":0,"burst":3,"retry_after_ms":0,'
            r'"reset_after_ms":null}\n$')
        self.assertEqual(response.header("RateLimit-Policy"), '"jobs";q=3;qu="concurrent-requests"')
        self.assertEqual(response.header("RateLimit"), '"jobs";r=1')

    def test_every_way_to_acquire(self):
        for target, headers, body in (("/acquire?key={}", (), None),
                                      ("/acquire", [FORM], "key={}&ttl=1h"),
                                      ("/acquire?slots=1", [FORM], "key={}&tokens=1")):
            with self.subTest(target, body=body):
                key = self.key("jobs:")
                response = self.call("POST", target.format(key), headers,
                                     None if body is None else body.format(key).encode())
                self.assertEqual((response.status, response.json()["remaining"]), (200, 2))

    def test_no_more_than_concurrent_at_a_time(self):
        key = self.key("jobs:")
        leases = [self.lease(key) for _ in range(3)]
        self.assertEqual(len(set(leases)), 3)
        answer = self.assert_denied(key, limit="jobs", remaining=0)
        self.assertEqual(answer["violated-policies"], ["jobs"])
        self.assertLessEqual(answer["retry_after_ms"], HOUR_MS + TICK_MS)
        self.assertGreater(answer["retry_after_ms"], HOUR_MS - 60_000)
        self.assertEqual(self.remaining(key), 0)
        self.release(leases[1])
        self.assertEqual(self.acquire(key)["remaining"], 0)
        self.assert_denied(key)
        self.acquire(self.key("jobs:"))  # another key has slots of its own

    def test_more_slots_than_there_are(self):
        response = self.post(f"/acquire?key={self.key('jobs:')}&slots=4")
        self.assertEqual((response.status, response.json()["reason"]), (429, "exceeds_burst"))
        self.assertEqual(response.header("X-Should-Retry"), "false")

    def test_a_denial_has_the_status_asked_for(self):
        key = self.key("one:")
        self.acquire(key)
        for status in (200, 403):
            response = self.post(f"/acquire?key={key}&deny_status={status}")
            self.assertEqual((response.status, response.json()["allowed"]), (status, False))

    def test_a_release_tells_what_came_of_it(self):
        key = self.key("jobs:")
        lease = self.lease(key, "&ttl=1h&slots=2")
        response = self.post(f"/release?lease={lease}")
        self.assertEqual(response.status, 200)
        self.assertEqual(list(response.json()), ["released", "key", "limit", "tokens", "slots", "returned",
                                                 "charged", "forgiven", "owed"])
        answer = response.json()
        self.assertEqual((answer["released"], answer["key"], answer["limit"], answer["slots"]),
                         (True, key, "jobs", 2))
        self.assertEqual(self.remaining(key), 3)

    def test_what_was_not_used_comes_back_and_what_was_beyond_is_charged(self):
        for used, came, day, owed in (("", (0, 0, 0, 0), 6, 0), ("&used=0", (4, 0, 0, 0), 10, 0),
                                      ("&used=1", (3, 0, 0, 0), 9, 0), ("&used=4", (0, 0, 0, 0), 6, 0),
                                      ("&used=13", (0, 9, 0, 3), 0, 3), ("&used=20", (0, 11, 5, 5), 0, 5)):
            with self.subTest(used):
                key = self.key("both:")
                granted = self.acquire(key, "&ttl=1h&tokens=4")
                self.assertEqual([bucket["remaining"] for bucket in granted["buckets"]], [1, 6])
                answer = self.release(granted["lease"], used)
                self.assertEqual(answer["tokens"], 4)
                self.assertEqual(tuple(answer[name] for name in ("returned", "charged", "forgiven", "owed")), came)
                status = self.call("GET", f"/status?key={key}").json()
                self.assertEqual([bucket["remaining"] for bucket in status["buckets"]], [2, day])
                self.assertEqual(status["owed"], owed)

    def test_a_limit_of_tokens_only(self):
        key = self.key()
        lease = self.lease(key, "&ttl=1h&tokens=7")
        self.assertEqual(self.remaining(key), 3)
        self.assert_denied(key, "&tokens=4")
        self.assertEqual(self.release(lease, "&used=2")["returned"], 5)
        self.assertEqual(self.remaining(key), 8)

    def test_all_buckets_give_or_none(self):
        key = self.key("both:")
        self.assert_denied(key, "&tokens=10&slots=3", reason="exceeds_burst")
        self.lease(key, "&tokens=10")
        self.assert_denied(key, "&tokens=1")
        status = self.call("GET", f"/status?key={key}").json()
        self.assertEqual([bucket["remaining"] for bucket in status["buckets"]], [1, 0])

    def test_a_repeated_release_is_answered_the_same(self):
        key = self.key("both:")
        lease = self.lease(key, "&ttl=1h&tokens=4")
        answers = [self.post(f"/release?lease={lease}&used=1") for _ in range(3)]
        answers.append(self.post(f"/release?lease={lease}&used=4"))  # the first one counts
        self.assertEqual({(answer.status, answer.body) for answer in answers}, {(200, answers[0].body)})
        status = self.call("GET", f"/status?key={key}").json()
        self.assertEqual([bucket["remaining"] for bucket in status["buckets"]], [2, 9])
        self.assertEqual(self.state(lease), "released")
        self.assert_problem(self.post(f"/renew?lease={lease}"), 404, "released already")

    def test_how_a_lease_is(self):
        key = self.key("jobs:")
        lease = self.lease(key, "&ttl=1h&slots=2")
        for method, target in (("GET", f"/status?lease={lease}"), ("POST", f"/renew?lease={lease}&ttl=1h")):
            answer = self.call(method, target).json()
            self.assertEqual(list(answer), ["state", "key", "limit", "tokens", "slots", "expires_after_ms"])
            self.assertEqual((answer["state"], answer["key"], answer["limit"], answer["slots"]),
                             ("held", key, "jobs", 2))
            self.assertLessEqual(answer["expires_after_ms"], HOUR_MS)
            self.assertGreater(answer["expires_after_ms"], HOUR_MS - 60_000)
        head = self.call("HEAD", f"/status?lease={lease}")
        self.assertEqual((head.status, head.body), (200, b""))

    def test_a_renewal_puts_the_end_off(self):
        key = self.key("one:")
        lease = self.lease(key, "&ttl=1m")
        answer = self.post(f"/renew?lease={lease}&ttl=1d").json()
        self.assertGreater(answer["expires_after_ms"], 23 * HOUR_MS)
        answer = self.post(f"/renew?lease={lease}").json()  # as long as it was acquired for
        self.assertLessEqual(answer["expires_after_ms"], 60_000)
        self.assertEqual(self.post(f"/renew?lease={lease}&ttl=1h").status, 200)

    def test_a_lease_that_nobody_renews_ends(self):
        key = self.key("one:")
        lease = self.lease(key, "&ttl=3s")
        answer = self.assert_denied(key)
        self.assertLessEqual(answer["retry_after_ms"], 3000 + TICK_MS)
        self.wait_for_end(lease)
        self.assertEqual(self.call("GET", f"/status?lease={lease}").json()["expires_after_ms"], None)
        for call in ("renew", "release"):
            self.assert_problem(self.post(f"/{call}?lease={lease}"), 404, "this lease has expired")
        self.acquire(key)

    def test_at_its_end_tokens_stay_taken_unless_the_limit_says_so(self):
        prefixes = (("", 6), ("both:", 6), ("back:", 10))
        keys = [self.key(prefix) for prefix, _ in prefixes]
        leases = [self.lease(key, "&ttl=2s&tokens=4") for key in keys]
        for lease, key, (_, left) in zip(leases, keys, prefixes):
            self.wait_for_end(lease)
            self.assertEqual(self.remaining(key), left)

    def test_a_lease_that_is_not_known(self):
        for method, target in (("POST", "/release"), ("POST", "/renew"), ("GET", "/status")):
            self.assert_problem(self.call(method, f"{target}?lease={UNKNOWN}"), 404, "no such lease here")

    def test_what_is_refused_takes_nothing(self):
        key, before = self.key("jobs:"), self.counters()
        lease = self.lease(key)
        for parameters in ("ttl=99ms", "ttl=25h", "ttl=-1s", "ttl=30", "ttl=1y", "ttl=", "slots=0", "slots=-1",
                           "slots=1000001", "slots=x", "tokens=-1", "tokens=1125899906842625", "limit=nosuch",
                           "limit=default&limit=default", "once=", "lease=" + UNKNOWN):
            with self.subTest(parameters):
                self.assert_problem(self.post(f"/acquire?key={key}&{parameters}"), 400)
        for parameters in ("", "lease=", "lease=x", "lease=" + lease[1:], f"lease={lease}0", f"lease={lease[:-1]}g",
                           f"lease={lease}&lease={lease}", f"lease={lease}&key={key}"):
            for call in ("release", "renew"):
                with self.subTest(call, parameters=parameters):
                    self.assert_problem(self.post(f"/{call}?{parameters}"), 400)
        for used in ("-1", "", "1.5", "1e3", "1000000000000000", "1125899906842625", "18446744073709551616"):
            with self.subTest(used):
                self.assert_problem(self.post(f"/release?lease={lease}&used={used}"), 400, "used is")
        for parameters in (f"key={key}", "limit=jobs", "x=1"):
            self.assert_problem(self.call("GET", f"/status?lease={lease}&{parameters}"), 400)
        batch = f'{{"requests":[{{"key":"{key}"}}]}}'.encode()
        self.assert_problem(self.call("POST", "/acquire", [JSON], batch), 415)
        for call in ("acquire", "release", "renew"):
            for method in ("GET", "HEAD", "PUT", "DELETE", "QUERY"):
                self.assertEqual(self.call(method, f"/{call}?key={key}&lease={lease}").status, 405)
        self.assertEqual((self.state(lease), self.remaining(key)), ("held", 2))
        self.assertEqual(self.counters()["denied"], before["denied"])

    def test_other_calls_cannot_take_slots(self):
        key = self.key("jobs:")
        self.assert_problem(self.allow(key), 400, "/acquire")
        self.assertEqual(self.allow(key, "&tokens=0").status, 200)
        self.assert_problem(self.batch([{"key": self.key()}, {"key": key}]), 400, r"requests\[1\].*/acquire")
        for call in ("/charge?tokens=1&", "/refund?", "/reset?"):
            self.assert_problem(self.post(f"{call}key={key}"), 400, "slots")
        key = self.key("both:")
        self.assert_problem(self.allow(key), 400, "/acquire")
        lease = self.lease(key, "&ttl=1h&tokens=4")
        self.assertEqual(self.post(f"/charge?key={key}&tokens=1").status, 200)
        self.assertEqual(self.post(f"/reset?key={key}").status, 200)
        status = self.call("GET", f"/status?key={key}").json()
        self.assertEqual([bucket["remaining"] for bucket in status["buckets"]], [1, 10])
        self.release(lease, "&used=0")
        self.assertEqual(self.remaining(key), 10)  # no more than full

    def test_what_holds_nothing_can_be_released_as_any_other(self):
        for key in (self.key("trial:"), "free"):
            leases = [self.lease(key, "&ttl=1h") for _ in range(3)]
            for lease in leases:
                self.assertEqual(self.state(lease), "held")
                self.assertIs(self.release(lease, "&used=0")["released"], True)
        key = self.key("trial:")
        first, second = self.acquire(key), self.acquire(key)
        self.assertEqual((first["would_allow"], second["would_allow"]), (True, False))
        self.assertEqual(self.release(second["lease"])["slots"], 0)

    def test_overrides(self):
        leases = [self.lease("vip") for _ in range(2)]
        self.assert_denied("vip", override="vip")
        for lease in leases:
            self.release(lease)
        self.assert_denied("spam", reason="override")

    def test_once(self):
        """As HAProxy's library in Lua does: each on a connection of its own, all of them at once."""
        key = self.key("jobs:")
        connections = [self.connect() for _ in range(4)]
        for connection in connections:
            connection.send(request_bytes("POST", f"/acquire?key={key}&ttl=1h&once=job7"))
        answers = [connection.receive() for connection in connections]
        self.assertEqual({(answer.status, answer.body) for answer in answers}, {(200, answers[0].body)})
        self.assertEqual(self.remaining(key), 2)
        for parameters in ("&slots=2&ttl=1h", "&ttl=2h", "&tokens=2&ttl=1h"):
            self.assert_problem(self.post(f"/acquire?key={key}&once=job7{parameters}"), 400, "other parameters")
        self.assertNotEqual(self.lease(key, "&once=job8"), answers[0].json()["lease"])

    def test_with_curl(self):
        """Three calls of a job runner, as README has them."""
        def curl(call, *data):
            command = ["curl", "-s", "--fail-with-body", self.daemon.url + call]
            for each in data:
                command += ["-d", each]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

        key = self.key("jobs:")
        lease = curl("/acquire", f"key={key}", "ttl=1h").split('"lease":"')[1][:32]
        self.assertIn('"state":"held"', curl("/renew", f"lease={lease}", "ttl=5m"))
        self.assertIn('"released":true', curl("/release", f"lease={lease}"))
        self.assertEqual(self.remaining(key), 3)

    def test_pages_of_other_origins_may_not(self):
        key = self.key("jobs:")
        lease = self.lease(key)
        for target in (f"/acquire?key={key}", f"/release?lease={lease}", f"/renew?lease={lease}"):
            self.assert_problem(self.post(target, [ORIGIN]), 403, "another origin")
        self.assertEqual((self.state(lease), self.remaining(key)), ("held", 2))


class ForEveryone(LeaseCase):
    """Where /status is for admins, a lease is still for whoever knows its id."""

    config = "admin_listen: ['127.0.0.1:0']\n" + LIMITS

    def test_all_of_its_calls(self):
        lease = self.lease(self.key("jobs:"))
        self.assertEqual(self.state(lease), "held")
        self.assertEqual(self.post(f"/renew?lease={lease}").status, 200)
        self.release(lease)
        self.assertEqual(self.state(lease), "released")

    def test_no_more_is_told(self):
        key = self.key("jobs:")
        lease = self.lease(key)
        for target in ("/status", f"/status?key={key}", "/status?x=1", f"/status?x=1&lease={lease}"):
            self.assert_problem(self.call("GET", target), 403, "admin_listen")
        self.assert_problem(self.call("GET", f"/status?lease={lease}&key={key}"), 400, "not both")
        self.assert_problem(self.call("GET", f"/status?key={key}&lease={lease}"), 400, "not both")
        self.assert_problem(self.batch([{"key": key}], path=f"/status?lease={lease}"), 400)


class Reloads(LeaseCase):
    CONCURRENT = "tick: 10ms\nlimits:\n  - {{name: jobs, match: 'jobs:*', concurrent: {}}}\n" \
                 "  - {{name: default, burst: 10, rate: 1/d}}\n"

    def setUp(self):
        self.daemon.reload(LIMITS)

    def test_concurrent_is_raised_and_lowered(self):
        key = self.key("jobs:")
        leases = [self.lease(key) for _ in range(3)]
        self.assert_denied(key)
        self.daemon.reload(self.CONCURRENT.format(5))
        leases.append(self.lease(key))
        self.assertEqual(self.remaining(key), 1)
        self.daemon.reload(self.CONCURRENT.format(2))
        self.assertEqual([self.state(lease) for lease in leases], ["held"] * 4)
        for lease in leases[:3]:
            self.assertEqual(self.remaining(key), 0)
            self.assert_denied(key)
            self.release(lease)
        self.assertEqual(self.remaining(key), 1)
        self.assertEqual(self.acquire(key)["remaining"], 0)
        self.assert_denied(key)

    def test_a_lease_whose_limit_is_gone(self):
        leases = [self.lease(self.key("jobs:")) for _ in range(2)]
        self.daemon.reload("limits: [{name: default, burst: 10, rate: 1/d}]")
        self.assertEqual(self.state(leases[0]), "limit_removed")
        self.assert_problem(self.post(f"/renew?lease={leases[0]}"), 404, "removed from the configuration")
        self.assert_problem(self.post(f"/release?lease={leases[1]}"), 404, "removed from the configuration")

    def test_a_limit_that_was_a_rate_before(self):
        """Its leases go on, and hold a slot of it each or none; they can be released."""
        key = self.key()
        lease = self.lease(key, "&ttl=1h&tokens=4")
        self.daemon.reload("limits: [{name: default, concurrent: 2}]")
        self.assertEqual(self.state(lease), "held")
        self.release(lease)
        self.assertEqual([self.acquire(key)["remaining"] for _ in range(2)], [1, 0])
        self.assert_denied(key)


class Bounds(LeaseCase):
    config = "max_leases: 2\n" + LIMITS

    def test_more_leases_than_may_be(self):
        leases = [self.lease(self.key()) for _ in range(2)]
        key = self.key()
        self.assert_denied(key, reason="too_many_leases")
        self.assertEqual(self.remaining(key), 10)
        self.release(leases[0])
        self.lease(key)


class Counted(LeaseCase):
    """What is told of leases to those who watch."""
    config = "max_leases: 2\n" + LIMITS

    def test_all_that_happens_is_counted_logged_and_listed(self):
        first = self.lease("both:a", "&ttl=1h&tokens=4")
        second = self.lease("both:a", "&ttl=2s&tokens=1")
        self.assert_denied("both:b", reason="too_many_leases")
        self.post(f"/renew?lease={first}&ttl=2h")
        key, = self.call("GET", "/keys?limit=both").json()["keys"]
        self.assertEqual((key["key"], key["leases"], key["slots"]), ("both:a", 2, 2))
        self.assertEqual((self.told()["leases"], self.told()["max_leases"]), (2, 2))
        self.wait_for_end(second)
        self.release(first, "&used=1")
        self.assertEqual(self.told()["leases"], 0)
        counters = self.told()["counters"]
        self.assertEqual([counters["leases_" + name] for name in
                          ("granted", "renewed", "released", "expired", "refused")], [2, 1, 1, 1, 1])
        self.assertEqual(counters["returned_tokens"], 3)
        metrics = Metrics(self.call("GET", "/metrics").body.decode())
        for name, labels, value in (
                ("allowd_leases", {}, 0), ("allowd_leases_max", {}, 2),
                ("allowd_leases_granted_total", {}, 2), ("allowd_leases_renewed_total", {}, 1),
                ("allowd_leases_ended_total", {"how": "released"}, 1),
                ("allowd_leases_ended_total", {"how": "expired"}, 1),
                ("allowd_leases_refused_total", {}, 1), ("allowd_returned_tokens_total", {}, 3)):
            self.assertEqual(metrics.value(name, **labels), value, name)
        self.daemon.wait_for_line("^allowd: warning: as many leases are held as may be: "
                                  "1 request was denied; raise max_leases$")
        self.daemon.wait_for_line("^allowd: leases that expired because nobody renewed or "
                                  "released them: 1$")

    def told(self):
        return self.call("GET", "/status").json()


class Full(LeaseCase):
    config = "max_keys: 1\nwhen_full: allow\n" + LIMITS

    def test_what_is_not_counted_has_a_lease_too(self):
        first = self.lease("one:a")
        second = self.acquire("one:b")
        self.assertEqual(second["reason"], "table_full")
        self.assertEqual(self.release(second["lease"])["slots"], 0)
        self.assertEqual(self.release(first)["slots"], 1)


class Waiting(LeaseCase):
    def begin(self, key, parameters="&ttl=1h&wait=30s"):
        connection = self.connect()
        connection.send(request_bytes("POST", f"/acquire?key={key}{parameters}"))
        return connection

    def wait_until_waiting(self, count):
        wait_until(lambda: self.counters()["waiting"] == count, "they wait")

    def test_a_release_lets_those_go_that_wait_in_order(self):
        key = self.key("jobs:")
        leases = [self.lease(key) for _ in range(3)]
        waiting = []
        for i in range(3):
            waiting.append(self.begin(key))
            self.wait_until_waiting(i + 1)
        for connection in waiting:
            self.release(leases.pop())
            answer = connection.receive()
            self.assertEqual(answer.status, 200)
            self.assertGreaterEqual(answer.json()["waited_ms"], 0)
        self.wait_until_waiting(0)
        self.assert_denied(key)

    def test_an_end_lets_them_go_too(self):
        key = self.key("one:")
        self.lease(key, "&ttl=1s")
        answer = self.begin(key).receive()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.json()["remaining"], 0)

    def test_who_waits_too_long_is_denied(self):
        key = self.key("one:")
        self.lease(key)
        answer = self.begin(key, "&wait=200ms").receive()
        self.assertEqual((answer.status, answer.json()["reason"]), (429, "wait_over"))

    def test_who_leaves_takes_no_slot(self):
        key = self.key("one:")
        lease = self.lease(key)
        gone, stays = self.begin(key), None
        self.wait_until_waiting(1)
        stays = self.begin(key)
        self.wait_until_waiting(2)
        gone.reset()
        self.wait_until_waiting(1)
        self.release(lease)
        granted = stays.receive()
        self.assertEqual(granted.status, 200)
        self.release(granted.json()["lease"])
        self.lease(key)

    def test_who_has_gone_as_it_is_granted_keeps_no_slot(self):
        """It has gone before the slot comes back, and allowd may notice both at once."""
        key = self.key("one:")
        lease = self.lease(key)
        for i in range(60):
            once = f"&once={i}" if i % 2 else ""
            gone, releases = self.begin(key, f"&ttl=1h&wait=30s{once}"), self.connect()
            self.wait_until_waiting(1)
            gone.reset()
            releases.send(request_bytes("POST", f"/release?lease={lease}"))
            self.assertEqual(releases.receive().status, 200)
            answer = self.begin(key).receive()
            self.assertEqual(answer.status, 200, answer)
            lease = answer.json()["lease"]

    def test_once_while_the_first_waits(self):
        key = self.key("one:")
        lease = self.lease(key)
        first = self.begin(key, "&ttl=1h&wait=30s&once=a")
        self.wait_until_waiting(1)
        self.assert_problem(self.post(f"/acquire?key={key}&ttl=1h&wait=30s&once=a"), 409, "still waits")
        self.release(lease)
        granted = first.receive()
        again = self.post(f"/acquire?key={key}&ttl=1h&wait=30s&once=a")
        self.assertEqual((again.status, again.body), (200, granted.body))

    def test_once_of_who_left(self):
        key = self.key("one:")
        self.lease(key)
        first = self.begin(key, "&ttl=1h&wait=30s&once=a")
        self.wait_until_waiting(1)
        first.reset()
        self.wait_until_waiting(0)
        self.assert_denied(key, "&ttl=1h&wait=200ms&once=a", reason="wait_over")


class Restarts(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="allowd-e2e-")
        self.addCleanup(shutil.rmtree, self.directory, True)

    def start(self, keeps):
        daemon = Daemon((f"state: {self.directory}/state\n" if keeps else "") + LIMITS)
        self.addCleanup(daemon.stop)
        return daemon

    def test_with_state_leases_and_their_time_go_on(self):
        for end in (Daemon.kill, Daemon.stop):
            with self.subTest(end.__name__):
                daemon, key = self.start(True), f"one:{end.__name__}"
                long = daemon.call("POST", f"/acquire?key={key}&ttl=1h").json()["lease"]
                short = daemon.call("POST", f"/acquire?key=jobs:{key}&ttl=1s").json()["lease"]
                done = daemon.call("POST", f"/acquire?key=both:{key}&ttl=1h&tokens=4").json()["lease"]
                released = daemon.call("POST", f"/release?lease={done}&used=1")
                end(daemon)
                daemon = self.start(True)
                status = daemon.call("GET", f"/status?lease={long}").json()
                self.assertEqual((status["state"], status["slots"]), ("held", 1))
                self.assertLess(status["expires_after_ms"], HOUR_MS)
                self.assertGreater(status["expires_after_ms"], HOUR_MS - 60_000)
                self.assertEqual(daemon.call("POST", f"/acquire?key={key}").status, 429)
                wait_until(lambda: daemon.call("GET", f"/status?lease={short}").json()["state"] == "expired",
                           "what would have ended ends")
                again = daemon.call("POST", f"/release?lease={done}&used=1")
                self.assertEqual((again.status, again.body), (200, released.body))
                self.assertEqual(daemon.call("POST", f"/release?lease={long}").status, 200)
                self.assertEqual(daemon.call("POST", f"/acquire?key={key}").status, 200)
                daemon.stop()
                os.unlink(os.path.join(self.directory, "state"))

    def test_without_state_it_begins_with_none(self):
        daemon = self.start(False)
        lease = daemon.call("POST", "/acquire?key=one:a&ttl=1h").json()["lease"]
        daemon.stop()
        daemon = self.start(False)
        response = daemon.call("GET", f"/status?lease={lease}")
        self.assertEqual(response.status, 404)
        self.assertIn("another allowd gave it", response.json()["detail"])
        self.assertEqual(daemon.call("POST", "/acquire?key=one:a").status, 200)


if __name__ == "__main__":
    unittest.main()
