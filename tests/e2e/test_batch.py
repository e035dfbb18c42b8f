#!/usr/bin/python3 -B
"""Batches in JSON: each on its own or all of them, and whatever is wrong with one costs nothing."""
import contextlib
import json
import math
import threading
import unittest

from harness import FORM, JSON, LINES, SANITIZED, Case, Connection, request_bytes, wait_until
from metrics import Metrics
from stall import stalled

DAY_MS = 24 * 3600 * 1000
BODY_MAX = 1 << 20
LONG_BODIES_MAX = 64  # of the longest there can be, at once
TOKENS_MAX = 999_999_999_999_999

# At one token a day and a tick of 10 s no bucket gains a token while the tests run.
FROZEN = """
tick: 10s
max_keys: 5000
limits:
  - {name: api, match: "api:*", burst: 100, rate: 1/d}
  - {name: slow, burst: 10, rate: 1/5d}
  - {name: 'say "hi" \\ bye', burst: 3, rate: 1/d}
  - {name: default, burst: 10, rate: 1/d}
checks:
  - {name: any, limit: api, key: "{client_ip}"}
"""

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


class BatchCase(Case):
    config = FROZEN

    def drained(self, tokens=10, prefix=""):
        key = self.key(prefix)
        self.assertEqual(self.allow(key, f"&tokens={tokens}").status, 200)
        return key

    def results(self, response, status=200):
        self.assertEqual(response.status, status, response)
        return response.json()["results"]

    def assert_about(self, ms, expected_ms):
        """A time that was exact when the bucket was touched, and may be some ticks on by now."""
        self.assertLessEqual(ms, expected_ms)
        self.assertGreaterEqual(ms, expected_ms - 60_000)

    def assert_fields(self, response, *names):
        self.assertEqual([name for name, _ in response.fields if name != "Connection"],
                         ["Date", "Content-Type", "Cache-Control", *names, "Content-Length"])
        self.assertEqual(response.header("Cache-Control"), "no-store")


class Each(BatchCase):
    def test_results_in_order(self):
        key, api, unseen = self.key(), self.key("api:"), self.key()
        response = self.batch([{"key": key}, {"key": api, "tokens": 30},
                               {"key": key, "limit": "slow", "tokens": 2},
                               {"key": unseen, "tokens": 0}])
        self.assertEqual((response.version, response.status, response.reason),
                         ("HTTP/1.1", 200, "OK"))
        self.assert_fields(response)
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(
            response.body.decode(),
            '{"results":['
            f'{{"allowed":true,"key":"{key}","limit":"default","tokens":1,"remaining":9,'
            f'"owed":0,"burst":10,"retry_after_ms":0,"reset_after_ms":{DAY_MS}}},'
            f'{{"allowed":true,"key":"{api}","limit":"api","tokens":30,"remaining":70,'
            f'"owed":0,"burst":100,"retry_after_ms":0,"reset_after_ms":{30 * DAY_MS}}},'
            f'{{"allowed":true,"key":"{key}","limit":"slow","tokens":2,"remaining":8,'
            f'"owed":0,"burst":10,"retry_after_ms":0,"reset_after_ms":{10 * DAY_MS}}},'
            f'{{"allowed":true,"key":"{unseen}","limit":"default","tokens":0,"remaining":10,'
            f'"owed":0,"burst":10,"retry_after_ms":0,"reset_after_ms":0}}]}}\n')

    def test_a_denial_is_one_result(self):
        drained, key = self.drained(), self.key()
        before = self.counters()
        response = self.batch([{"key": key}, {"key": drained}, {"key": key, "tokens": 2}], "each")
        self.assert_fields(response)
        results = self.results(response)
        self.assertEqual([result["allowed"] for result in results], [True, False, True])
        self.assertEqual([result["remaining"] for result in results], [9, 0, 7])
        self.assertEqual(results[1]["violated-policies"], ["default"])
        self.assert_about(results[1]["retry_after_ms"], DAY_MS)
        self.assertNotIn("violated-policies", results[0])
        self.assertEqual(self.counted(before), {"allowed": 2, "denied": 1})

    def test_a_key_again_and_again_is_charged_in_turn(self):
        key = self.key()
        results = self.results(self.batch([{"key": key, "tokens": 4}] * 3 + [{"key": key}] * 3))
        self.assertEqual([(result["allowed"], result["remaining"]) for result in results],
                         [(True, 6), (True, 2), (False, 2), (True, 1), (True, 0), (False, 0)])

    def test_more_than_the_burst(self):
        key = self.key()
        for tokens in (11, 2**32 + 1, TOKENS_MAX):
            [result] = self.results(self.batch([{"key": key, "tokens": tokens}]))
            self.assertEqual((result["allowed"], result["tokens"], result["retry_after_ms"],
                              result["reason"]), (False, tokens, None, "exceeds_burst"))
        self.assertEqual(self.remaining(key), 10)

    def test_a_thousand(self):
        keys = [self.key() for _ in range(999)]
        before = self.counters()
        results = self.results(self.batch([{"key": key} for key in keys + keys[:1]]))
        self.assertEqual([result["key"] for result in results], keys + keys[:1])
        self.assertEqual([result["remaining"] for result in results], [9] * 999 + [8])
        self.assertEqual(self.counted(before), {"allowed": 1000})

    def test_as_json_allows_it_to_be_written(self):
        for body, key in ((b'{"requests":[{"key":"caf\\u00e9-1"}]}', "café-1"),
                          ('{"requests":[{"key":"café-2"}]}'.encode(), "café-2"),
                          (b'{"requests":[{"key":"\\ud834\\udd1e"}]}', "\U0001d11e"),
                          (b'{"requests":[{"key":"a\\/b\\"\\\\"}]}', 'a/b"\\'),
                          (b'{"requests":[{"key":"a+b%41&c=d"}]}', "a+b%41&c=d"),
                          (b' \t\r\n{ "requests" : [ { "key" : "blanks" } ] } \n', "blanks"),
                          (b'{"mode":"each","requests":[{"tokens":1,"key":"order"}]}', "order"),
                          (b'{"requests":[{"\\u006bey":"escaped"}]}', "escaped")):
            with self.subTest(key):
                [result] = self.results(self.call("POST", "/allow", [JSON], body))
                self.assertEqual((result["key"], result["remaining"]), (key, 9))

    def test_media_types(self):
        body = b'{"requests":[{"key":"media type"}]}'
        for value in ("application/json", "Application/JSON", "application/json;charset=utf-8",
                      "application/json ; charset=utf-8"):
            with self.subTest(value):
                self.assertEqual(self.call("POST", "/allow", [("Content-Type", value)],
                                           body).status,
                                 200)
        before = self.counters()
        for value in ("text/json", "application/jsonx", "application/json-patch+json",
                      "application/problem+json", "application", ""):
            with self.subTest(value):
                self.assert_problem(self.call("POST", "/allow", [("Content-Type", value)], body),
                                    415)
        self.assert_problem(self.call("POST", "/allow", [], body), 415)
        self.assertEqual(self.counted(before), {})

    def test_a_key_in_json_is_the_key_in_a_query(self):
        self.batch([{"key": "caf\u00e9 +/"}])
        self.assertEqual(self.remaining("caf%C3%A9+%2B/"), 9)


class Lines(BatchCase):
    """The compact form: a line for each key, and one for each answer."""

    def lines(self, body, query="", path="/allow", method="POST"):
        return self.call(method, path + query, [LINES], body.encode())

    def told(self, response, status=200):
        """The fields of each line."""
        self.assertEqual(response.status, status, response)
        self.assertEqual(response.header("Content-Type"), LINES[1])
        text = response.body.decode()
        self.assertTrue(text.endswith("\n"))
        return [line.split("\t") for line in text[:-1].split("\n")]

    def test_answers_in_order(self):
        key, api, drained = self.key(), self.key("api:"), self.drained()
        before = self.counters()
        response = self.lines(f"{key}\n{api}\t30\n{key}\t2\tslow\n{key}\t\tslow\n{key}\t11\n")
        self.assert_fields(response)
        self.assertEqual(self.told(response),
                         [["1", "9", "0", str(DAY_MS)], ["1", "70", "0", str(30 * DAY_MS)],
                          ["1", "8", "0", str(10 * DAY_MS)], ["1", "7", "0", str(15 * DAY_MS)],
                          ["0", "9", "-", str(DAY_MS), "exceeds_burst"]])
        [[allowed, remaining, retry_after_ms, _]] = self.told(self.lines(drained))
        self.assertEqual((allowed, remaining), ("0", "0"))
        self.assert_about(int(retry_after_ms), DAY_MS)
        self.assertEqual(self.counted(before), {"allowed": 4, "denied": 2})

    def test_all_or_none(self):
        drained, keys = self.drained(8), [self.key(), self.key()]
        before = self.counters()
        response = self.lines(f"{keys[0]}\n{drained}\t3\n{keys[1]}\t10\n", "?mode=all")
        self.assert_fields(response, "Retry-After")
        told = self.told(response, 429)
        self.assertEqual([(line[0], line[1], *line[4:]) for line in told],
                         [("0", "10", "held_back"), ("0", "2"), ("0", "10", "held_back")])
        self.assertEqual(response.header("Retry-After"), str(math.ceil(int(told[1][2]) / 1000)))
        self.assertEqual(self.counted(before), {"denied": 3})
        self.assertEqual([self.remaining(key) for key in (drained, *keys)], [2, 10, 10])
        self.told(self.lines(f"{drained}\t3\n", "?mode=all&deny_status=200"))
        self.told(self.lines(f"{drained}\t3\n", "?deny_status=451&mode=all"), 451)
        self.assertEqual(self.told(self.lines(f"{keys[0]}\t4\n{keys[0]}\t6\n", "?mode=all")),
                         [["1", "0", "0", str(10 * DAY_MS)]] * 2)

    def test_status(self):
        drained, unseen = self.drained(), self.key()
        before = self.counters()
        for method in ("POST", "QUERY"):
            with self.subTest(method):
                told = self.told(self.lines(f"{drained}\n{unseen}\n", path="/status", method=method))
                self.assertEqual([line[:2] for line in told], [["0", "0"], ["10", "0"]])
                self.assertEqual(told[1][2], "0")
        self.assertEqual(self.counted(before).get("allowed"), None)

    def test_a_key_is_as_it_is(self):
        self.told(self.lines('caf\u00e9 "+%41\\/{\n'))
        self.assertEqual(self.remaining("caf%C3%A9%20%22%2B%2541%5C/%7B"), 9)

    def test_a_thousand(self):
        keys = [self.key() for _ in range(1000)]
        told = self.told(self.lines("\n".join(keys)))
        self.assertEqual(told, [["1", "9", "0", str(DAY_MS)]] * 1000)
        self.assert_problem(self.lines("\n".join(keys + ["one more"])), 400, "give 1 to 1000")
        self.assertEqual([self.remaining(key) for key in keys[::500]], [9, 9])

    def test_faults_charge_nothing(self):
        key = self.key()
        before = self.counters()
        for body, query, status, detail in (
                ("", "", 400, "the batch has no lines; give 1 to 1000"),
                ("", f"?key={key}", 400, "the batch has no lines"),
                (f"{key}\n\n", "", 400, "line 2: key is empty"),
                (f"{key}\r\n", "", 400, "line 1: ends in a carriage return"),
                (f"{key}\n{key}\tmany\n", "", 400, 'line 2: tokens is "many"; give a whole number'),
                (f"{key}\n{key}\t1\tnosuch\n", "", 400, 'line 2: there is no limit named "nosuch"'),
                (f"{key}\t1\tapi\t1\n", "", 400, "line 1: has more than three fields"),
                (f"{key}\n", f"?key={key}", 400, "a batch brings its own keys"),
                (f"{key}\n", "?mode=any", 400, 'mode is "any"; give each or all'),
                (f"{key}\n", "?wait=1s", 400, "does not wait"),
                ('{"requests":[{"key":"a"}]}\n\n', "", 400, "line 2: key is empty"),
                ("k" * 256, "", 400, "line 1: key is longer than 255 bytes"),
                ("\n" * BODY_MAX + "\n", "", 413, "the body is too large")):
            with self.subTest(body=body[:80], query=query):
                self.assert_problem(self.lines(body, query), status, detail)
        self.assert_problem(self.call("POST", "/allow", [(LINES[0], LINES[1] + "x")], key.encode()), 415)
        self.assert_problem(self.call("POST", "/allow", [(LINES[0], "application/vnd.allowd.lines.v2")],
                                      key.encode()), 415, "or a batch: application/json or application/vnd.allowd.lines.v1")
        for method in ("POST", "QUERY"):
            self.assert_problem(self.lines("", path="/status", method=method), 400, "the batch has no lines")
        self.assert_problem(self.call("POST", "/charge", [LINES], key.encode()), 415)
        self.assertEqual(self.counted(before), {})
        self.assertEqual(self.remaining(key), 10)

    def test_a_body_in_chunks(self):
        key = self.key()
        with Connection(self.daemon.address) as connection:
            connection.send(b"POST /allow HTTP/1.1\r\nHost: a\r\nContent-Type: " + LINES[1].encode() +
                            b"\r\nTransfer-Encoding: chunked\r\n\r\n")
            for byte in f"{key}\t2\n".encode():
                connection.send(b"1\r\n" + bytes([byte]) + b"\r\n")
            connection.send(b"0\r\n\r\n")
            self.assertEqual(self.told(connection.receive())[0][:2], ["1", "8"])


class All(BatchCase):
    def test_all_are_charged(self):
        keys = [self.key(), self.key(), self.key("api:")]
        before = self.counters()
        response = self.batch([{"key": keys[0]}, {"key": keys[1], "tokens": 10},
                               {"key": keys[2], "tokens": 7}, {"key": keys[0], "limit": "slow"}],
                              "all")
        self.assertEqual(response.status, 200)
        self.assert_fields(response)
        self.assertEqual(list(response.json()), ["allowed", "results"])
        self.assertIs(response.json()["allowed"], True)
        self.assertEqual([(result["allowed"], result["limit"], result["remaining"])
                          for result in self.results(response)],
                         [(True, "default", 9), (True, "default", 0), (True, "api", 93),
                          (True, "slow", 9)])
        self.assertEqual(self.counted(before), {"allowed": 4})
        self.assertEqual([self.remaining(key) for key in keys], [9, 0, 93])

    def test_or_none_is(self):
        drained, keys = self.drained(8), [self.key(), self.key()]
        tracked = self.call("GET", "/status").json()["keys"]
        before = self.counters()
        response = self.batch([{"key": keys[0]}, {"key": drained, "tokens": 3},
                               {"key": keys[1], "tokens": 10}], "all")
        self.assertEqual((response.status, response.reason), (429, "Too Many Requests"))
        self.assert_fields(response, "Retry-After")
        self.assertEqual(response.header("Content-Type"), "application/problem+json")
        answer = response.json()
        self.assertEqual(list(answer), ["type", "title", "status", "violated-policies", "allowed",
                                        "retry_after_ms", "results"])
        self.assertEqual((answer["type"], answer["title"], answer["status"]),
                         (QUOTA_EXCEEDED, "Too Many Requests", 429))
        self.assertEqual((answer["allowed"], answer["violated-policies"]), (False, ["default"]))
        self.assert_about(answer["retry_after_ms"], DAY_MS)
        self.assertEqual(response.header("Retry-After"),
                         str(math.ceil(answer["retry_after_ms"] / 1000)))
        self.assertEqual([(result["allowed"], result["violated-policies"], result["remaining"],
                           result.get("reason")) for result in answer["results"]],
                         [(False, [], 10, "held_back"), (False, ["default"], 2, None),
                          (False, [], 10, "held_back")])
        self.assertEqual(self.counted(before), {"denied": 3})
        self.assertEqual([self.remaining(key) for key in (drained, *keys)], [2, 10, 10])
        self.assertEqual(self.call("GET", "/status").json()["keys"], tracked)

    def test_the_same_key_adds_up(self):
        key = self.key()
        self.assertEqual(self.batch([{"key": key, "tokens": 4}] * 2 + [{"key": key, "tokens": 3}],
                                    "all").status, 429)
        self.assertEqual(self.remaining(key), 10)
        # By its name or by the key, it is the same limit.
        results = self.results(self.batch([{"key": key, "tokens": 4},
                                           {"key": key, "tokens": 6, "limit": "default"}], "all"))
        self.assertEqual([(result["tokens"], result["remaining"]) for result in results],
                         [(4, 0), (6, 0)])
        self.assertEqual(self.batch([{"key": key}, {"key": key, "tokens": 0}], "all").status, 429)
        self.assertEqual(self.batch([{"key": key, "tokens": 0}] * 2, "all").status, 200)

    def test_a_thousand_times_the_same_key(self):
        key = self.key("api:")
        self.assertEqual(self.batch([{"key": key}] * 101, "all").status, 429)
        self.assertEqual(self.remaining(key), 100)
        self.assertEqual(self.batch([{"key": key}] * 100 + [{"key": key, "tokens": 0}] * 900,
                                    "all").status, 200)
        self.assertEqual(self.remaining(key), 0)

    def test_what_never_can_be(self):
        key, other = self.key(), self.key()
        for requests in ([{"key": key, "tokens": 11}],
                         [{"key": key, "tokens": 5}, {"key": key, "tokens": 6}],
                         [{"key": key, "tokens": TOKENS_MAX}] * 1000,
                         [{"key": other}, {"key": key, "tokens": 11}]):
            with self.subTest(requests[:2]):
                response = self.batch(requests, "all")
                self.assertEqual(response.status, 429)
                self.assert_fields(response, "X-Should-Retry")
                self.assertEqual(response.header("X-Should-Retry"), "false")
                self.assertIsNone(response.json()["retry_after_ms"])
                self.assertEqual(response.json()["results"][-1]["reason"], "exceeds_burst")
        self.assertEqual((self.remaining(key), self.remaining(other)), (10, 10))

    def test_the_longest_wait_and_each_policy_once(self):
        fast, slow, name = self.drained(), self.key(), 'say "hi" \\ bye'
        self.batch([{"key": slow, "limit": "slow", "tokens": 10},
                    {"key": slow, "limit": name, "tokens": 3}], "all")
        response = self.batch([{"key": fast}, {"key": slow, "limit": "slow"},
                               {"key": slow, "limit": name}, {"key": fast, "tokens": 2}], "all")
        self.assertEqual(response.status, 429)
        self.assertEqual(sorted(response.json()["violated-policies"]),
                         ["default", name, "slow"])
        self.assert_about(response.json()["retry_after_ms"], 5 * DAY_MS)

    def test_as_large_as_it_gets(self):
        """A thousand denials, each with the longest key there is."""
        keys = [f"{number:04}" + '"' * 251 for number in range(1000)]
        self.assertEqual(self.batch([{"key": key, "tokens": 10} for key in keys], "all").status,
                         200)
        response = self.batch([{"key": key} for key in keys], "all")
        self.assertEqual([result["key"] for result in self.results(response, 429)], keys)
        self.assertEqual(response.json()["violated-policies"], ["default"])


class Status(BatchCase):
    def test_a_list(self):
        drained, unseen = self.drained(), self.key()
        tracked = self.call("GET", "/status").json()["keys"]
        before = self.counters()
        for mode in (None, "each", "all"):
            response = self.batch([{"key": drained, "tokens": 7},
                                   {"key": unseen, "limit": "slow"}], mode, "/status")
            self.assertEqual(response.status, 200)
            self.assert_fields(response)
            self.assertEqual(list(response.json()), ["results"])
            first, second = self.results(response)
            self.assertEqual(list(first), ["key", "limit", "remaining", "owed", "burst",
                                           "reset_after_ms",
                                           "active"])
            self.assert_about(first.pop("reset_after_ms"), 10 * DAY_MS)
            self.assertEqual(first, {"key": drained, "limit": "default", "remaining": 0,
                                     "owed": 0, "burst": 10, "active": True})
            self.assertEqual(second, {"key": unseen, "limit": "slow", "remaining": 10, "owed": 0,
                                      "burst": 10,
                                      "reset_after_ms": 0, "active": False})
        self.assertEqual(self.counted(before), {"statuses": 6})
        self.assertEqual(self.call("GET", "/status").json()["keys"], tracked)

    def test_nothing_else_can_be_posted(self):
        before = self.counters()
        for target, headers, body in (("/status", (), None), ("/status?key=a", (), None),
                                      ("/status", [FORM], b"key=a"), ("/status", [JSON], b""),
                                      ("/status?key=a", [JSON], None)):
            with self.subTest(target=target, headers=headers, body=body):
                response = self.call("POST", target, headers, body)
                self.assert_problem(response, 405)
                self.assertEqual(response.header("Allow"), "GET, HEAD, QUERY")
        self.assertEqual(self.counted(before), {})


class Query(BatchCase):
    """QUERY /status (RFC 10008): a look at many keys, as safe as GET."""

    def query(self, body, headers=(JSON,), path="/status"):
        return self.call("QUERY", path, headers, body)

    def test_tells_what_a_posted_batch_is_told(self):
        drained, unseen = self.drained(), self.key("api:")
        tracked, before = self.call("GET", "/status").json()["keys"], self.counters()
        for count in (1, 2, 1000):
            requests = ([{"key": drained}, {"key": unseen, "limit": "slow"}] * 500)[:count]
            body = json.dumps({"requests": requests}).encode()
            # A tick may pass between two of them, but not between three.
            posted, answer, again = (self.call(method, "/status", [JSON], body)
                                     for method in ("POST", "QUERY", "POST"))
            self.assertEqual(answer.status, 200)
            self.assertIn(answer.body, (posted.body, again.body))
            self.assertEqual([name for name, _ in answer.fields],
                             [name for name, _ in posted.fields])
            self.assertEqual([result["key"] for result in answer.json()["results"]],
                             [request["key"] for request in requests])
        self.assertEqual(self.counted(before), {"statuses": 3 * (1 + 2 + 1000)})
        self.assertEqual(self.call("GET", "/status").json()["keys"], tracked)

    def test_the_longest_body(self):
        body = b'{"requests":[{"key":"a"}]}'.rjust(BODY_MAX)
        self.assertEqual(self.query(body).status, 200)
        self.assert_problem(self.query(body.rjust(BODY_MAX + 1)), 413)
        self.assert_problem(self.query(body.rjust(4097), [FORM]), 413)

    def test_in_chunks_behind_others_and_in_turn(self):
        batch = b'{"requests":[{"key":"%s"}]}'
        head = "QUERY /status HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        with Connection(self.daemon.address) as connection:
            keys = [self.key().encode() for _ in range(3)]
            one, two, three = (batch % key for key in keys)
            connection.send(request_bytes("QUERY", "/status", [JSON], one) +
                            request_bytes("GET", "/status?key=a") +
                            request_bytes("QUERY", "/status", [JSON], two))
            self.assertEqual([connection.receive().status for _ in range(3)], [200] * 3)
            connection.send(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() +
                            b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                                     for part in (three[:5], three[5:])) + b"0\r\n\r\n")
            response = connection.receive()
            self.assertEqual(response.status, 200, response)
            self.assertEqual(response.json()["results"][0]["key"], keys[2].decode())

    def test_must_bring_a_batch_of_a_type_that_is_said(self):
        batch = b'{"requests":[{"key":"beside"}]}'
        before = self.counters()
        for headers, body, path, status in (
                ((), None, "/status", 400), ((), b"", "/status", 400),
                ([JSON], b"", "/status", 400), ((), batch, "/status", 400),
                ((), None, "/status?key=beside", 400), ([JSON], b"[]", "/status", 400),
                ([JSON], b"key=beside", "/status", 400), ([JSON], b"{}", "/status", 400),
                ([FORM], b"key=beside", "/status", 415),
                ([("Content-Type", "text/json")], batch, "/status", 415)):
            with self.subTest(headers=headers, body=body, path=path):
                response = self.query(body, headers, path)
                self.assert_problem(response, status, "a QUERY brings a batch: send Content-Type: "
                                                      "application/json and a JSON object")
                self.assertEqual(response.header("Accept-Query"),
                                 "application/json, application/vnd.allowd.lines.v1"
                                 if status == 415 else None)
        self.assert_problem(self.query(batch, path="/status?key=beside"), 400, "leave these out")
        self.assert_problem(self.query(b'{"requests":[{"key":"a","limit":"nosuch"}]}'), 400,
                            "no limit named")
        self.assertEqual(self.counted(before), {})

    def test_is_not_there_for_what_changes_something(self):
        batch = b'{"requests":[{"key":"beside"}]}'
        for path in ("/allow", "/reset", "/refund", "/charge", "/keys", "/metrics", "/healthz"):
            with self.subTest(path):
                response = self.query(batch, path=path)
                self.assert_problem(response, 405)
                self.assertNotIn("QUERY", response.header("Allow"))
                self.assertIsNone(response.header("Accept-Query"))
        self.assertEqual(self.remaining("beside"), 10)

    def test_to_a_check_it_is_a_method_like_any_other(self):
        response = self.query(b"anything", path="/check/any")
        self.assertEqual((response.status, response.body), (200, b""))


# What stands in place of the second of three requests, and what is said of it.
BAD_REQUESTS = (
    ('1', "is a number"), ('null', "is null"), ('"k"', "is a string"), ('[]', "is an array"),
    ('true', "is a boolean"), ('{}', "key is missing"), ('{"tokens":1}', "key is missing"),
    ('{"key":null}', "key is null"), ('{"key":1}', "key is a number"),
    ('{"key":["k"]}', "key is an array"), ('{"key":{"key":"k"}}', "key is an object"),
    ('{"key":""}', "key is empty"), ('{"key":"%s"}' % ("a" * 256), "255 bytes"),
    ('{"key":"%s"}' % ("a" * 100_000), "255 bytes"),
    ('{"key":"%sa"}' % ("\\u00e9" * 127 + "a"), "255 bytes"),
    ('{"key":"a\\n"}', "control"), ('{"key":"\\u001f"}', "control"),
    ('{"key":"\\u007f"}', "control"),
    ('{"key":"\\u0085"}', "control"),
    ('{"key":"k","tokens":-1}', "tokens is -1;"),
    ('{"key":"k","tokens":1.5}', "tokens is a number"),
    ('{"key":"k","tokens":1.0}', "tokens is a number"),
    ('{"key":"k","tokens":1e3}', "tokens is a "),
    ('{"key":"k","tokens":1e-400}', "tokens is a number"),
    ('{"key":"k","tokens":-0.0}', "tokens is"),
    ('{"key":"k","tokens":1000000000000000}', "999999999999999"),
    ('{"key":"k","tokens":9223372036854775807}', "999999999999999"),
    ('{"key":"k","tokens":-9223372036854775808}', "tokens is -9223372036854775808"),
    ('{"key":"k","tokens":"1"}', "tokens is a string"), ('{"key":"k","tokens":null}', "is null"),
    ('{"key":"k","tokens":true}', "is a boolean"), ('{"key":"k","tokens":[1]}', "is an array"),
    ('{"key":"k","limit":null}', "limit is null"), ('{"key":"k","limit":1}', "limit is a number"),
    ('{"key":"k","limit":""}', "no limit named"), ('{"key":"k","limit":" default"}', "no limit"),
    ('{"key":"k","limit":"%s"}' % ("a" * 65), "no limit named"),
    ('{"key":"k","limit":"default\\u0001"}', "no limit named"),
    ('{"key":"k","limit":"\\u00e9"}', "no limit named"),
    ('{"key":"k","limit":"Default"}', 'no limit named "Default"'),
    ('{"key":"k","token":5}', 'unknown member "token"'), ('{"key":"k","Key":"k"}', '"Key"'),
    ('{"key":"k","":1}', 'unknown member ""'), ('{"key":"k","mode":"all"}', '"mode"'),
    ('{"key":"k","\\u001b[2J\\r\\n":1}', r'unknown member "\?\[2J\?\?"'),
    ('{"key":"k","%s":1}' % ("x" * 10_000), r'"x{40}\.\.\."'),
)

# What is no JSON, of which it cannot be said in which request: the line and the column are.
BAD_JSON = (
    b'{"requests":[{"key":"k"}', b'{"requests":[{"key":"k"}]', b'{"requests":[{"key":"k"}]]',
    b'{', b'{"requests"', b'{"requests":', b'{requests:[]}', b"{'requests':[]}",
    b'{"requests":[{"key":"k",}]}',
    b'{"requests":[{"key":"k"},]}', b'{"requests":[{"key":"k"}],}', b'{"requests":[{"key":"k"}{}]}',
    b'{"requests":[{"key":k}]}', b'{"requests":[{"key":"k}]}', b'{"requests":[{"key":"a\nb"}]}',
    b'{"requests":[{"key":"a\\x41"}]}', b'{"requests":[{"key":"\\u12"}]}',
    b'{"requests":[{"key":"k"/**/}]}', b'{"requests":[{"key":"k"}]}//',
    # trailing bytes
    b'{"requests":[{"key":"k"}]}x', b'{"requests":[{"key":"k"}]}{}', b'{"requests":[{"key":"k"}]},',
    b'{"requests":[{"key":"k"}]}\0', b'{"requests":[{"key":"k"}]}\n\n{"requests":[{"key":"k"}]}',
    b'{"requests":[{"key":"k"}]}\xef\xbb\xbf',
    # members twice, at every level, escaped or not
    b'{"requests":[{"key":"k","key":"k"}]}', b'{"requests":[{"key":"k","\\u006bey":"l"}]}',
    b'{"requests":[{"key":"k","tokens":1,"tokens":1}]}',
    b'{"requests":[{"key":"k"}],"requests":[{"key":"k"}]}',
    b'{"mode":"each","requests":[{"key":"k"}],"mode":"all"}',
    b'{"requests":[{"key":"k","x":{"y":1,"y":2}}]}',
    # not UTF-8
    b'{"requests":[{"key":"\xff"}]}', b'{"requests":[{"key":"\xc3"}]}',
    b'{"requests":[{"key":"\xc3("}]}',
    b'{"requests":[{"key":"\xc0\x80"}]}', b'{"requests":[{"key":"\xed\xa0\x80"}]}',
    b'{"requests":[{"key":"\xf4\x90\x80\x80"}]}', b'{"requests":[{"key":"\xe9"}]}',
    b'{"requests":[{"\xffkey":"k"}]}', b'{"requests":[{"key":"\\ud800"}]}',
    b'{"requests":[{"key":"\\udc00"}]}', b'{"requests":[{"key":"\\ud800\\ud800"}]}',
    # NUL
    b'{"requests":[{"key":"a\\u0000b"}]}', b'{"requests":[{"key":"\\u0000"}]}',
    b'{"requests":[{"key":"a\0b"}]}', b'{"requests":[{"key\\u0000":"k"}]}',
    b'{"requests":[{"key":"k"}\0]}',
    # numbers that are none
    b'{"requests":[{"key":"k","tokens":01}]}', b'{"requests":[{"key":"k","tokens":+1}]}',
    b'{"requests":[{"key":"k","tokens":0x1}]}', b'{"requests":[{"key":"k","tokens":1_000}]}',
    b'{"requests":[{"key":"k","tokens":.5}]}', b'{"requests":[{"key":"k","tokens":1.}]}',
    b'{"requests":[{"key":"k","tokens":NaN}]}', b'{"requests":[{"key":"k","tokens":Infinity}]}',
    b'{"requests":[{"key":"k","tokens":}]}',
    b'{"requests":[{"key":"k","tokens":18446744073709551616}]}',
    b'{"requests":[{"key":"k","tokens":9223372036854775808}]}',
    b'{"requests":[{"key":"k","tokens":1e400}]}',
    b'{"requests":[{"key":"k","tokens":' + b"9" * 100_000 + b'}]}',
    # too deep
    b'{"requests":[{"key":' + b"[" * 1_000_000, b'{"requests":' + b'{"a":' * 200_000,
    b'{"requests":[{"key":' + b"[" * 100_000 + b"]" * 100_000 + b'}]}',
)

BAD_BATCHES = (
    (b'{"requests":null}', "requests is null"), (b'{"requests":{}}', "requests is an object"),
    (b'{"requests":"k"}', "requests is a string"), (b'{"requests":[]}', "holds 0 requests"),
    (b'{"requests":[' + b'{"key":"k"},' * 1000 + b'{"key":"k"}]}', "holds 1001 requests"),
    (b'{"requests":[' + b'1,' * 300_000 + b'1]}', "300001 requests|more values than 1000"),
    (b'{"requests":[{"key":"k"}],"mode":"ALL"}', 'mode is "ALL"'),
    (b'{"requests":[{"key":"k"}],"mode":""}', 'mode is ""'),
    (b'{"requests":[{"key":"k"}],"mode":null}', "mode is null"),
    (b'{"requests":[{"key":"k"}],"mode":1}', "mode is a number"),
    (b'{"requests":[{"key":"k"}],"mode":["all"]}', "mode is an array"),
    (b'{"requests":[{"key":"k"}],"modes":"all"}', 'unknown member "modes"'),
    (b'{"requests":[{"key":"k"}],"key":"k"}', 'unknown member "key"'),
    (b'{"requests":[{"key":"k"}],"":0}', 'unknown member ""'),
)

NO_BATCHES = (b'{}', b'{"request":[{"key":"k"}]}', b'{"key":"k"}', b'[]', b'[{"key":"k"}]', b'"k"',
              b'1', b'null', b'true', b' ', b'key=k', b'\0',
              b'\xef\xbb\xbf{"requests":[{"key":"k"}]}',
              '{"requests":[{"key":"k"}]}'.encode("utf-16"), b'<a/>', b"[" * 1_000_000)


class BadInput(BatchCase):
    """Every fault costs nothing, whatever is right around it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.connection = Connection(cls.daemon.address)

    @classmethod
    def tearDownClass(cls):
        cls.connection.close()
        super().tearDownClass()

    def refused(self, body, status, detail=None, target="/allow", stays=True):
        before = self.counters()
        self.connection.send(request_bytes("POST", target, [JSON], body))
        response = self.connection.receive()
        self.assert_problem(response, status, detail)
        self.assertEqual(self.counted(before), {}, response)
        self.assertEqual(response.header("Connection"), None if stays else "close")
        return response.json()["detail"]

    def test_one_bad_request_among_good_ones(self):
        good = '{"key":"good","tokens":3}'
        for bad, said in BAD_REQUESTS:
            for mode in ("each", "all"):
                with self.subTest(bad[:80], mode=mode):
                    body = f'{{"requests":[{good},{bad},{good}],"mode":"{mode}"}}'.encode()
                    for target in ("/allow", "/status"):
                        self.refused(body, 400, r"^requests\[1\]: .*" + said, target)
        self.assertEqual(self.remaining("good"), 10)

    def test_the_last_of_a_thousand(self):
        good = b'{"key":"good"},' * 999
        for bad, said in ((b'{"key":"k","limit":"nosuch"}', 'no limit named "nosuch"'),
                          (b'{"key":"k","tokens":-1}', "tokens"), (b'{}', "key is missing")):
            for mode in (b"each", b"all"):
                with self.subTest(bad, mode=mode):
                    self.refused(b'{"requests":[' + good + bad + b'],"mode":"' + mode + b'"}', 400,
                                 r"^requests\[999\]: .*" + said)
        self.assertEqual(self.remaining("good"), 10)

    def test_the_first_fault_is_told(self):
        self.refused(b'{"requests":[{"key":"k"},{"key":"k","limit":"a"},{"key":"k","limit":"b"}]}',
                     400, r'^requests\[1\]: .*"a"')
        self.refused(b'{"requests":[{"key":"k"},{"key":""},{"tokens":1}]}', 400,
                     r"^requests\[1\]: ")

    def test_no_json(self):
        for body in BAD_JSON:
            for target in ("/allow", "/status"):
                with self.subTest(body[:80], target=target):
                    detail = self.refused(body, 400, target=target)
                    self.assertRegex(detail, r"line \d+, column \d+ of the JSON")
                    self.assertLess(len(detail), 320)
                    self.assertTrue(detail.isascii() and detail.isprintable())

    def test_no_requests(self):
        for body, said in BAD_BATCHES:
            with self.subTest(body[:80]):
                self.refused(body, 400, said)
                self.refused(body, 400, said, "/status")

    def test_no_batch_at_all(self):
        for body in NO_BATCHES:
            with self.subTest(body[:40]):
                self.refused(body, 415, '"requests"')
                self.refused(body, 415, '"requests"', "/status")

    def test_parameters_beside_a_batch(self):
        body = b'{"requests":[{"key":"beside"}]}'
        for query in ("key=a", "tokens=2", "limit=default", "key=a&limit=slow", "mode=all", "x"):
            for path in ("/allow", "/status"):
                with self.subTest(query, path=path):
                    self.refused(body, 400, target=f"{path}?{query}")
        self.assertEqual(self.remaining("beside"), 10)

    def test_only_where_batches_are_taken(self):
        body = b'{"requests":[{"key":"elsewhere"}]}'
        for target in ("/reset", "/refund", "/charge"):
            self.refused(body, 415, target=target)
            self.refused(body, 415, target=target + "?key=elsewhere")
        self.refused(body, 404, target="/batch")
        for method, path, status in (("PUT", "/allow", 405), ("DELETE", "/allow", 405),
                                     ("HEAD", "/allow", 405), ("OPTIONS", "/allow", 405),
                                     ("PUT", "/status", 405), ("OPTIONS", "/status", 405),
                                     ("GET", "/allow", 400)):
            with self.subTest(method, path=path):
                before = self.counters()
                self.assertEqual(self.call(method, path, [JSON], body).status, status)
                self.assertEqual(self.counted(before), {})

    def test_nothing_of_a_batch_reaches_the_log(self):
        mark = self.daemon.mark()
        self.refused(b'{"requests":[{"key":"k","limit":"x\\r\\nallowd: forged"}]}', 400)
        self.refused(b'{"requests":[{"key":"k","forged\\n":1}]}', 400)
        self.refused(b'{"requests":[{"key":"k"}],"mode":"forged\\n"}', 400)
        self.assertEqual(self.daemon.log()[mark:], [])


class Turns(Case):
    """What lists take of a turn is bounded, for everybody waits for all of it."""

    config = "tick: 10s\nlimits:\n  - {name: default, burst: 10000, rate: 1/d}\n"

    def test_many_long_lists_at_once(self):
        body = json.dumps({"requests": [{"key": "many"}] * 1000}).encode()
        with stalled(self.daemon, "front"):  # so that it finds them all at once
            lists = []
            for _ in range(20):
                connection = self.connect()
                connection.send(request_bytes("POST", "/allow", [JSON], body))
                lists.append(connection)
            for connection in lists[10:13]:
                connection.reset()
            single = self.connect()
            single.send(request_bytes("GET", "/allow?key=single"))
        self.assertEqual(single.receive().status, 200)
        told = [sum(result["allowed"] for result in connection.receive().json()["results"])
                for connection in lists[:10] + lists[13:]]
        # Those who left may have been in time to be charged.
        self.assertIn(sum(told), range(7000, 10001, 1000))
        self.assertEqual(self.call("GET", "/status?key=many").json()["remaining"], 0)
        # Four lists and what is none go with one batch: see turns.h.
        self.assertEqual(self.batches()[0], 0)

    def test_many_walks_and_scrapes_at_once(self):
        """They look at a table in pieces, and print long answers: a few of them in a turn."""
        before = self.batches()
        with stalled(self.daemon, "front"):
            many = []
            for target in ("/keys?prefix=none", "/metrics", "/status") * 10:
                connection = self.connect()
                connection.send(request_bytes("GET", target))
                many.append(connection)
            many[0].reset()
            single = self.connect()
            single.send(request_bytes("GET", "/allow?key=other"))
        for connection in many[1:] + [single]:
            self.assertEqual(connection.receive().status, 200)
        large, count = self.batches()
        self.assertGreater(count, before[1] + 10)
        self.assertEqual(large, before[0])

    def batches(self):
        """Those of more than eight messages, and all."""
        metrics = Metrics(self.call("GET", "/metrics").body.decode("utf-8"))
        count = metrics.value("allowd_batch_size_count")
        return count - metrics.value("allowd_batch_size_bucket", le="8"), count


class Sizes(BatchCase):
    def padded(self, key, size):
        body = json.dumps({"requests": [{"key": key}]}).encode()
        return body + b" " * (size - len(body))

    def test_the_longest(self):
        for size in (4095, 4096, 4097, 65_536, BODY_MAX):
            with self.subTest(size):
                key = self.key()
                connection = self.connect()
                connection.send(request_bytes("POST", "/allow", [JSON], self.padded(key, size)) +
                                request_bytes("GET", f"/allow?key={key}"))
                self.assertEqual(connection.receive().json()["results"][0]["remaining"], 9)
                self.assertEqual(connection.receive().json()["remaining"], 8)

    def test_one_byte_more(self):
        for path in ("/allow", "/status"):
            before = self.counters()
            connection = self.connect()
            connection.send(request_bytes("POST", path, [JSON, ("Content-Length", BODY_MAX + 1)]))
            response = connection.receive()
            self.assert_problem(response, 413, "1048576 bytes")
            self.assertEqual(response.header("Connection"), "close")
            self.assertIsNone(connection.receive())
            self.assertEqual(self.counted(before), {})

    def test_other_bodies_have_not_become_longer(self):
        for method, path, headers in (("POST", "/allow", [FORM]), ("POST", "/allow", []),
                                      ("POST", "/reset", [JSON]), ("POST", "/refund", [JSON]),
                                      ("GET", "/allow", [JSON]), ("PUT", "/allow", [JSON]),
                                      ("POST", "/nosuch", [JSON])):
            with self.subTest(method, path=path, headers=headers):
                connection = self.connect()
                connection.send(request_bytes(method, path, [*headers, ("Content-Length", 4097)]))
                self.assert_problem(connection.receive(), 413, "4096 bytes")

    def test_in_pieces(self):
        key = self.key()
        raw = request_bytes("POST", "/allow", [JSON],
                            json.dumps({"requests": [{"key": key}], "mode": "all"}).encode())
        connection = self.connect()
        for byte in raw:
            connection.send(bytes([byte]))
        self.assertEqual(connection.receive().json()["results"][0]["remaining"], 9)

    def test_a_client_that_leaves_in_the_middle_is_not_charged(self):
        keys = [self.key() for _ in range(3)]
        before, descriptors = self.counters(), len(self.daemon.descriptors())
        for key, leave in zip(keys, (Connection.close, Connection.reset, Connection.half_close)):
            with Connection(self.daemon.address) as connection:
                connection.send(request_bytes("POST", "/allow", [JSON],
                                              self.padded(key, 100_000))[:-1])
                leave(connection)
        self.assertEqual(self.counted(before), {})
        self.assertEqual([self.remaining(key) for key in keys], [10] * 3)
        wait_until(lambda: len(self.daemon.descriptors()) <= descriptors,
                   "their descriptors are closed")

    def test_expect_continue(self):
        key = self.key()
        connection = self.connect()
        head = request_bytes("POST", "/allow", [JSON, ("Expect", "100-continue"),
                                                ("Content-Length", 100_000)])
        connection.send(head)
        while b"\r\n\r\n" not in connection.unread:
            self.assertTrue(connection._more())
        self.assertEqual(connection.unread, b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.unread = b""
        connection.send(self.padded(key, 100_000))
        self.assertEqual(connection.receive().json()["results"][0]["remaining"], 9)


class Load(BatchCase):
    PIPELINED = 1000

    def test_pipelined(self):
        """1,000 batches on one connection: answered in order, each charged once."""
        common, keys = self.key("api:"), [self.key() for _ in range(self.PIPELINED)]
        raw = b"".join(request_bytes("POST", "/allow", [JSON], json.dumps(
            {"requests": [{"key": key, "tokens": 1 + number % 3}, {"key": common}],
             "mode": "each" if number % 2 == 0 else "all"}).encode())
            for number, key in enumerate(keys))
        connection = self.connect()
        sender = threading.Thread(target=connection.send, args=(raw,))
        sender.start()
        for number, key in enumerate(keys):
            response = connection.receive()
            first, second = response.json()["results"]
            is_all, has_common = number % 2 == 1, number < 100
            self.assertEqual((first["key"], second["key"]), (key, common))
            self.assertEqual(response.status, 200 if has_common or not is_all else 429)
            charged = 1 + number % 3 if has_common or not is_all else 0
            self.assertEqual((first["allowed"], first["remaining"]), (charged > 0, 10 - charged))
            self.assertEqual((second["allowed"], second["remaining"]),
                             (has_common, max(0, 99 - number)))
        sender.join()
        self.assertEqual(self.remaining(common), 0)

    def announce(self, key):
        """A client that says a body of 1 MiB is coming; it sends it when it is told to."""
        client = self.connect()
        client.body = json.dumps({"requests": [{"key": key}]}).encode().ljust(BODY_MAX)
        client.send(request_bytes("POST", "/allow", [JSON, ("Expect", "100-continue"),
                                                     ("Content-Length", BODY_MAX)]))
        return client

    def is_told_to_go_on(self, client):
        while b"\r\n\r\n" not in client.unread:
            self.assertTrue(client._more())
        if not client.unread.startswith(b"HTTP/1.1 100 "):
            return False
        client.unread = client.unread.partition(b"\r\n\r\n")[2]
        return True

    def test_more_large_bodies_than_there_is_memory_for(self):
        slow = 0  # whom the deadline of a body has ended, on a machine that is slow itself
        descriptors = len(self.daemon.descriptors())
        for turn in range(3):
            keys = [self.key() for _ in range(LONG_BODIES_MAX + 6)]
            clients = [self.announce(key) for key in keys]
            going = [self.is_told_to_go_on(client) for client in clients]
            self.assertEqual(sum(going), LONG_BODIES_MAX)
            for client, goes_on in zip(clients, going):
                if not goes_on:
                    response = client.receive()
                    self.assert_problem(response, 503, "no memory .* try again")
                    self.assertEqual(response.header("Connection"), "close")
                    client.close()
            clients = [client for client, goes_on in zip(clients, going) if goes_on]
            for client in clients:
                client.send(client.body[:-1])
            self.serves_others()
            for client in clients[::2]:
                client.close()
            for client in clients[1::2]:
                with contextlib.suppress(ConnectionError):
                    client.send(b" ")
                response = client.receive()
                slow += response is None
                if response is not None:
                    self.assertEqual(response.json()["results"][0]["remaining"], 9)
                client.close()
            wait_until(lambda: len(self.daemon.descriptors()) <= descriptors,
                       "all descriptors are closed")
            kib = self.daemon.resident_kib()
            if turn == 0:
                first_kib = kib
        wait_until(lambda: Metrics(self.call("GET", "/metrics").body.decode()).value(
            "allowd_connections_shed_total", reason="slow") >= slow, "whoever has no answer was ended by that")
        if not SANITIZED:
            self.assertLess(kib, first_kib + 4096)
            self.assertLess(kib, 24 * 1024)

    def test_a_check_needs_none_of_that_memory(self):
        clients = [self.announce(self.key()) for _ in range(LONG_BODIES_MAX)]
        self.assertTrue(all(self.is_told_to_go_on(client) for client in clients))
        self.assertEqual(self.call("POST", "/check/any", (), b"a" * 4097).status, 200)

    def serves_others(self):
        """Calls that need no memory of their own, while none is left."""
        key = self.key()
        self.assertEqual(self.allow(key).json()["remaining"], 9)
        self.assertEqual(self.batch([{"key": key}]).json()["results"][0]["remaining"], 8)
        self.assertEqual(self.call("POST", "/allow", [FORM], f"key={key}".encode()).json()
                         ["remaining"], 7)
        self.assert_problem(self.call("POST", "/allow", [JSON], b" " * 4097), 503)


if __name__ == "__main__":
    unittest.main()
