#!/usr/bin/python3 -B
"""
Random calls and lists, each answer held against an exact model.

No limit refills within the test, so the model is whole numbers: what each
bucket holds or owes. ALLOWD_SEED repeats a run, ALLOWD_STEPS sets its length.
"""
import json
import os
import random
import unittest
import urllib.parse

from harness import FORM, JSON, LINES, Case, request_bytes

STEPS = int(os.environ.get("ALLOWD_STEPS", "4000"))

# At one token a day and a tick of 10 s no bucket gains a token while the test runs.
CONFIG = """
tick: 10s
limits:
  - name: pair
    match: "pair:*"
    buckets: [{name: a, burst: 9, rate: 1/d}, {name: b, burst: 14, rate: 1/d, debt_max: 30}]
    overrides:
      - {key: "pair:x", burst: 25, rate: 1/d}
      - key: "pair:y*"
        buckets:
          - {name: c, burst: 5, rate: 1/d}
          - {name: a, burst: 6, rate: 1/d, debt_max: 0}
          - {name: d, burst: 30, rate: 1/d}
      - {key: "pair:free", action: allow}
      - {key: "pair:no*", action: deny}
  - name: trial
    match: "trial:*"
    burst: 8
    rate: 1/d
    shadow: true
    overrides:
      - {key: "trial:no", action: deny}
      - {key: "trial:x?", buckets: [{name: a, burst: 3, rate: 1/d}, {name: b, burst: 5, rate: 1/d}]}
  - name: default
    burst: 12
    rate: 1/d
    overrides:
      - {key: "pair:1", burst: 2, rate: 1/d}
      - {key: vip, burst: 40, rate: 1/d, debt_max: 7}
      - {key: "1*", action: deny}
      - {key: "10.0.0.0/8", burst: 7, rate: 1/d}
      - {key: "10.1.0.0/16", buckets: [{name: a, burst: 4, rate: 1/d}, {name: b, burst: 9, rate: 1/d}]}
      - {key: "10.1.2.3", action: allow}
      - {key: "at 2001:db8::/32", burst: 3, rate: 1/d}
"""

KEYS = ["pair:1", "pair:2", "pair:x", "pair:y1", "pair:free", "pair:no1", "trial:1", "trial:2",
        "trial:no", "trial:x1", "plain", "other", "vip", "10.200.0.1", "10.1.2.3", "10.1.2.4",
        "at 2001:db8:5::1", "at 2001:db9::", "11.0.0.1"]

# What the configuration above says, once more and in other words.
SHADOW = {"trial"}
BURSTS = {"pair": {"a": 9, "b": 14}, "trial": {"": 8}, "default": {"": 12}}
OVERRIDES = {
    "pair": {"pair:x": ("pair:x", {"": 25}), "pair:y1": ("pair:y*", {"c": 5, "a": 6, "d": 30}),
             "pair:free": ("pair:free", "allow"), "pair:no1": ("pair:no*", "deny")},
    "trial": {"trial:no": ("trial:no", "deny"), "trial:x1": ("trial:x?", {"a": 3, "b": 5})},
    "default": {"pair:1": ("pair:1", {"": 2}), "vip": ("vip", {"": 40}),
                "10.200.0.1": ("10.0.0.0/8", {"": 7}), "10.1.2.3": ("10.1.2.3", "allow"),
                "10.1.2.4": ("10.1.0.0/16", {"a": 4, "b": 9}), "11.0.0.1": ("1*", "deny"),
                "at 2001:db8:5::1": ("at 2001:db8::/32", {"": 3})},
}
# Where it is not the burst: (limit, override, bucket).
DEBTS = {("pair", None, "b"): 30, ("pair", "pair:y*", "a"): 0, ("default", "vip", ""): 7}


class Bucket:
    """All that one key has under one limit."""

    def __init__(self, limit, key):
        self.key, self.limit = key, limit
        self.override, terms = OVERRIDES[limit].get(key, (None, BURSTS[limit]))
        self.action = terms if isinstance(terms, str) else None
        self.bursts = BURSTS[limit] if self.action else terms
        of = None if self.action else self.override
        self.debts = {name: DEBTS.get((limit, of, name), burst) for name, burst in self.bursts.items()}
        self.levels = dict(self.bursts)
        self.shadow = limit in SHADOW

    def lacking(self, tokens):
        return [name for name, level in self.levels.items() if level < tokens]

    def holds(self, tokens):
        """Whether the answer is yes, a trial aside."""
        if tokens == 0 or self.action == "allow":
            return True
        return self.action != "deny" and not self.lacking(tokens)

    def take(self, tokens):
        if self.action is None:
            for name in self.levels:
                self.levels[name] -= tokens

    def give(self, tokens):
        for name, burst in self.bursts.items():
            self.levels[name] = min(burst, self.levels[name] + tokens)

    def charge(self, tokens):
        """What each bucket takes of them."""
        if self.action == "allow":
            return [0 for _ in self.levels]
        charged = {name: min(tokens, level + self.debts[name]) for name, level in self.levels.items()}
        for name in self.levels:
            self.levels[name] -= charged[name]
        return list(charged.values())

    def remaining(self):
        if self.action is not None:
            return min(self.bursts.values()) if self.action == "allow" else 0
        return max(0, min(self.levels.values()))

    def owed(self):
        return 0 if self.action == "allow" else max(0, -min(self.levels.values()))

    def violated(self, tokens):
        names = [name for name, burst in self.bursts.items() if burst < tokens]
        names = self.lacking(tokens) if self.action is None and not names else names
        names = list(self.bursts) if self.action == "deny" else names
        return [self.limit + "/" + name if name else self.limit for name in names]


class Model:
    def __init__(self):
        self.buckets = {}
        self.counters = dict.fromkeys(("allowed", "denied", "shadow_denied", "resets", "refunds",
                                       "statuses", "charges", "forgiven_tokens"), 0)

    def bucket(self, call):
        limit = call.get("limit") or next(
            (name for name in ("pair", "trial") if call["key"].startswith(name + ":")), "default")
        return self.buckets.setdefault((limit, call["key"]), Bucket(limit, call["key"]))

    def count(self, allowed, held):
        self.counters["allowed" if allowed else "denied"] += 1
        self.counters["shadow_denied"] += allowed and not held

    def allow(self, call):
        """What the answer must hold."""
        bucket, tokens = self.bucket(call), call.get("tokens", 1)
        held = bucket.holds(tokens)
        if held:
            bucket.take(tokens)
        allowed = held or bucket.shadow
        self.count(allowed, held)
        return self.expected(bucket, tokens, allowed, held)

    def expected(self, bucket, tokens, allowed, held):
        expected = {"allowed": allowed, "key": bucket.key, "limit": bucket.limit,
                    "remaining": bucket.remaining(), "owed": bucket.owed(),
                    "burst": min(bucket.bursts.values()),
                    "override": bucket.override,
                    "shadow": True if bucket.shadow else None,
                    "violated-policies": None if held else bucket.violated(tokens)}
        if bucket.shadow:
            expected["would_allow"] = held
        if bucket.action is None:
            expected["levels"] = list(bucket.levels.values())
        return expected

    def all(self, calls):
        """Whether the whole is allowed, and what each result must hold."""
        sums = {}
        for call in calls:
            bucket = self.bucket(call)
            sums[bucket] = sums.get(bucket, 0) + call.get("tokens", 1)
        held = {bucket: bucket.holds(tokens) for bucket, tokens in sums.items()}
        allowed = all(held[bucket] or bucket.shadow for bucket in sums)
        if allowed:
            for bucket, tokens in sums.items():
                if held[bucket]:
                    bucket.take(tokens)
        results = []
        for call in calls:
            bucket = self.bucket(call)
            self.count(allowed, held[bucket])
            result = self.expected(bucket, sums[bucket], allowed, held[bucket])
            if not allowed:
                # What could have been allowed was held back, and has violated nothing.
                result["violated-policies"] = [] if held[bucket] else bucket.violated(sums[bucket])
            results.append(result)
        return allowed, results

    def status(self, call):
        bucket = self.bucket(call)
        self.counters["statuses"] += 1
        expected = self.expected(bucket, 0, True, True)
        for name in ("allowed", "would_allow", "violated-policies"):
            expected.pop(name, None)
        return expected

    def refund(self, call):
        self.bucket(call).give(call.get("tokens", 1))
        expected = self.status(call)
        self.counters["statuses"] -= 1
        self.counters["refunds"] += 1
        return expected

    def charge(self, call):
        bucket, tokens = self.bucket(call), call["tokens"]
        each = bucket.charge(tokens)
        expected = self.status(call)
        expected |= {"tokens": tokens, "charged": min(each), "forgiven": tokens - min(each),
                     "reason": "override" if bucket.action == "allow" else None}
        self.counters["statuses"] -= 1
        self.counters["charges"] += 1
        if bucket.action != "allow":
            self.counters["forgiven_tokens"] += tokens - min(each)
        return expected

    def reset(self, call):
        bucket = self.bucket(call)
        bucket.levels = dict(bucket.bursts)
        expected = self.status(call)
        self.counters["statuses"] -= 1
        self.counters["resets"] += 1
        return expected


class OnlyNumbers(dict):
    """What a line says of a call: no more than these."""


class Random(Case):
    config = CONFIG

    def setUp(self):
        seed = int(os.environ.get("ALLOWD_SEED") or random.SystemRandom().randrange(1 << 32))
        print(f"ALLOWD_SEED={seed}", flush=True)
        self.random = random.Random(seed)
        self.model = Model()
        self.connections = [self.connect() for _ in range(3)]

    def some_call(self, takes_tokens=True):
        call = {"key": self.random.choice(KEYS)}
        if self.random.random() < 0.3:
            call["limit"] = self.random.choice(list(BURSTS))
        if takes_tokens and self.random.random() < 0.7:
            call["tokens"] = self.random.choice([0, 1, 1, 2, 3, 4, 6, 9, 13, 26,
                                                 999_999_999_999_999])
        return call

    def some_calls(self):
        return [self.some_call() for _ in range(self.random.choice([1, 2, 3, 5, 12]))]

    def ask(self, method, target, headers=(), body=None):
        connection = self.random.choice(self.connections)
        connection.send(request_bytes(method, target, headers, body))
        return connection.receive()

    def ask_call(self, method, path, call):
        form = urllib.parse.urlencode(call)
        if method == "POST" and self.random.random() < 0.5:
            return self.ask("POST", path, [FORM], form.encode())
        return self.ask(method, f"{path}?{form}")

    def ask_list(self, path, calls, mode=None):
        body = {"requests": calls} | ({} if mode is None else {"mode": mode})
        return self.ask("POST", path, [JSON], json.dumps(body).encode())

    def ask_lines(self, path, calls, mode=None):
        """The same in the compact form."""
        lines = ("\t".join((call["key"], str(call.get("tokens", "")), call.get("limit", "")))
                 for call in calls)
        mode = f"?mode={mode}" if mode and path == "/allow" else ""
        return self.ask("POST", path + mode, [LINES], "\n".join(lines).encode())

    def results(self, path, calls, mode=None):
        """Response, and a result for each call: in lines they say less."""
        if self.random.random() < 0.5:
            response = self.ask_list(path, calls, mode)
            return response, response.json()["results"]
        response = self.ask_lines(path, calls, mode)
        self.assertEqual(response.header("Content-Type"), LINES[1], response)
        lines = [line.split("\t") for line in response.body.decode().splitlines()]
        if path == "/status":
            return response, [OnlyNumbers(remaining=int(line[0]), owed=int(line[1])) for line in lines]
        return response, [OnlyNumbers(allowed=line[0] == "1", remaining=int(line[1])) for line in lines]

    def assert_answer(self, answer, expected):
        levels = expected.pop("levels", None)
        if isinstance(answer, OnlyNumbers):
            expected = {name: expected[name] for name in answer}
        found = {name: answer.get(name) for name in expected}
        self.assertEqual(found, expected, answer)
        if levels is not None and "buckets" in answer:
            self.assertEqual([bucket["remaining"] - bucket["owed"] for bucket in answer["buckets"]],
                             levels)

    # -- one step of each kind --

    def step_allow(self):
        call = self.some_call()
        expected = self.model.allow(call)
        response = self.ask_call(self.random.choice(("GET", "POST")), "/allow", call)
        self.assertEqual(response.status, 200 if expected["allowed"] else 429, response)
        self.assert_answer(response.json(), expected)

    def step_each(self):
        calls = self.some_calls()
        expected = [self.model.allow(call) for call in calls]
        response, results = self.results("/allow", calls, self.random.choice((None, "each")))
        self.assertEqual(response.status, 200, response)
        for answer, want in zip(results, expected, strict=True):
            self.assert_answer(answer, want)

    def step_all(self):
        calls = self.some_calls()
        if self.random.random() < 0.5:
            for call in calls:
                call["tokens"] = self.random.choice([0, 1, 1, 2])
        allowed, expected = self.model.all(calls)
        response, results = self.results("/allow", calls, "all")
        self.assertEqual(response.status, 200 if allowed else 429, response)
        for answer, want in zip(results, expected, strict=True):
            self.assert_answer(answer, want)
        if isinstance(results[0], OnlyNumbers):
            return
        self.assertEqual(response.json()["allowed"], allowed)
        if not allowed: # a limit on trial has no part in that
            self.assertEqual(set(response.json()["violated-policies"]),
                             {name for want in expected if not want["shadow"]
                              for name in want["violated-policies"]})

    def step_status(self):
        if self.random.random() < 0.5:
            call = self.some_call(takes_tokens=False)
            self.assert_answer(self.ask_call("GET", "/status", call).json(),
                               self.model.status(call))
            return
        calls = self.some_calls()
        _, results = self.results("/status", calls, self.random.choice((None, "all")))
        for answer, call in zip(results, calls, strict=True):
            self.assert_answer(answer, self.model.status(call))

    def step_refund(self):
        call = self.some_call()
        self.assert_answer(self.ask_call("POST", "/refund", call).json(), self.model.refund(call))

    def step_charge(self):
        call = self.some_call()
        call["tokens"] = call.get("tokens") or 5
        expected = self.model.charge(call)
        response = self.ask_call("POST", "/charge", call)
        self.assertEqual(response.status, 200, response)
        self.assert_answer(response.json(), expected)

    def step_reset(self):
        call = self.some_call(takes_tokens=False)
        self.assert_answer(self.ask_call("POST", "/reset", call).json(), self.model.reset(call))

    def step_error(self):
        """Something is wrong with the last, so the others must not be charged."""
        calls = self.some_calls()
        calls.append(self.random.choice(({"key": "a", "limit": "nosuch"}, {"key": ""}, {},
                                         {"key": "a", "tokens": -1}, {"key": "a", "token": 1})))
        response = self.ask_list(self.random.choice(("/allow", "/status")), calls,
                                 self.random.choice((None, "each", "all")))
        self.assert_problem(response, 400, rf"^requests\[{len(calls) - 1}\]: ")

    def test_every_answer_is_the_models(self):
        steps = [self.step_allow] * 8 + [self.step_each] * 4 + [self.step_all] * 6 + \
                [self.step_status] * 3 + [self.step_refund] * 4 + [self.step_charge] * 2 + \
                [self.step_reset] * 2 + \
                [self.step_error]
        for number in range(STEPS):
            try:
                self.random.choice(steps)()
            except AssertionError as error:
                raise AssertionError(f"step {number}: {error}") from error
        for limit, key in list(self.model.buckets):
            call = {"key": key, "limit": limit}
            self.assert_answer(self.ask_call("GET", "/status", call).json(),
                               self.model.status(call))
        counters = self.counters()
        self.assertEqual({name: counters[name] for name in self.model.counters},
                         self.model.counters)


if __name__ == "__main__":
    unittest.main()
