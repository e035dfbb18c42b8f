#!/usr/bin/python3 -B
"""The HTTP contract: every call, every error, every header and every member, exactly."""
import base64
import email.utils
import hashlib
import json
import re
import subprocess
import time
import unittest

from harness import FORM, JSON, PATIENCE_S, TOP, Case, Connection, Daemon, request_bytes

DAY_MS = 24 * 3600 * 1000
TICK_MS = 10_000

# At one token a day and a tick of 10 s no bucket gains a token while the tests run.
FROZEN = """
tick: 10s
max_keys: 5000
limits:
  - name: api
    match: "api:*"
    burst: 100
    rate: 1/d
  - name: shadowed
    match: "api:x*"
    burst: 7
    rate: 1/d
  - name: exact
    match: "one[12]?"
    burst: 20
    rate: 2/d
  - name: by-name-only
    burst: 5
    rate: 1/d
  - name: 'say "hi" \\ bye'
    burst: 3
    rate: 1/d
  - name: default
    burst: 10
    rate: 1/d
"""

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"

ALLOW_MEMBERS = ["allowed", "key", "limit", "tokens", "remaining", "owed", "burst", "retry_after_ms",
                 "reset_after_ms"]
DENIED_MEMBERS = ["type", "title", "status", "violated-policies"] + ALLOW_MEMBERS
STATUS_MEMBERS = ["key", "limit", "remaining", "owed", "burst", "reset_after_ms", "active"]


class ContractCase(Case):
    config = FROZEN

    def drained(self, tokens=10, **kwargs):
        """A key whose bucket has just been emptied."""
        key = self.key(**kwargs)
        self.assertEqual(self.allow(key, f"&tokens={tokens}").status, 200)
        return key

    def assert_field_names(self, response, *names):
        """These fields are there, and no others; in any order."""
        found = sorted(name for name, _ in response.fields if name != "Connection")
        self.assertEqual(found, sorted(names))

    def assert_about(self, ms, expected_ms):
        """A time that was exact when the bucket was touched, and may be some ticks on by now."""
        self.assertEqual((expected_ms - ms) % TICK_MS, 0)
        self.assertLessEqual(ms, expected_ms)
        self.assertGreaterEqual(ms, expected_ms - 60_000)


class DenyStatus(ContractCase):
    """For callers whose client retries a 429 by itself."""

    CHOSEN = (400, 401, 403, 404, 410, 429, 451, 499, 503, 599)
    REFUSED = ("", "0", "1", "20", "199", "201", "204", "299", "300", "399", "600", "999", "2000",
               "0200", "0403", "+403", "-403", "%20403", "403%20", "403.0", "4e2", "0x193", "four",
               "403,404", "%00", "18446744073709552019")

    def ways(self, key, status):
        yield "GET", f"/allow?key={key}&deny_status={status}", (), None
        yield "POST", f"/allow?deny_status={status}&key={key}", (), None
        yield "POST", "/allow", [FORM], f"key={key}&deny_status={status}".encode()
        yield "POST", f"/allow?key={key}", [FORM], f"deny_status={status}".encode()

    def assert_as_ever(self, response, ordinary):
        """But for status and body it is what a denial is."""
        mine, its = ([(name, value) for name, value in fields
                      if name not in ("Date", "Content-Type", "Content-Length")]
                     for fields in (response.fields, ordinary.fields))
        self.assertEqual(mine, its)

    def beside(self, ask, ask_ordinarily):
        """An answer, and the ordinary one of the same tick."""
        before, response, after = ask_ordinarily(), ask(), ask_ordinarily()
        self.assertEqual((before.status, after.status), (429, 429))
        waits = [each.json()["retry_after_ms"] for each in (before, response)]
        return response, before if waits[0] == waits[1] else after

    def test_a_denial_has_it(self):
        key = self.drained()
        for status in self.CHOSEN:
            for way in self.ways(key, status):
                with self.subTest(status, method=way[0], target=way[1]):
                    response, ordinary = self.beside(lambda: self.call(*way),
                                                     lambda: self.allow(key))
                    self.assertEqual(response.status, status)
                    self.assert_as_ever(response, ordinary)
                    self.assertEqual(response.header("Content-Type"), "application/problem+json")
                    self.assertEqual(response.body, ordinary.body.replace(
                        b'"status":429', f'"status":{status}'.encode()))
        self.assertEqual(self.remaining(key), 0)

    def test_with_200_it_is_no_problem(self):
        key = self.drained()
        for way in self.ways(key, 200):
            with self.subTest(method=way[0], target=way[1]):
                response, ordinary = self.beside(lambda: self.call(*way), lambda: self.allow(key))
                self.assertEqual((response.status, response.reason), (200, "OK"))
                self.assert_as_ever(response, ordinary)
                self.assertEqual(response.header("Content-Type"), "application/json")
                self.assertEqual(list(response.json()),
                                 ["allowed", "violated-policies"] + ALLOW_MEMBERS[1:])
                problem = ordinary.json()
                for name in ("type", "title", "status"):
                    del problem[name]
                self.assertEqual(response.json(), problem)

    def test_with_200_never_is_said_too(self):
        response = self.allow(self.key(), "&tokens=11&deny_status=200")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.header("X-Should-Retry"), "false")
        self.assertIsNone(response.header("Retry-After"))
        self.assertEqual((response.json()["allowed"], response.json()["reason"],
                          response.json()["retry_after_ms"]), (False, "exceeds_burst", None))

    def test_nothing_else_has_it(self):
        for status in (200, 403, 503):
            with self.subTest(status):
                key = self.key()
                response = self.allow(key, f"&deny_status={status}")
                self.assertEqual((response.status, list(response.json())), (200, ALLOW_MEMBERS))
                self.assertIs(response.json()["allowed"], True)
                for parameters in (f"limit=nosuch&deny_status={status}", f"deny_status={status}"):
                    self.assert_problem(self.call("GET", "/allow?" + parameters), 400)
                self.assert_problem(self.call("PUT", f"/allow?key=a&deny_status={status}"), 405)

    def test_a_wrong_one_charges_nothing(self):
        key = self.key()
        before = self.counters()
        for status in self.REFUSED:
            for method, target, headers, body in self.ways(key, status):
                with self.subTest(status, method=method, target=target):
                    self.assert_problem(self.call(method, target, headers, body), 400,
                                        'deny_status is ".*"; give 200, or 400 to 599')
        self.assert_problem(self.allow(key, "&deny_status=403&deny_status=403"), 400, "twice")
        self.assertEqual((self.counted(before), self.remaining(key)), ({}, 10))

    def test_other_calls_have_no_such_parameter(self):
        for method, path in (("GET", "/status"), ("POST", "/reset"), ("POST", "/refund"),
                             ("POST", "/charge")):
            self.assert_problem(self.call(method, f"{path}?key=a&deny_status=200"), 400,
                                'unknown parameter "deny_status"')

    def test_is_counted_as_the_denial_that_it_is(self):
        key = self.drained()
        before = self.counters()
        for status in (200, 404, 503):
            self.allow(key, f"&deny_status={status}")
        self.batch([{"key": key}], "all", "/allow?deny_status=200")
        self.assertEqual(self.counted(before), {"denied": 4})

    def test_a_connection_has_each_answer_anew(self):
        """What is kept of one answer for the next must not show."""
        key = self.drained()
        with Connection(self.daemon.address) as connection:
            for status in (200, 429, 200, 200, 403, 503, 403, 429, 429, 200):
                connection.send(request_bytes("GET", f"/allow?key={key}&deny_status={status}"))
                response = connection.receive()
                self.assertEqual(response.status, status)
                self.assertEqual(response.header("Content-Type"),
                                 "application/json" if status == 200
                                 else "application/problem+json")
                self.assertEqual(response.json().get("status"), None if status == 200 else status)

    def test_a_batch_of_all_or_none(self):
        drained, key = self.drained(), self.key()
        requests = [{"key": key}, {"key": drained}]

        def beside(status):
            return self.beside(
                lambda: self.batch(requests, "all", f"/allow?deny_status={status}"),
                lambda: self.batch(requests, "all"))

        for status in self.CHOSEN:
            response, ordinary = beside(status)
            self.assertEqual(response.status, status)
            self.assert_as_ever(response, ordinary)
            self.assertEqual(response.json(), ordinary.json() | {"status": status})
        response, ordinary = beside(200)
        self.assertEqual((response.status, response.header("Content-Type")),
                         (200, "application/json"))
        self.assert_as_ever(response, ordinary)
        self.assertEqual(list(response.json()),
                         ["allowed", "violated-policies", "retry_after_ms", "results"])
        self.assertEqual(response.json(), {name: value for name, value in ordinary.json().items()
                                           if name not in ("type", "title", "status")})
        self.assertEqual(self.remaining(key), 10)

    def test_a_batch_of_each_is_200_anyway(self):
        drained = self.drained()
        for status in ("200", "503"):
            response = self.batch([{"key": drained}], "each", "/allow?deny_status=" + status)
            self.assertEqual((response.status, response.json()["results"][0]["allowed"]),
                             (200, False))

    def test_a_batch_has_it_in_the_query_or_not_at_all(self):
        key = self.key()
        for requests, path, says in (
                ([{"key": key, "deny_status": 200}], "/allow", 'unknown member "deny_status"'),
                ([{"key": key}], "/allow?deny_status=300", "deny_status is"),
                ([{"key": key}], f"/allow?deny_status=200&key={key}", "leave these out"),
                ([{"key": key}], "/allow?limit=api", "leave these out"),
                ([{"key": key}], "/status?deny_status=200", "unknown parameter")):
            self.assert_problem(self.batch(requests, "all", path), 400, says)
        body = json.dumps({"requests": [{"key": key}], "deny_status": 200}).encode()
        self.assert_problem(self.call("POST", "/allow", [JSON], body), 400, "unknown member")
        self.assertEqual(self.remaining(key), 10)


class Allow(ContractCase):
    def test_allowed(self):
        key = self.key()
        response = self.allow(key)
        self.assertEqual((response.version, response.status, response.reason),
                         ("HTTP/1.1", 200, "OK"))
        self.assert_field_names(response, "Date", "Content-Type", "Cache-Control",
                                "RateLimit-Policy", "RateLimit", "Content-Length")
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(response.header("Cache-Control"), "no-store")
        self.assertEqual(response.header("RateLimit-Policy"), '"default";q=10;w=864000')
        self.assertEqual(response.header("RateLimit"), '"default";r=9;t=86400')
        self.assertEqual(
            response.body.decode(),
            f'{{"allowed":true,"key":"{key}","limit":"default","tokens":1,"remaining":9,'
            f'"owed":0,"burst":10,"retry_after_ms":0,"reset_after_ms":{DAY_MS}}}\n')

    def test_denied(self):
        key = self.drained()
        response = self.allow(key)
        self.assertEqual((response.version, response.status, response.reason),
                         ("HTTP/1.1", 429, "Too Many Requests"))
        self.assert_field_names(response, "Date", "Content-Type", "Cache-Control",
                                "RateLimit-Policy", "RateLimit", "Retry-After", "Content-Length")
        self.assertEqual(response.header("Content-Type"), "application/problem+json")
        self.assertEqual(response.header("Cache-Control"), "no-store")
        self.assertEqual(response.header("RateLimit-Policy"), '"default";q=10;w=864000')
        answer = response.json()
        retry_ms, reset_ms = answer["retry_after_ms"], answer["reset_after_ms"]
        self.assert_about(retry_ms, DAY_MS)
        self.assertEqual(reset_ms, retry_ms + 9 * DAY_MS)
        self.assertEqual(response.header("Retry-After"), str(retry_ms // 1000))
        self.assertEqual(response.header("RateLimit"), f'"default";r=0;t={retry_ms // 1000}')
        self.assertEqual(
            response.body.decode(),
            f'{{"type":"{QUOTA_EXCEEDED}","title":"Too Many Requests","status":429,'
            f'"violated-policies":["default"],"allowed":false,"key":"{key}","limit":"default",'
            f'"tokens":1,"remaining":0,"owed":0,"burst":10,"retry_after_ms":{retry_ms},'
            f'"reset_after_ms":{reset_ms}}}\n')

    def test_every_way_to_ask_gets_the_same_answer(self):
        ways = {
            "GET": ("GET", "/allow?key={}&tokens=3", (), None),
            "GET, other order": ("GET", "/allow?tokens=3&key={}", (), None),
            "POST query": ("POST", "/allow?key={}&tokens=3", (), None),
            "POST query, empty body": ("POST", "/allow?key={}&tokens=3", (), ""),
            "POST form": ("POST", "/allow", [FORM], "key={}&tokens=3"),
            "POST both": ("POST", "/allow?key={}", [FORM], "tokens=3"),
            "POST form, charset": ("POST", "/allow",
                                   [(FORM[0], FORM[1] + "; charset=utf-8")], "tokens=3&key={}"),
            "POST form, capitals": ("POST", "/allow", [(FORM[0].upper(), FORM[1].upper())],
                                    "key={}&tokens=3"),
        }
        for name, (method, target, headers, body) in ways.items():
            with self.subTest(name):
                key = self.key()
                body = None if body is None else body.format(key).encode()
                response = self.call(method, target.format(key), headers, body)
                self.assertEqual(response.status, 200, response)
                self.assertEqual(
                    response.json(),
                    {"allowed": True, "key": key, "limit": "default", "tokens": 3, "remaining": 7,
                     "owed": 0, "burst": 10, "retry_after_ms": 0, "reset_after_ms": 3 * DAY_MS})
                self.assertEqual(list(response.json()), ALLOW_MEMBERS)

    def test_tokens_default_to_one(self):
        key = self.key()
        self.assertEqual([self.allow(key).json()["remaining"] for _ in range(10)],
                         [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
        self.assertEqual(self.allow(key).status, 429)

    def test_no_tokens_is_a_look(self):
        key = self.key()
        keys = self.call("GET", "/status").json()["keys"]
        response = self.allow(key, "&tokens=0")
        self.assertEqual(response.status, 200)
        self.assertEqual(
            response.json(),
            {"allowed": True, "key": key, "limit": "default", "tokens": 0, "remaining": 10,
             "owed": 0, "burst": 10, "retry_after_ms": 0, "reset_after_ms": 0})
        self.assertEqual(response.header("RateLimit"), '"default";r=10;t=0')
        self.assertEqual(self.call("GET", "/status").json()["keys"], keys)
        key = self.drained()
        response = self.allow(key, "&tokens=0")
        self.assertEqual((response.status, response.json()["remaining"]), (200, 0))
        self.assertEqual(response.json()["retry_after_ms"], 0)

    def test_all_tokens_at_once(self):
        key = self.key()
        response = self.allow(key, "&tokens=10")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.json()["remaining"], 0)
        self.assertEqual(response.json()["reset_after_ms"], 10 * DAY_MS)
        self.assertEqual(response.header("RateLimit"), '"default";r=0;t=86400')

    def test_more_than_the_burst_is_denied_for_ever(self):
        for tokens in (11, 12, 2**31, 2**32 + 1, 999_999_999_999_999):
            with self.subTest(tokens=tokens):
                key = self.key()
                response = self.allow(key, f"&tokens={tokens}")
                self.assertEqual(response.status, 429)
                self.assertEqual(response.header("Content-Type"), "application/problem+json")
                self.assert_field_names(response, "Date", "Content-Type", "Cache-Control",
                                        "RateLimit-Policy", "RateLimit", "X-Should-Retry",
                                        "Content-Length")
                self.assertEqual(response.header("X-Should-Retry"), "false")
                answer = response.json()
                self.assertEqual(list(answer), DENIED_MEMBERS + ["reason"])
                self.assertEqual(answer["reason"], "exceeds_burst")
                self.assertIsNone(answer["retry_after_ms"])
                self.assertEqual((answer["tokens"], answer["remaining"], answer["reset_after_ms"]),
                                 (tokens, 10, 0))
                self.assertIs(answer["allowed"], False)
                self.assertFalse(self.call("GET", f"/status?key={key}").json()["active"])

    def test_a_denial_for_several_says_when_they_are_there(self):
        key = self.drained(8)
        response = self.allow(key, "&tokens=5")
        self.assertEqual(response.status, 429)
        self.assert_about(response.json()["retry_after_ms"], 3 * DAY_MS)
        self.assertEqual(response.json()["remaining"], 2)
        self.assertEqual(self.allow(key, "&tokens=2").status, 200)

    def test_a_rate_that_is_not_one(self):
        response = self.allow("one1x")
        self.assertEqual(response.header("RateLimit-Policy"), '"exact";q=20;w=864000')
        self.assertEqual(response.header("RateLimit"), '"exact";r=19;t=43200')
        self.assertEqual(response.json()["reset_after_ms"], DAY_MS // 2)

    def test_names_and_keys_are_escaped(self):
        key = self.key()
        target = f"/allow?key=%22%5C%C3%A9{key}&limit=say+%22hi%22+%5C+bye"
        response = self.call("GET", target)
        self.assertEqual(response.header("RateLimit-Policy"), r'"say \"hi\" \\ bye";q=3;w=259200')
        self.assertEqual(response.header("RateLimit"), r'"say \"hi\" \\ bye";r=2;t=86400')
        self.assertEqual(response.json()["key"], '"\\é' + key)
        self.assertEqual(response.json()["limit"], 'say "hi" \\ bye')
        self.call("GET", target + "&tokens=2")
        self.assertEqual(self.call("GET", target).json()["violated-policies"],
                         ['say "hi" \\ bye'])


class Limits(ContractCase):
    def test_the_first_match_wins(self):
        for key, limit, burst in (("api:", "api", 100), ("api:x1", "api", 100),
                                  ("api:a/b c", "api", 100), ("apix", "default", 10),
                                  ("API:x", "default", 10), ("xapi:y", "default", 10),
                                  ("one1y", "exact", 20), ("one2", "default", 10),
                                  ("one3y", "default", 10), ("one2zz", "default", 10)):
            with self.subTest(key):
                response = self.call("GET", "/allow?tokens=0&key=" + key.replace(" ", "%20"))
                self.assertEqual(response.status, 200, response)
                self.assertEqual((response.json()["limit"], response.json()["burst"]),
                                 (limit, burst))

    def test_a_limit_by_name(self):
        for key in (self.key(), self.key("api:")):
            for limit, burst in (("by-name-only", 5), ("shadowed", 7), ("api", 100),
                                 ("default", 10)):
                with self.subTest(key=key, limit=limit):
                    answer = self.allow(key, f"&limit={limit}").json()
                    self.assertEqual((answer["limit"], answer["burst"], answer["remaining"]),
                                     (limit, burst, burst - 1))

    def test_no_such_limit(self):
        key = self.key()
        for limit in ("nosuch", "Default", "default2", "defaul", "api%3A*", "a" * 64, "a" * 65,
                      "a" * 3000, "", "%20default", "%00", "default%00", "%C3%A9"):
            for method, path in (("GET", "/allow"), ("GET", "/status"), ("POST", "/reset")):
                with self.subTest(path=path, limit=limit):
                    response = self.call(method, f"{path}?key={key}&limit={limit}")
                    self.assert_problem(response, 400, "limit")
        self.assertEqual(self.remaining(key), 10)

    def test_a_key_under_two_limits_is_two_buckets(self):
        key = self.key()
        self.allow(key, "&tokens=10")
        self.assertEqual(self.allow(key).status, 429)
        self.assertEqual(self.allow(key, "&limit=by-name-only&tokens=2").status, 200)
        self.assertEqual(self.remaining(key), 0)
        self.assertEqual(self.remaining(key, "&limit=by-name-only"), 3)
        self.call("POST", f"/reset?key={key}")
        self.assertEqual(self.remaining(key), 10)
        self.assertEqual(self.remaining(key, "&limit=by-name-only"), 3)


class Reset(ContractCase):
    def test_every_way_fills_the_bucket(self):
        for method, target, headers, body in (
                ("POST", "/reset?key={}", (), None),
                ("DELETE", "/reset?key={}", (), None),
                ("POST", "/reset", [FORM], "key={}"),
                ("POST", "/reset?limit=default", [FORM], "key={}"),
                ("DELETE", "/reset?key={}&limit=default", (), None)):
            with self.subTest(method=method, target=target, body=body):
                key = self.drained()
                body = None if body is None else body.format(key).encode()
                response = self.call(method, target.format(key), headers, body)
                self.assertEqual(response.status, 200, response)
                self.assertEqual(response.header("Content-Type"), "application/json")
                self.assertEqual(response.header("Cache-Control"), "no-store")
                self.assertEqual(response.json()["key"], key)
                self.assertEqual(response.json()["remaining"], 10)
                self.assertEqual(self.remaining(key), 10)
                self.assertEqual(self.allow(key, "&tokens=10").status, 200)
                self.assertEqual(self.allow(key).status, 429)

    def test_is_idempotent(self):
        key = self.drained()
        first = self.call("POST", f"/reset?key={key}")
        second = self.call("POST", f"/reset?key={key}")
        self.assertEqual((first.status, first.body), (second.status, second.body))
        self.assertEqual(self.remaining(key), 10)

    def test_of_a_key_never_seen(self):
        keys = self.call("GET", "/status").json()["keys"]
        self.assertEqual(self.call("DELETE", f"/reset?key={self.key()}").status, 200)
        self.assertEqual(self.call("GET", "/status").json()["keys"], keys)

    def test_takes_no_tokens(self):
        key = self.drained()
        self.assert_problem(self.call("POST", f"/reset?key={key}&tokens=1"), 400, "tokens")
        self.assertEqual(self.remaining(key), 0)

    def test_reaches_only_its_key(self):
        key, other = self.drained(), self.drained()
        self.call("POST", f"/reset?key={key}")
        self.assertEqual((self.remaining(key), self.remaining(other)), (10, 0))


class Refund(ContractCase):
    def test_gives_tokens_back_up_to_the_burst(self):
        key = self.drained()
        for target, headers, body, remaining in (
                ("/refund?key={}", (), None, 1),
                ("/refund?key={}&tokens=3", (), None, 4),
                ("/refund", [FORM], "key={}&tokens=2&limit=default", 6),
                ("/refund?key={}&tokens=0", (), None, 6),
                ("/refund?key={}&tokens=999999999999999", (), None, 10),
                ("/refund?key={}", (), None, 10)):
            with self.subTest(target=target, body=body):
                body = None if body is None else body.format(key).encode()
                response = self.call("POST", target.format(key), headers, body)
                self.assertEqual(response.status, 200, response)
                self.assertEqual(list(response.json()), ["key", "limit", "remaining", "owed", "burst",
                                                         "reset_after_ms", "active"])
                self.assertEqual(response.json()["remaining"], remaining)
                self.assertEqual(self.remaining(key), remaining)

    def test_the_most_is_asked_for_and_the_rest_given_back(self):
        """Without /charge: what is asked for beyond what is left is denied, and takes nothing; what was asked for too
        much is given back."""
        key = self.key()
        for tokens, status, remaining in ((9, 200, 1), (3, 429, 1)):
            self.assertEqual(self.allow(key, f"&tokens={tokens}").status, status)
            self.assertEqual(self.remaining(key), remaining)
        key = self.drained()
        self.assertEqual(self.call("POST", f"/refund?key={key}&tokens=6").status, 200)
        self.assertEqual(self.remaining(key), 6)

    def test_of_a_key_never_seen_mints_nothing(self):
        key = self.key()
        self.assertEqual(self.call("POST", f"/refund?key={key}&tokens=5").json()["remaining"], 10)
        self.assertEqual(self.allow(key, "&tokens=10").status, 200)
        self.assertEqual(self.allow(key).status, 429)

    def test_is_refused_otherwise(self):
        key = self.drained()
        for method in ("GET", "HEAD", "DELETE", "PUT"):
            self.assertEqual(self.call(method, f"/refund?key={key}").status, 405, method)
        self.assert_problem(self.call("POST", "/refund?tokens=1"), 400, "key is missing")
        self.assert_problem(self.call("POST", f"/refund?key={key}&tokens=-1"), 400, "tokens")
        self.assertEqual(self.remaining(key), 0)


class Status(ContractCase):
    def test_of_a_key_never_seen_is_a_full_bucket(self):
        key = self.key()
        response = self.call("GET", f"/status?key={key}")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(response.header("Cache-Control"), "no-store")
        self.assertEqual(response.header("RateLimit-Policy"), '"default";q=10;w=864000')
        self.assertEqual(response.header("RateLimit"), '"default";r=10;t=0')
        self.assertIsNone(response.header("Retry-After"))
        self.assertEqual(
            response.body.decode(),
            f'{{"key":"{key}","limit":"default","remaining":10,"owed":0,"burst":10,"reset_after_ms":0,'
            f'"active":false}}\n')

    def test_of_a_key_in_use(self):
        key = self.drained(4)
        response = self.call("GET", f"/status?key={key}")
        answer = response.json()
        self.assertEqual(list(answer), STATUS_MEMBERS)
        self.assert_about(answer.pop("reset_after_ms"), 4 * DAY_MS)
        self.assertEqual(answer, {"key": key, "limit": "default", "remaining": 6, "owed": 0, "burst": 10,
                                  "active": True})

    def test_never_creates_and_never_charges(self):
        unseen, used = self.key(), self.drained(4)
        before = self.call("GET", "/status").json()["keys"]
        for method in ("GET", "HEAD"):
            for key in (unseen, used):
                for limit in ("", "&limit=by-name-only"):
                    self.assertEqual(self.call(method, f"/status?key={key}{limit}").status, 200)
        self.assertEqual(self.call("GET", "/status").json()["keys"], before)
        self.assertEqual((self.remaining(unseen), self.remaining(used)), (10, 6))
        self.allow(unseen)
        self.assertEqual(self.call("GET", "/status").json()["keys"], before + 1)

    def test_head_is_get_without_the_body(self):
        key = self.drained(10)
        for target in (f"/status?key={key}", f"/status?key={key}&limit=by-name-only"):
            with self.subTest(target):
                get, head = self.call("GET", target), self.call("HEAD", target)
                self.assertEqual(head.status, 200)
                self.assertEqual(head.body, b"")
                times = ("Date", "RateLimit", "Content-Length")
                self.assertEqual([f for f in head.fields if f[0] not in times],
                                 [f for f in get.fields if f[0] not in times])
                self.assertEqual([name for name, _ in head.fields],
                                 [name for name, _ in get.fields])
        self.assertEqual(self.call("HEAD", "/status").status, 200)

    def test_after_head_the_next_answer_begins_at_once(self):
        key = self.key()
        connection = self.connect()
        connection.send(request_bytes("HEAD", f"/status?key={key}") +
                        request_bytes("GET", f"/status?key={key}"))
        self.assertEqual(connection.receive(to_head=True).status, 200)
        self.assertEqual(connection.receive().json()["key"], key)

    def test_takes_no_tokens(self):
        self.assert_problem(self.call("GET", f"/status?key={self.key()}&tokens=1"), 400, "tokens")

    def test_of_the_daemon(self):
        self.allow(self.key())
        response = self.call("GET", "/status")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(response.header("Cache-Control"), "no-store")
        self.assertIsNone(response.header("RateLimit"))
        answer = response.json()
        for member, kind in (("version", str), ("uptime_s", int), ("keys", int),
                             ("max_keys", int), ("threads", list), ("limits", list), ("counters", dict)):
            self.assertIs(type(answer[member]), kind, member)
        self.assertRegex(answer["version"], r"^\d+\.\d+\.\d+")
        self.assertEqual(answer["max_keys"], 5000)
        self.assertGreaterEqual(answer["keys"], 1)
        self.assertEqual([limit["name"] for limit in answer["limits"]],
                         ["api", "shadowed", "exact", "by-name-only", 'say "hi" \\ bye',
                          "default"])
        self.assertEqual(answer["limits"][0],
                         {"name": "api", "match": "api:*", "burst": 100, "rate": "1/d",
                          "debt_max": 100})
        self.assertEqual(answer["limits"][5],
                         {"name": "default", "match": None, "burst": 10, "rate": "1/d",
                          "debt_max": 10})
        for name, count in answer["counters"].items():
            self.assertIs(type(count), int, name)

    def test_the_daemon_counts_each_answer_once(self):
        before = self.counters()
        key = self.key()
        for _ in range(12):
            self.allow(key)
        self.allow(key, "&tokens=11")
        self.allow(key, "&tokens=0")
        self.call("POST", f"/reset?key={key}")
        self.call("GET", f"/status?key={key}")
        self.allow(key, "&tokens=nonsense")
        after = self.counters()
        grown = {name: after[name] - before[name] for name in after if after[name] != before[name]}
        self.assertEqual(grown, {"allowed": 11, "denied": 3, "resets": 1, "statuses": 1})

    def test_uptime_is_in_seconds(self):
        started = time.monotonic()
        with Daemon() as daemon, Connection(daemon.address) as connection:
            uptimes = []
            while not uptimes or uptimes[-1] < 2:
                connection.send(request_bytes("GET", "/status"))
                uptimes.append(connection.receive().json()["uptime_s"])
                self.assertLess(time.monotonic() - started, PATIENCE_S)
            self.assertEqual(uptimes, sorted(uptimes))
            self.assertGreater(time.monotonic() - started, 2)

    def test_a_limit_needs_a_key(self):
        self.assert_problem(self.call("GET", "/status?limit=default"), 400, "key")


class Page(ContractCase):
    def test_the_policy_has_the_hashes(self):
        """Of the one style and the one script: what else a key could bring along does not run."""
        answer = self.call("GET", "/")
        self.assertEqual(answer.body, (TOP / "src/page/page.html").read_bytes())
        directives = dict(part.split(" ", 1) for part in answer.header("Content-Security-Policy").split("; "))
        for tag in (b"script", b"style"):
            (text,) = re.findall(b"<%s>(.*?)</%s>" % (tag, tag), answer.body, re.S)
            digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
            self.assertEqual(directives.pop(f"{tag.decode()}-src"), f"'sha256-{digest}'")
        self.assertEqual(directives, {
            "default-src": "'none'", "connect-src": "'self'", "base-uri": "'none'", "form-action": "'none'",
            "frame-ancestors": "'none'", "trusted-types": "'none'", "require-trusted-types-for": "'script'"})

    def test_its_fields(self):
        fields = dict(self.call("GET", "/").fields)
        for name in ("Date", "Content-Security-Policy"):
            del fields[name]
        length = str((TOP / "src/page/page.html").stat().st_size)
        self.assertEqual(fields, {
            "Content-Type": "text/html; charset=utf-8", "Content-Length": length, "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
            "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"})

    def test_it_takes_nothing(self):
        self.assert_problem(self.call("GET", "/?token=0123456789abcdef"), 400, "Authorization: Bearer TOKEN")
        self.assert_problem(self.call("GET", "/?key=k"), 400, "/ takes no parameters")
        self.assert_problem(self.call("POST", "/"), 405, "GET, HEAD")


class Errors(ContractCase):
    def test_no_such_path(self):
        for path in ("//", "/allow/", "/Allow", "/allowed", "/allo", "/allow/x", "//allow",
                     "/allow%2F", "/./allow", "/favicon.ico", "/" + "a" * 5000, "/%C3%A9"):
            for method in ("GET", "POST", "DELETE", "PUT"):
                with self.subTest(method=method, path=path[:20]):
                    response = self.call(method, f"{path}?key={self.key()}")
                    self.assert_problem(response, 404, "/allow, /charge, /refund, /reset and /status")

    def test_wrong_method(self):
        allowed = {"/allow": ["GET", "POST"], "/reset": ["POST", "DELETE"],
                   "/status": ["GET", "HEAD", "QUERY"]}
        for path, methods in allowed.items():
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE",
                           "CONNECT", "QUERY", "FOO", "get", "Post"):
                if method in methods:
                    continue
                with self.subTest(path=path, method=method):
                    response = self.call(method, f"{path}?key={self.key()}")
                    if method == "HEAD":
                        self.assertEqual(response.status, 405)
                        self.assertEqual(response.body, b"")
                    else:
                        self.assert_problem(response, 405, ", ".join(methods))
                    self.assertEqual(response.header("Allow"), ", ".join(methods))
                    self.assertEqual(response.header("Accept-Query"),
                                     "application/json, application/vnd.allowd.lines.v1"
                                     if "QUERY" in methods else None)

    def test_allow_is_only_in_405(self):
        for target in ("/", "/allow", f"/allow?key={self.key()}", "/status"):
            self.assertIsNone(self.call("GET", target).header("Allow"))

    def test_body_too_large(self):
        key = self.key()
        for method, target, size, status in (("POST", "/allow", 4096, 200),
                                             ("POST", "/allow", 4097, 413),
                                             ("POST", "/reset", 4097, 413),
                                             ("GET", f"/allow?key={key}&tokens=0", 4097, 413),
                                             ("POST", "/nosuch", 1 << 40, 413)):
            with self.subTest(target=target, size=size):
                form = f"key={key}&tokens=".encode()
                body = form + b"0" * (size - len(form)) if size <= 4097 else b""
                if status == 200:
                    body = b"tokens=0&key=" + b"%61" * 200
                    body += b"&limit=" + b"%64" * (4096)
                    body = body[:4096]
                connection = self.connect()
                connection.send(request_bytes(
                    method, target, [FORM, ("Content-Length", str(size))]) + body)
                response = connection.receive()
                if status == 413:
                    self.assert_problem(response, 413, "4096 bytes")
                    self.assertEqual(response.header("Connection"), "close")
                    self.assertIsNone(connection.receive())
                else:
                    # Taken in whole and parsed to the end: what is wrong is found in it.
                    self.assert_problem(response, 400, "limit")
        self.assertEqual(self.remaining(key), 10)

    def test_media_type(self):
        key = self.key()
        for content_type in ("application/json", "text/plain", "multipart/form-data; boundary=x",
                             "application/x-www-form-urlencodedx", "application/x-www-form", ""):
            for path in ("/allow", "/reset", f"/allow?key={key}"):
                with self.subTest(content_type=content_type, path=path):
                    response = self.call("POST", path, [("Content-Type", content_type)],
                                         f"key={key}".encode())
                    self.assert_problem(response, 415, "application/x-www-form-urlencoded")
        self.assert_problem(self.call("POST", "/allow", (), f"key={key}".encode()), 415)
        self.assertEqual(self.remaining(key), 10)

    def test_target_and_header_too_large(self):
        key = self.key()
        for raw, status in (
                (request_bytes("GET", f"/allow?key={key}&x=" + "a" * 40_000), 414),
                (request_bytes("GET", f"/allow?key={key}", [("X", "a" * 40_000)]), 431)):
            with self.subTest(status=status):
                connection = self.connect()
                connection.send(raw)
                self.assertEqual(connection.receive().status, status)
                self.assertIsNone(connection.receive())
        # What proxies forward must pass: one cookie of the size that every browser keeps.
        response = self.call("GET", f"/allow?key={key}", [("Cookie", "a" * 4096)])
        self.assertEqual(response.status, 200)
        self.assertEqual(self.remaining(key), 9)

    def test_bad_parameters(self):
        key = self.key()
        for target, detail in (
                ("/allow", "key is missing"),
                ("/allow?", "key is missing"),
                ("/allow?tokens=1", "key is missing"),
                ("/allow?key=", "empty"),
                ("/allow?key", "empty"),
                (f"/allow?key={key}&key={key}", "twice"),
                (f"/allow?key={key}&tokens=1&tokens=1", "twice"),
                (f"/allow?key={key}&limit=api&limit=api", "twice"),
                (f"/allow?key={key}&token=5", "unknown parameter"),
                (f"/allow?key={key}&Tokens=5", "unknown parameter"),
                (f"/allow?key={key}&", None),
                (f"/allow?key={key}&&tokens=5", "unknown parameter"),
                (f"/allow?&key={key}", "unknown parameter"),
                (f"/allow?key={key};tokens=5", None),
                (f"/allow?key={key}&=5", "unknown parameter"),
                (f"/allow?KEY={key}", "unknown parameter"),
                (f"/allow?k%65y={key}&key={key}", "twice")):
            with self.subTest(target):
                response = self.call("GET", target)
                if detail is not None:
                    self.assert_problem(response, 400, detail)
        # A trailing '&' ends the query and ';' is no separator: part of the key.
        self.assertEqual(self.remaining(key), 9)

    def test_twice_over_query_and_form(self):
        key = self.key()
        response = self.call("POST", f"/allow?key={key}", [FORM], f"key={key}".encode())
        self.assert_problem(response, 400, "twice")
        response = self.call("POST", f"/allow?key={key}&tokens=1", [FORM], b"tokens=1")
        self.assert_problem(response, 400, "twice")
        self.assertEqual(self.remaining(key), 10)

    def test_no_error_and_no_question_takes_a_token(self):
        key = self.drained(4)
        calls = [
            ("GET", f"/allow?key={key}&tokens=7"), ("GET", f"/allow?key={key}&tokens=11"),
            ("GET", f"/allow?key={key}&tokens=0"), ("GET", f"/allow?key={key}&tokens=-1"),
            ("GET", f"/allow?key={key}&tokens=x"), ("GET", f"/allow?key={key}&token=1"),
            ("GET", f"/allow?key={key}&limit=nosuch"), ("GET", f"/allow?key={key}&key={key}"),
            ("GET", f"/allow/?key={key}"), ("HEAD", f"/allow?key={key}"),
            ("OPTIONS", f"/allow?key={key}"), ("PUT", f"/allow?key={key}"),
            ("DELETE", f"/allow?key={key}"), ("GET", f"/status?key={key}"),
            ("HEAD", f"/status?key={key}"), ("POST", f"/status?key={key}"),
            ("GET", f"/reset?key={key}"), ("POST", f"/reset?key={key}&limit=nosuch"),
            ("POST", f"/reset?key={key}&tokens=1"),
        ]
        for method, target in calls:
            with self.subTest(method=method, target=target):
                self.call(method, target)
                self.assertEqual(self.remaining(key), 6)

    def test_what_every_answer_has(self):
        key = self.drained()
        for method, target in (("GET", f"/allow?key={self.key()}"), ("GET", f"/allow?key={key}"),
                               ("GET", f"/allow?key={key}&tokens=11"), ("GET", "/allow"),
                               ("POST", f"/reset?key={self.key()}"), ("GET", "/reset"),
                               ("GET", f"/status?key={key}"), ("HEAD", f"/status?key={key}"),
                               ("GET", "/status"), ("HEAD", "/status"), ("GET", "/nosuch")):
            with self.subTest(method=method, target=target):
                response = self.call(method, target)
                self.assertEqual(response.header("Cache-Control"), "no-store")
                dated = email.utils.parsedate_to_datetime(response.header("Date"))
                self.assertLess(abs(dated.timestamp() - time.time()), 10)
                if method != "HEAD":
                    self.assertTrue(response.body.endswith(b"}\n"))
                    json.loads(response.body)


class WithCurl(ContractCase):
    """The calls that a reader of the documentation makes first, as typed there."""

    def curl(self, *arguments):
        done = subprocess.run(["curl", "-sS", "--max-time", str(PATIENCE_S), *arguments],
                              capture_output=True, text=True, check=True)
        return done.stdout

    def test_allow(self):
        with Daemon() as daemon:
            out = self.curl("-i", f"{daemon.url}/allow?key=alice")
        head, _, body = out.partition("\n\n")
        self.assertTrue(head.startswith("HTTP/1.1 200 OK\n"))
        for line in ("Content-Type: application/json", "Cache-Control: no-store",
                     'RateLimit-Policy: "default";q=10;w=10', 'RateLimit: "default";r=9;t=1'):
            self.assertIn(line, head.split("\n"))
        self.assertEqual(body, '{"allowed":true,"key":"alice","limit":"default","tokens":1,'
                               '"remaining":9,"owed":0,"burst":10,"retry_after_ms":0,'
                               '"reset_after_ms":1000}\n')

    def test_post_data(self):
        key = self.key()
        answer = json.loads(self.curl("-d", f"key={key}", "-d", "tokens=4",
                                      f"{self.daemon.url}/allow"))
        self.assertEqual((answer["allowed"], answer["remaining"]), (True, 6))
        answer = json.loads(self.curl("--data-urlencode", "key=a b&c=d%é",
                                      f"{self.daemon.url}/allow"))
        self.assertEqual(answer["key"], "a b&c=d%é")

    def test_get_data_urlencode(self):
        answer = json.loads(self.curl("-G", "--data-urlencode", "key=api:a+b/c?é",
                                      f"{self.daemon.url}/allow"))
        self.assertEqual((answer["key"], answer["limit"]), ("api:a+b/c?é", "api"))

    def test_denied_fails_with_f(self):
        key = self.drained()
        done = subprocess.run(["curl", "-sf", f"{self.daemon.url}/allow?key={key}"], check=False)
        self.assertEqual(done.returncode, 22)
        status = self.curl("-o", "/dev/null", "-w", "%{http_code} %header{retry-after}",
                           f"{self.daemon.url}/allow?key={key}")
        self.assertRegex(status, r"^429 86[34]\d\d$")

    def test_reset(self):
        for method in ("POST", "DELETE"):
            key = self.drained()
            answer = json.loads(self.curl("-X", method, f"{self.daemon.url}/reset?key={key}"))
            self.assertEqual(answer["remaining"], 10)

    def test_status_and_head(self):
        self.assertEqual(json.loads(self.curl(f"{self.daemon.url}/status"))["max_keys"], 5000)
        self.assertTrue(self.curl("-I", f"{self.daemon.url}/status").startswith("HTTP/1.1 200"))

    def test_a_large_body_is_refused_before_it_is_sent(self):
        status = self.curl("-o", "/dev/null", "-w", "%{http_code}", "-d", "key=" + "a" * 100_000,
                           f"{self.daemon.url}/allow")
        self.assertEqual(status, "413")

    def test_a_body_in_chunks(self):
        key = self.key()
        answer = self.curl("-H", "Transfer-Encoding: chunked", "-d", f"key={key}",
                           f"{self.daemon.url}/allow")
        self.assertEqual(json.loads(answer)["key"], key)


if __name__ == "__main__":
    unittest.main()
