#!/usr/bin/python3 -B
"""
The fields that tell how a key stands, read by a structured-field parser that is not ours.

The parser is an npm package (tests/e2e/sfv), put into a directory of its own for the run.
Names hold quotes and backslashes, and what is parsed must say what the body says.
"""
import email.utils
import json
import math
import shutil
import subprocess
import time
import unittest
import urllib.parse

import npm_package
from harness import PATIENCE_S, Case, Connection, Daemon, request_bytes
from share import load_tests  # which unittest calls

DAY_S = 24 * 3600
INTEGER_MAX = 999_999_999_999_999  # RFC 9651, 3.3.1

# NAME: {BUCKET or None: (BURST, TOKENS A DAY)}. At a tick of 10 s and few tokens a day no
# bucket gains one while the tests run.
LIMITS = {
    "default": {None: (10, 1)},
    'say "hi" \\ bye': {None: (3, 2)},
    "\\\\\"\"": {"one": (7, 1)},
    'two "of" \\ them': {'a "b" \\': (20, 4), "c, d;q=1": (5, 1)},
    '"' * 64: {"\\" * 31 + str(i): (10 - i, i + 1) for i in range(4)},
}
LONGEST = '"' * 64


def config(dialect, limits):
    lines = ["tick: 10s"] + ([] if dialect is None else [f"headers: {dialect}"]) + ["limits:"]
    for name, buckets in limits.items():
        lines.append(f"  - name: '{name}'")
        if None in buckets:
            lines += ["    burst: %d" % buckets[None][0], "    rate: %d/d" % buckets[None][1]]
            continue
        lines.append("    buckets:")
        for bucket, (burst, rate) in buckets.items():
            lines += [f"      - name: '{bucket}'", f"        burst: {burst}",
                      f"        rate: {rate}/d"]
    return "\n".join(lines) + "\n"


def ceil_seconds(ms):
    return -(-ms // 1000)


class Parser:
    """The npm package, behind a pipe."""

    def __init__(self):
        self.directory = npm_package.install("sfv")
        self.process = subprocess.Popen(["node", "parse.mjs"], cwd=self.directory, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __call__(self, kind, value):
        print(kind, value, file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{value!r} is no structured {kind}: {answer['error']}")
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(PATIENCE_S)
        shutil.rmtree(self.directory)


parse = None


def setUpModule():
    """Without npm or its registry there is nothing to judge by: the tests are skipped."""
    global parse
    parse = Parser()


def tearDownModule():
    parse.close()


class Dialect:
    """One answer of each sort, under every limit, each judged by the dialect's own rules."""

    dialect = None

    @classmethod
    def setUpClass(cls):
        cls.config = config(cls.dialect, LIMITS)
        super().setUpClass()

    def answers(self, limit):
        """Responses about one key, from full to empty and back."""
        key = urllib.parse.quote(self.key())
        about = f"?key={key}&limit={urllib.parse.quote(limit, safe='')}"
        smallest = min(burst for burst, _ in LIMITS[limit].values())
        for method, target, status in (
                ("GET", f"/status{about}", 200),
                ("GET", f"/allow{about}&tokens=0", 200),
                ("GET", f"/allow{about}", 200),
                ("GET", f"/allow{about}&tokens={smallest - 1}", 200),
                ("GET", f"/allow{about}", 429),
                ("GET", f"/allow{about}&tokens={INTEGER_MAX}", 429),
                ("GET", f"/status{about}", 200),
                ("POST", f"/refund{about}", 200),
                ("POST", f"/charge{about}&tokens={2 * smallest}", 200),
                ("GET", f"/allow{about}", 429),
                ("POST", f"/reset{about}", 200)):
            response = self.call(method, target)
            self.assertEqual(response.status, status, response)
            self.assertEqual(response.json()["limit"], limit)
            yield response

    def states(self, response):
        """Of each bucket: its name in headers, burst, window, remaining, milliseconds to full."""
        body = response.json()
        buckets = body.get("buckets", [dict(body, name=None)])
        terms = LIMITS[body["limit"]]
        self.assertEqual([bucket["name"] for bucket in buckets], list(terms))
        for bucket, (name, (burst, rate)) in zip(buckets, terms.items()):
            self.assertEqual(bucket["burst"], burst)
            yield (body["limit"] if name is None else f"{body['limit']}/{name}", burst,
                   -(-burst * DAY_S // rate), bucket["remaining"], bucket["reset_after_ms"])

    def fewest(self, response):
        """The state of the bucket that holds least."""
        return min(self.states(response), key=lambda state: state[3])

    def rate_limit_fields(self, response):
        return {name: value for name, value in response.fields if "ratelimit" in name.lower()}

    def judge(self, response):
        raise NotImplementedError

    def test_fields_say_what_the_body_says(self):
        for limit in LIMITS:
            for response in self.answers(limit):
                with self.subTest(response=response):
                    self.judge(response)

    def test_retry_after_stays(self):
        for limit in LIMITS:
            for response in self.answers(limit):
                retry_after_ms = response.json().get("retry_after_ms")
                with self.subTest(response=response):
                    if response.status == 429 and retry_after_ms is not None:
                        self.assertEqual(parse("item", response.header("Retry-After")),
                                         {"value": max(1, ceil_seconds(retry_after_ms)),
                                          "parameters": {}})
                    else:
                        self.assertIsNone(response.header("Retry-After"))
                    self.assertEqual(response.header("X-Should-Retry"),
                                     "false" if response.status == 429 and retry_after_ms is None
                                     else None)

    def test_the_same_connection_tells_each_answer_anew(self):
        """What is kept of a response from one request to the next must not show."""
        with Connection(self.daemon.address) as connection:
            for limit in list(LIMITS) * 2:
                target = f"/allow?key={self.key()}&limit={urllib.parse.quote(limit, safe='')}"
                for _ in range(4):
                    connection.send(request_bytes("GET", target))
                    with self.subTest(limit=limit):
                        self.judge(connection.receive())


class OfItems(Dialect):
    """A dialect of the IETF's: a policy and an item for each bucket."""

    def items(self, response, states, remaining_name):
        """What RateLimit says, once the policies are those of the buckets, and what is left to each is right."""
        self.assertEqual(list(self.rate_limit_fields(response)), ["RateLimit-Policy", "RateLimit"])
        self.assertEqual(
            parse("list", response.header("RateLimit-Policy")),
            [{"value": name, "parameters": {"q": burst, "w": window}}
             for name, burst, window, _, _ in states])
        found = parse("list", response.header("RateLimit"))
        self.assertEqual([(item["value"], item["parameters"][remaining_name]) for item in found],
                         [(name, remaining) for name, _, _, remaining, _ in states])
        return found


class Ietf(OfItems, Case):
    dialect = "ietf"

    def judge(self, response):
        states = list(self.states(response))
        found = self.items(response, states, "r")
        for item, (_, burst, window, remaining, reset_ms) in zip(found, states):
            self.assertEqual(list(item["parameters"]), ["r", "t"])
            self.assertIn(item["parameters"]["t"], range(ceil_seconds(reset_ms) + 1))
            self.assertEqual(item["parameters"]["t"] == 0, remaining == burst)
            if remaining == burst - 1:
                self.assertEqual(item["parameters"]["t"], ceil_seconds(reset_ms))
        self.judge_waits(response, found)

    def judge_waits(self, response, found):
        """What denied gains a token no later than the request can succeed."""
        if response.header("Retry-After") is None:
            return
        violated = response.json()["violated-policies"]
        waits = [item["parameters"]["t"] for item in found if item["value"] in violated]
        self.assertTrue(waits)
        self.assertLessEqual(max(waits), int(response.header("Retry-After")))

    def test_a_large_request_leaves_room_for_the_longest_reply(self):
        """libmicrohttpd has request and reply share a connection's memory."""
        target = f"/allow?key=k&tokens=0&limit={urllib.parse.quote(LONGEST, safe='')}"
        statuses = set()
        for size in range(8000, 17500, 100):
            response = self.call("GET", target, [("X-Filler", "x" * size)])
            self.assertIsNotNone(response, f"no answer to a header of {size} bytes")
            self.assertIn(response.status, (200, 431))
            statuses.add(response.status)
            if response.status == 200:
                self.judge(response)
        self.assertEqual(statuses, {200, 431})


class Default(Ietf):
    dialect = None


class Draft03(Dialect, Case):
    dialect = "draft-03"

    def judge(self, response):
        _, burst, _, remaining, reset_ms = self.fewest(response)
        self.assertEqual(list(self.rate_limit_fields(response)),
                         ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"])
        self.assertEqual(
            parse("list", response.header("RateLimit-Limit")),
            [{"value": burst, "parameters": {}}] +
            [{"value": each, "parameters": {"w": window}}
             for _, each, window, _, _ in self.states(response)])
        self.assertEqual(parse("item", response.header("RateLimit-Remaining")),
                         {"value": remaining, "parameters": {}})
        self.assertEqual(parse("item", response.header("RateLimit-Reset")),
                         {"value": ceil_seconds(reset_ms), "parameters": {}})
        self.assertEqual(remaining, response.json()["remaining"])


class IetfAcw(OfItems, Case):
    dialect = "ietf-acw"

    def judge(self, response):
        states = list(self.states(response))
        body = response.json()
        found = self.items(response, states, "a")
        for item, (_, burst, window, remaining, reset_ms) in zip(found, states):
            self.assertEqual(list(item["parameters"]), ["a", "w"] + ["c"] * ("allowed" in body))
            self.assertEqual(item["parameters"].get("c"), body["tokens"] if "allowed" in body else None)
            a_token_s = -(-window // burst)
            if remaining == burst:
                self.assertEqual(item["parameters"]["w"], a_token_s)
            else:
                self.assertIn(item["parameters"]["w"], range(1, ceil_seconds(reset_ms) + 1))
            if remaining == burst - 1:
                self.assertEqual(item["parameters"]["w"], ceil_seconds(reset_ms))


class XRateLimit(Dialect, Case):
    dialect = "x-ratelimit"

    def judge(self, response):
        _, burst, _, remaining, reset_ms = self.fewest(response)
        self.assertEqual(self.rate_limit_fields(response),
                         {"X-RateLimit-Limit": str(burst),
                          "X-RateLimit-Remaining": str(remaining),
                          "X-RateLimit-Reset": str(ceil_seconds(reset_ms))})


class XRateLimitEpoch(Dialect, Case):
    dialect = "x-ratelimit-epoch"

    def judge(self, response):
        _, burst, _, remaining, reset_ms = self.fewest(response)
        fields = self.rate_limit_fields(response)
        reset_s = int(fields.pop("X-RateLimit-Reset"))
        self.assertEqual(fields, {"X-RateLimit-Limit": str(burst),
                                  "X-RateLimit-Remaining": str(remaining)})
        # From the time that the answer has in its Date, which is cut to a second, in a pass that
        # may have begun before.
        date_s = email.utils.parsedate_to_datetime(response.header("Date")).timestamp()
        self.assertIn(reset_s, range(int(date_s + reset_ms / 1000) - 1,
                                     math.ceil(date_s + 1 + reset_ms / 1000) + 1))

    def test_is_a_time_to_come(self):
        before = time.time()
        response = self.call("GET", f"/allow?key={self.key()}")
        self.assertGreaterEqual(int(response.header("X-RateLimit-Reset")),
                                math.floor(before + response.json()["reset_after_ms"] / 1000))


class Without(Dialect, Case):
    dialect = "none"

    def judge(self, response):
        self.assertEqual(self.rate_limit_fields(response), {})


class Slots(Case):
    """Of slots there are a number and no time."""

    config = """
tick: 10s
limits:
  - {name: jobs, concurrent: 8}
  - {name: mixed, buckets: [{name: running, concurrent: 1000000}, {name: day, burst: 30, rate: 30/d}]}
  - {name: default, burst: 10, rate: 1/d}
"""
    SLOTS = "concurrent-requests"

    def policies(self, limit, more=""):
        response = self.call("GET", f"/status?key={self.key()}&limit={limit}{more}")
        self.assertEqual(response.status, 200)
        return ([(item["value"], item["parameters"]) for item in parse("list", response.header(name))]
                for name in ("RateLimit-Policy", "RateLimit"))

    def test_have_a_unit_and_no_window(self):
        policy, now = self.policies("jobs")
        self.assertEqual(policy, [("jobs", {"q": 8, "qu": self.SLOTS})])
        self.assertEqual(now, [("jobs", {"r": 8})])

    def test_stand_beside_tokens(self):
        policy, now = self.policies("mixed")
        self.assertEqual(policy, [("mixed/running", {"q": 1_000_000, "qu": self.SLOTS}),
                                  ("mixed/day", {"q": 30, "w": DAY_S})])
        self.assertEqual(now, [("mixed/running", {"r": 1_000_000}), ("mixed/day", {"r": 30, "t": 0})])


class RetryAfterMs(Case):
    """At a tick of 1 ms a wait is any number of milliseconds."""

    config = """
tick: 1ms
retry_after_ms: true
limits:
  - {name: default, burst: 1, rate: 1/d}
  - {name: long, burst: 1, rate: 1/30d}
checks:
  - {name: edge, key: "{header:X-Key}"}
"""

    def denials(self):
        key = self.key()
        self.assertEqual(self.call("GET", f"/allow?key={key}").status, 200)
        yield self.call("GET", f"/allow?key={key}")
        yield self.call("GET", "/check/edge", [("X-Key", key)])
        yield self.batch([{"key": key}], "all")

    def test_is_the_wait_to_the_millisecond(self):
        for response in self.denials():
            with self.subTest(response=response):
                retry_ms = response.json()["retry_after_ms"]
                self.assertEqual(response.header("Retry-After-Ms"), str(retry_ms))
                self.assertEqual(response.header("Retry-After"), str(ceil_seconds(retry_ms)))

    def test_is_twenty_days_at_most(self):
        about = f"/allow?key={self.key()}&limit=long"
        self.assertEqual(self.call("GET", about).status, 200)
        response = self.call("GET", about)
        self.assertGreater(response.json()["retry_after_ms"], 29 * DAY_S * 1000)
        self.assertEqual(response.header("Retry-After-Ms"), str(20 * DAY_S * 1000))
        self.assertEqual(response.header("Retry-After"), str(20 * DAY_S))
        self.assertGreater(int(response.header("RateLimit").split(";t=")[1]), 29 * DAY_S)

    def test_is_of_no_use_where_waiting_is_not(self):
        for response in (self.call("GET", f"/allow?key={self.key()}&tokens=2"),
                         self.call("GET", "/check/edge"),
                         self.batch([{"key": self.key(), "tokens": 2}], "all")):
            with self.subTest(response=response):
                self.assertIsNone(response.header("Retry-After-Ms"))
                self.assertIsNone(response.header("Retry-After"))
                self.assertEqual(response.header("X-Should-Retry"), "false")

    def test_comes_and_goes_by_a_reload(self):
        with Daemon(self.config) as daemon, Connection(daemon.address) as connection:
            target = f"/allow?key={self.key()}"
            connection.send(request_bytes("GET", target))
            connection.receive()
            for flag in ("true", "false", "true"):
                daemon.reload(self.config.replace("_ms: true", "_ms: " + flag))
                connection.send(request_bytes("GET", target))
                self.assertEqual(connection.receive().header("Retry-After-Ms") is not None,
                                 flag == "true")


class Reload(unittest.TestCase):
    def test_another_dialect_on_a_connection_that_stays(self):
        with Daemon(config("ietf", LIMITS)) as daemon, Connection(daemon.address) as connection:
            for dialect, field in (("ietf", "RateLimit"), ("draft-03", "RateLimit-Limit"),
                                   ("x-ratelimit", "X-RateLimit-Limit"), ("none", None),
                                   ("x-ratelimit-epoch", "X-RateLimit-Reset"),
                                   ("none", None), ("ietf-acw", "RateLimit"),
                                   ("ietf", "RateLimit")):
                daemon.reload(config(dialect, LIMITS))
                connection.send(request_bytes("GET", "/allow?key=k&tokens=0"))
                response = connection.receive()
                found = [name for name, _ in response.fields if "RateLimit" in name]
                self.assertEqual(field in found if field else not found, True, response)


if __name__ == "__main__":
    unittest.main()
