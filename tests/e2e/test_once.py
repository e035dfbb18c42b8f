#!/usr/bin/python3 -B
"""The parameter once: what is asked again with the same token is answered the same, over HTTP, and does nothing."""
import unittest

from harness import FORM, Case, request_bytes, wait_until

# At one token a day and a tick of 10 s no bucket gains a token while the tests run.
LIMITS = """
tick: 10s
limits:
  - {name: api, burst: 10, rate: 1/d}
  - {name: default, burst: 10, rate: 1/d}
"""


class Once(Case):
    config = LIMITS

    def test_a_post_that_is_sent_four_times_takes_its_tokens_once(self):
        """As HAProxy's library in Lua does: each on a connection of its own, all of them at once."""
        for path, left in (("/allow", 7), ("/charge", 7), ("/refund", 10)):
            with self.subTest(path):
                key, before = self.key(), self.counters()
                request = request_bytes("POST", path, [FORM], f"key={key}&tokens=3&once=job+1".encode())
                connections = [self.connect() for _ in range(4)]
                for connection in connections:
                    connection.send(request)
                answers = [connection.receive() for connection in connections]
                self.assertEqual([answer.status for answer in answers], [200] * 4)
                self.assertEqual(len({answer.body for answer in answers}), 1)
                self.assertEqual(self.remaining(key), left)
                self.assertEqual(self.counted(before)["repeated"], 3)

    def test_so_it_does_on_one_connection(self):
        key = self.key()
        connection = self.connect()
        connection.send(4 * request_bytes("GET", f"/allow?key={key}&once=a"))
        answers = [connection.receive() for _ in range(4)]
        self.assertEqual({(answer.status, answer.body) for answer in answers},
                         {(200, answers[0].body)})
        self.assertEqual({answer.header("RateLimit") for answer in answers},
                         {answers[0].header("RateLimit")})
        self.assertEqual(self.remaining(key), 9)

    def test_a_denial_is_repeated(self):
        key = self.key()
        self.allow(key, "&tokens=10")
        first = self.allow(key, "&once=a")
        self.assertEqual(first.status, 429)
        self.call("POST", f"/reset?key={key}")
        again = self.allow(key, "&once=a")
        self.assertEqual((again.status, again.body), (429, first.body))
        self.assertEqual(again.header("Retry-After"), first.header("Retry-After"))
        self.assertEqual(self.allow(key, "&once=b").status, 200)

    def test_other_numbers_are_refused(self):
        key = self.key()
        self.assertEqual(self.allow(key, "&tokens=3&once=a").status, 200)
        self.assert_problem(self.allow(key, "&tokens=4&once=a"), 400, "once=a came with other parameters")
        self.assertEqual(self.remaining(key), 7)

    def test_other_questions_are_asked(self):
        key, before = self.key(), self.counters()
        for parameters in ("&once=a", "&once=b", "&once=a&limit=default", "&once=a&limit=api"):
            self.assertEqual(self.allow(key, parameters).status, 200)
        self.assertEqual(self.call("POST", f"/charge?key={key}&tokens=1&once=a").status, 200)
        self.assertEqual(self.allow(self.key(), "&once=a").status, 200)
        self.assertEqual(self.remaining(key), 6)
        self.assertNotIn("repeated", self.counted(before))

    def test_what_is_refused_takes_nothing(self):
        key, before = self.key(), self.counters()
        for once in ("", "a" * 65, "%00", "%c3%a9", "a%0d%0ab", "%7f", "%zz", "a&once=b"):
            with self.subTest(once):
                self.assert_problem(self.allow(key, "&once=" + once), 400)
        for method, path in (("POST", "/reset"), ("GET", "/status")):
            self.assert_problem(self.call(method, f"{path}?key={key}&once=a"), 400, 'unknown parameter "once"')
        self.assert_problem(self.batch([{"key": key}], path="/allow?once=a"), 400, "has no once")
        self.assert_problem(self.batch([{"key": key, "once": "a"}]), 400, "once")
        self.assertEqual((self.counted(before), self.remaining(key)), ({}, 10))

    def test_an_error_is_not_remembered(self):
        key = self.key()
        self.assert_problem(self.allow(key, "&once=a&limit=new"), 400, "no limit named")
        self.assert_problem(self.allow(key, "&once=a&limit=new"), 400, "no limit named")
        self.assertEqual(self.allow(key, "&once=a").status, 200)


class Waiting(Case):
    """While the first one waits, the others neither wait nor take."""

    config = "limits: [{name: default, burst: 2, rate: 3/m}]"

    def begin(self):
        key = self.key()
        self.allow(key, "&tokens=2")
        connection = self.connect()
        connection.send(request_bytes("GET", f"/allow?key={key}&wait=30s&once=a"))
        self.wait_until_waiting(1)
        return key, connection

    def wait_until_waiting(self, count):
        wait_until(lambda: self.counters()["waiting"] == count, f"{count} wait")

    def test_while_the_first_waits(self):
        key, first = self.begin()
        self.assert_problem(self.allow(key, "&wait=30s&once=a"), 409, "with once=a still waits")
        self.assert_problem(self.allow(key, "&wait=29s&once=a"), 400, "other parameters")
        self.call("POST", f"/refund?key={key}&tokens=2")
        response = first.receive()
        self.assertEqual(response.status, 200)
        again = self.allow(key, "&wait=30s&once=a")
        self.assertEqual((again.status, again.body), (200, response.body))
        self.assertEqual(self.remaining(key), 1)

    def test_if_the_first_leaves(self):
        """Nothing is remembered of it."""
        key, first = self.begin()
        first.reset()
        self.wait_until_waiting(0)
        self.call("POST", f"/refund?key={key}&tokens=1")
        self.assertEqual(self.allow(key, "&once=a").status, 200)


class Reloads(Case):
    config = LIMITS

    def test_an_answer_outlives_its_limits(self):
        first = self.allow("a", "&once=x&limit=api")
        self.daemon.reload("limits: [{name: default, burst: 3, rate: 1/d}]")
        again = self.allow("a", "&once=x&limit=api")
        self.assertEqual((again.status, again.body), (200, first.body))
        self.assert_problem(self.allow("a", "&once=y&limit=api"), 400, "no limit named")


if __name__ == "__main__":
    unittest.main()
