#!/usr/bin/python3 -B
"""Limits with several buckets, overrides, trials and header dialects, and reloads between them."""
import datetime
import math
import time
import unittest

from harness import Case, request_bytes, wait_until

DAY_MS = 24 * 3600 * 1000
TOKENS_MAX = 999_999_999_999_999


class RulesCase(Case):
    def drained(self, prefix, tokens):
        key = self.key(prefix)
        self.assertEqual(self.allow(key, f"&tokens={tokens}").status, 200)
        return key

    def levels(self, key, parameters=""):
        """What each bucket of a key holds."""
        status = self.call("GET", f"/status?key={key}{parameters}").json()
        return [bucket["remaining"] for bucket in status["buckets"]]

    def assert_about(self, ms, expected_ms):
        """A time that was exact when the bucket was touched, and may be some ticks on by now."""
        self.assertLessEqual(ms, expected_ms)
        self.assertGreaterEqual(ms, expected_ms - 60_000)

    def assert_denied(self, response, policies, retry_ms):
        """A 429 that names these policies; retry_ms: about, or None for never."""
        self.assertEqual(response.status, 429, response)
        self.assertEqual(response.header("Content-Type"), "application/problem+json")
        answer = response.json()
        self.assertEqual(answer["violated-policies"], policies)
        if retry_ms is None:
            self.assertIsNone(answer["retry_after_ms"])
            self.assertIsNone(response.header("Retry-After"))
        else:
            self.assert_about(answer["retry_after_ms"], retry_ms)
            self.assertEqual(response.header("Retry-After"),
                             str(math.ceil(answer["retry_after_ms"] / 1000)))
        return answer


class SeveralBuckets(RulesCase):
    config = """
tick: 10s
limits:
  - name: api
    match: "api:*"
    buckets: [{name: second, burst: 5, rate: 1/d}, {name: hour, burst: 12, rate: 2/d}]
  - name: even
    match: "even:*"
    buckets:
      - {name: quick, burst: 4, rate: 4/d}
      - {name: slow, burst: 4, rate: 1/3d}
      - {name: middle, burst: 4, rate: 1/d}
      - {name: wide, burst: 100, rate: 1/d}
  - name: 'say "hi"'
    match: "quoted:*"
    buckets: [{name: 'back\\slash', burst: 1, rate: 1/d}, {name: '"', burst: 1, rate: 1/d}]
  - {name: lone, match: "lone:*", buckets: [{name: only, burst: 3, rate: 1/d}]}
  - {name: default, burst: 10, rate: 1/d}
"""

    def test_all_are_charged(self):
        key = self.key("api:")
        response = self.allow(key)
        self.assertEqual(response.status, 200)
        self.assertEqual(response.header("RateLimit-Policy"),
                         '"api/second";q=5;w=432000, "api/hour";q=12;w=518400')
        self.assertEqual(response.header("RateLimit"),
                         '"api/second";r=4;t=86400, "api/hour";r=11;t=43200')
        self.assertEqual(
            response.json(),
            {"allowed": True, "key": key, "limit": "api", "tokens": 1, "remaining": 4, "owed": 0, "burst": 5,
             "retry_after_ms": 0, "reset_after_ms": DAY_MS,
             "buckets": [
                 {"name": "second", "remaining": 4, "owed": 0, "burst": 5, "reset_after_ms": DAY_MS},
                 {"name": "hour", "remaining": 11, "owed": 0, "burst": 12, "reset_after_ms": DAY_MS // 2}]})

    def test_or_none_is(self):
        key = self.drained("api:", 5)
        for tokens, retry_ms in ((1, DAY_MS), (3, 3 * DAY_MS)):
            self.assert_denied(self.allow(key, f"&tokens={tokens}"), ["api/second"], retry_ms)
        self.assertEqual(self.levels(key), [0, 7])

    def test_above_one_burst_but_not_the_other(self):
        key = self.key("api:")
        answer = self.assert_denied(self.allow(key, "&tokens=6"), ["api/second"], None)
        self.assertEqual(answer["reason"], "exceeds_burst")
        answer = self.assert_denied(self.allow(key, "&tokens=13"), ["api/second", "api/hour"], None)
        self.assertEqual(self.levels(key), [5, 12])

    def test_the_longest_wait_of_all(self):
        key = self.drained("even:", 4)
        response = self.allow(key)
        self.assert_denied(response, ["even/quick", "even/slow", "even/middle"], 3 * DAY_MS)
        self.assertRegex(response.header("RateLimit"),
                         r'^"even/quick";r=0;t=2\d{4}, "even/slow";r=0;t=259\d{3}, '
                         r'"even/middle";r=0;t=86\d{3}, "even/wide";r=96;t=86\d{3}$')
        self.assert_about(response.json()["reset_after_ms"], 12 * DAY_MS)

    def test_names_are_escaped(self):
        key = self.drained("quoted:", 1)
        response = self.allow(key)
        self.assert_denied(response, ['say "hi"/back\\slash', 'say "hi"/"'], DAY_MS)
        self.assertEqual(response.header("RateLimit-Policy"),
                         r'"say \"hi\"/back\\slash";q=1;w=86400, "say \"hi\"/\"";q=1;w=86400')

    def test_one_with_a_name(self):
        key = self.key("lone:")
        response = self.allow(key)
        self.assertEqual(response.header("RateLimit"), '"lone/only";r=2;t=86400')
        self.assertEqual([bucket["name"] for bucket in response.json()["buckets"]], ["only"])
        self.allow(key, "&tokens=2")
        self.assert_denied(self.allow(key), ["lone/only"], DAY_MS)

    def test_reset_and_refund_reach_all(self):
        key = self.drained("api:", 5)
        response = self.call("POST", f"/refund?key={key}&tokens=3")
        self.assertEqual((response.json()["remaining"], self.levels(key)), (3, [3, 10]))
        self.call("POST", f"/refund?key={key}&tokens=9")
        self.assertEqual(self.levels(key), [5, 12])
        self.allow(key, "&tokens=5")
        self.assertEqual(self.call("DELETE", f"/reset?key={key}").json()["remaining"], 5)
        self.assertEqual(self.levels(key), [5, 12])

    def test_looks_take_nothing(self):
        key = self.drained("api:", 5)
        self.assertEqual(self.allow(key, "&tokens=0").status, 200)
        self.assertEqual(self.call("HEAD", f"/status?key={key}").status, 200)
        for method in ("HEAD", "OPTIONS", "PUT"):
            self.assertEqual(self.call(method, f"/allow?key={key}").status, 405)
        self.assertEqual(self.levels(key), [0, 7])

    def test_all_or_none_over_all_of_a_list(self):
        keys = [self.key("api:"), self.key("even:")]
        for tokens, status in ((3, 200), (1, 200), (1, 429)):
            response = self.batch([{"key": keys[0]}, {"key": keys[1], "tokens": tokens},
                                   {"key": keys[0]}], "all")
            self.assertEqual(response.status, status)
        self.assertEqual(response.json()["violated-policies"],
                         ["api/second", "even/quick", "even/slow", "even/middle"])
        self.assertEqual((self.levels(keys[0]), self.levels(keys[1])), ([1, 8], [0, 0, 0, 96]))


class Reloads(RulesCase):
    """From one bucket to several and back."""

    ONE = "tick: 10s\nlimits:\n  - {name: default, burst: 10, rate: 1/d}\n"
    TWO = """
tick: 10s
limits:
  - name: default
    buckets: [{name: second, burst: 10, rate: 1/d}, {name: hour, burst: 20, rate: 2/d}]
"""
    SWAPPED = """
tick: 10s
limits:
  - name: default
    buckets: [{name: hour, burst: 20, rate: 2/d}, {name: second, burst: 10, rate: 1/d}]
"""
    SMALLER = """
tick: 10s
limits:
  - name: default
    buckets: [{name: second, burst: 6, rate: 1/d}, {name: hour, burst: 30, rate: 3/d}]
"""
    config = ONE

    def setUp(self):
        self.daemon.reload(self.ONE)

    def test_several_and_back(self):
        key, unseen = self.key(), self.key()
        self.allow(key, "&tokens=7")
        self.daemon.reload(self.TWO)
        self.assertEqual((self.levels(key), self.levels(unseen)), ([3, 20], [10, 20]))
        self.assertEqual(self.allow(key, "&tokens=4").status, 429)
        self.assertEqual(self.allow(key, "&tokens=2").status, 200)
        self.daemon.reload(self.ONE)
        self.assertEqual((self.remaining(key), self.remaining(unseen)), (1, 10))
        self.assertEqual(self.allow(key, "&tokens=2").status, 429)

    def test_over_and_over(self):
        """However often: what was taken stays taken, in buckets that were looked at and others."""
        looked_at, left_alone, rich = self.drained("", 10), self.drained("", 10), self.key()
        self.allow(rich)
        for config in (self.TWO, self.ONE, self.SWAPPED, self.TWO, self.SMALLER, self.ONE) * 3:
            self.daemon.reload(config)
            self.assertEqual(self.remaining(looked_at), 0)
            self.assertEqual(self.remaining(rich), 6 if config is self.SMALLER else 9)
        self.assertEqual(self.remaining(left_alone), 0)

    def test_tokens_carry_over_by_name(self):
        self.daemon.reload(self.TWO)
        key = self.drained("", 8)
        self.assertEqual(self.levels(key), [2, 12])
        self.daemon.reload(self.SWAPPED)
        self.assertEqual(self.levels(key), [12, 2])
        self.assertEqual(self.call("POST", f"/refund?key={key}&tokens=9").json()["remaining"], 10)
        self.allow(key)
        self.assertEqual(self.levels(key), [19, 9])

    def test_up_to_the_new_burst(self):
        self.daemon.reload(self.TWO)
        some, more = self.drained("", 5), self.drained("", 9)
        self.daemon.reload(self.SMALLER)
        self.assertEqual((self.levels(some), self.levels(more)), ([5, 15], [1, 11]))
        self.daemon.reload(self.TWO)
        self.assertEqual((self.levels(some), self.levels(more)), ([5, 15], [1, 11]))
        rich = self.drained("", 2)
        self.daemon.reload(self.SMALLER)
        self.assertEqual(self.levels(rich), [6, 18])

    def test_a_faulty_file_changes_nothing(self):
        self.daemon.reload(self.TWO)
        key = self.drained("", 4)
        self.daemon.reload(self.TWO.replace("name: hour", "name: second"))
        self.assertEqual(self.levels(key), [6, 16])


class Renames(RulesCase):
    """A limit that goes on under another name, while it runs."""

    config = "limits: [{name: default, burst: 10, rate: 1/d}]\n"

    def named(self, *limits):
        text = "".join(f"  - {{{limit}, burst: 10, rate: 1/d}}\n" for limit in limits)
        return f"tick: 10s\nlimits:\n{text}  - {{name: default, burst: 10, rate: 1/d}}\n"

    def setUp(self):
        self.daemon.reload(self.named("name: a"))
        self.used = self.drained_of("a", 10)
        self.used_less = self.drained_of("a", 4)

    def drained_of(self, limit, tokens):
        key = self.key()
        self.assertEqual(self.allow(key, f"&limit={limit}&tokens={tokens}").status, 200)
        return key

    def assert_left(self, limit, *tokens):
        left = [self.remaining(key, f"&limit={limit}") for key in (self.used, self.used_less)]
        self.assertEqual(left, list(tokens))

    def test_with_its_former_name_and_then_without(self):
        for limit in ("name: b, was: a", "name: b, was: a", "name: b", "name: b, was: never"):
            self.daemon.reload(self.named(limit))
            self.assert_left("b", 0, 6)
        self.assertEqual(self.allow(self.used, "&limit=a").status, 400)

    def test_one_name_after_the_other(self):
        self.daemon.reload(self.named("name: b, was: a"))
        self.daemon.reload(self.named("name: c, was: b"))
        self.assert_left("c", 0, 6)
        self.daemon.reload(self.named("name: a, was: c"))
        self.assert_left("a", 0, 6)

    def test_a_name_that_was_skipped_is_another_limit(self):
        self.daemon.reload(self.named("name: c, was: b"))
        self.assert_left("c", 10, 10)

    def test_a_limit_that_is_there_already_goes_on_as_itself(self):
        self.daemon.reload(self.named("name: a", "name: b"))
        self.allow(self.used, "&limit=b")
        self.daemon.reload(self.named("name: b, was: a"))
        self.assert_left("b", 9, 10)

    def test_the_name_that_it_left_is_free(self):
        self.daemon.reload(self.named("name: b, was: a"))
        self.daemon.reload(self.named("name: b", "name: a"))
        self.assert_left("b", 0, 6)
        self.assert_left("a", 10, 10)

    def test_a_key_that_another_limit_matches_begins_full_there(self):
        """What no reload promises; and back under the first limit it finds what it left."""
        matched = self.named("name: a, match: 'm:*'")
        self.daemon.reload(matched)
        key = self.drained("m:", 9)
        self.daemon.reload(self.named("name: a, match: 'other:*'"))
        self.assertEqual(self.remaining(key), 10)
        self.assertEqual(self.allow(key, "&tokens=10").status, 200)
        self.daemon.reload(matched)
        self.assertEqual(self.remaining(key), 1)

    def test_a_full_bucket_stays_full_whatever_the_burst(self):
        """The other thing: cut to a burst that it fills, it is full under a larger one."""
        self.daemon.reload(self.named("name: a").replace("burst: 10", "burst: 6"))
        self.assert_left("a", 0, 6)
        self.daemon.reload(self.named("name: a"))
        self.assert_left("a", 0, 10)

    def test_a_faulty_file_changes_nothing(self):
        self.daemon.reload(self.named("name: b, was: b"))
        self.assert_left("a", 0, 6)


class Overrides(RulesCase):
    config = """
tick: 10s
limits:
  - name: api
    match: "api:*"
    burst: 5
    rate: 1/d
    overrides:
      - {key: "api:p*", burst: 8, rate: 1/d}
      - {key: "api:partner*", burst: 30, rate: 1/d}
      - {key: "api:partner", burst: 20, rate: 2/d}
      - {key: "api:free*", action: allow}
      - {key: "api:blocked", action: deny}
      - {key: "api:later*", action: deny, until: 2999-12-31T23:59:59Z}
      - {key: "api:past*", burst: 50, rate: 1/d, until: 2020-01-01T00:00:00+01:00}
      - key: 'api:"*'
        buckets: [{name: a, burst: 2, rate: 1/d}, {name: b, burst: 3, rate: 1/d}]
  - name: default
    burst: 10
    rate: 1/d
    overrides: [{key: vip, burst: 11, rate: 1/d}]
"""

    def test_which_one_holds(self):
        for key, override, burst in (("api:partner", "api:partner", 20), ("api:pa", "api:p*", 8),
                                     ("api:partners", "api:p*", 8), ("api:q", None, 5),
                                     ("api:P", None, 5), ("api:past", "api:p*", 8),
                                     ("vip", "vip", 11), ("vip2", None, 10)):
            with self.subTest(key):
                answer = self.allow(key, "&tokens=0").json()
                self.assertEqual((answer.get("override"), answer["burst"], answer["remaining"]),
                                 (override, burst, burst))
                status = self.call("GET", f"/status?key={key}").json()
                self.assertEqual((status.get("override"), status["burst"]), (override, burst))

    def test_only_under_its_limit(self):
        answer = self.allow("api:partner", "&limit=default&tokens=0").json()
        self.assertEqual((answer["limit"], answer["burst"], answer.get("override")),
                         ("default", 10, None))
        answer = self.allow("vip", "&limit=api&tokens=0").json()
        self.assertEqual((answer["limit"], answer["burst"], answer.get("override")),
                         ("api", 5, None))

    def test_its_numbers_are_those_of_the_answer(self):
        response = self.allow("api:partner", "&limit=api")
        self.assertEqual(response.header("RateLimit-Policy"), '"api";q=20;w=864000')
        self.assertEqual(response.header("RateLimit"), '"api";r=19;t=43200')
        self.addCleanup(self.call, "POST", "/reset?key=api:partner")
        self.assertEqual(response.json(),
                         {"allowed": True, "key": "api:partner", "limit": "api", "tokens": 1,
                          "remaining": 19, "owed": 0, "burst": 20, "retry_after_ms": 0,
                          "reset_after_ms": DAY_MS // 2, "override": "api:partner"})
        self.assertEqual(self.allow("api:partner", "&tokens=19").status, 200)
        self.assert_denied(self.allow("api:partner"), ["api"], DAY_MS // 2)

    def test_several_buckets(self):
        key = 'api:%22' + self.key()
        self.assertEqual(self.allow(key, "&tokens=2").json()["override"], 'api:"*')
        answer = self.assert_denied(self.allow(key), ["api/a"], DAY_MS)
        self.assertEqual([bucket["remaining"] for bucket in answer["buckets"]], [0, 1])

    def test_allow_is_never_limited(self):
        key = self.key("api:free")
        tracked = self.call("GET", "/status").json()["keys"]
        before = self.counters()
        for tokens in (1, 5, 6, TOKENS_MAX, 0):
            response = self.allow(key, f"&tokens={tokens}")
            self.assertEqual(response.status, 200)
            answer = response.json()
            self.assertEqual((answer["allowed"], answer["override"], answer["retry_after_ms"]),
                             (True, "api:free*", 0))
        self.assertEqual(self.batch([{"key": key, "tokens": TOKENS_MAX}] * 1000, "all").status, 200)
        self.assertEqual(self.counted(before), {"allowed": 1005})
        self.assertEqual(self.call("GET", "/status").json()["keys"], tracked)

    def test_deny_is_always_denied(self):
        before = self.counters()
        for tokens in (1, 5, TOKENS_MAX):
            answer = self.assert_denied(self.allow("api:blocked", f"&tokens={tokens}"), ["api"],
                                        None)
            self.assertEqual((answer["override"], answer["remaining"], answer["reason"]),
                             ("api:blocked", 0, "override"))
        self.assertEqual(self.counted(before), {"denied": 3})
        self.call("POST", "/reset?key=api:blocked")
        self.call("POST", "/refund?key=api:blocked&tokens=5")
        self.assertEqual(self.allow("api:blocked").status, 429)
        self.assertEqual(self.allow("api:blocked", "&tokens=0").status, 200)

    def test_deny_in_numbers_that_a_structured_field_can_have(self):
        """RFC 9651, 3.3.1: an integer has at most 15 digits."""
        for response in (self.allow("api:blocked"), self.call("GET", "/status?key=api:blocked")):
            self.assertRegex(response.header("RateLimit"), r'^"api";r=0(;t=\d{1,15})?$')

    def test_deny_until_then(self):
        response = self.allow(self.key("api:later"))
        self.assertEqual(response.status, 429)
        end_s = datetime.datetime(2999, 12, 31, 23, 59, 59,
                                  tzinfo=datetime.timezone.utc).timestamp()
        retry_ms = response.json()["retry_after_ms"]
        self.assertLess(abs(retry_ms / 1000 + time.time() - end_s), 60)
        self.assertEqual(response.header("Retry-After"), str(20 * 24 * 3600))  # the field's most

    def test_a_denied_one_holds_back_the_others(self):
        key = self.key("api:")
        response = self.batch([{"key": key}, {"key": "api:blocked"}], "all")
        self.assertEqual((response.status, response.json()["retry_after_ms"]), (429, None))
        self.assertIsNone(response.header("Retry-After"))
        self.assertEqual(self.remaining(key), 5)


class Networks(RulesCase):
    """Overrides for all keys with an address of a network, as checks make them."""

    config = """
tick: 10s
limits:
  - name: default
    burst: 3
    rate: 1/d
    overrides:
      - {key: "10.0.0.0/8", action: allow}
      - {key: "10.66.0.0/16", burst: 1, rate: 1/d}
      - {key: "10.66.6.6", action: deny}
      - {key: "10.*", action: deny}
      - {key: "2001:db8::/32", action: allow}
      - {key: "login:2001:db8::/32", burst: 5, rate: 1/d}
checks:
  - {name: whole, key: "{client_ip}", trusted_proxies: [127.0.0.1]}
  - {name: cut, key: "{client_ip/64}", trusted_proxies: [127.0.0.1]}
  - {name: login, key: "login:{client_ip/64}", trusted_proxies: [127.0.0.1]}
"""

    def passed(self, check, address, tries=6):
        return sum(self.call("GET", f"/check/{check}", [("X-Forwarded-For", address)]).status == 200
                   for _ in range(tries))

    def test_clients_of_a_network(self):
        for check, address, wanted in (
                ("whole", "10.1.2.3", 6), ("whole", "10.66.1.1", 1), ("whole", "10.66.6.6", 0),
                ("whole", "192.0.2.1", 3), ("whole", "2001:db8::77", 6), ("cut", "2001:db9::1", 3),
                ("cut", "2001:db8:5::77", 6), ("cut", "10.1.2.4", 6), ("cut", "10.66.1.2", 1),
                ("login", "2001:db8:7::1", 5), ("login", "10.1.2.5", 3),
                ("whole", "::ffff:10.1.2.6", 6), ("whole", "64:ff9b::10.66.1.3", 1)):
            self.assertEqual(self.passed(check, address), wanted, (check, address))

    def test_answers_name_the_network(self):
        self.assertEqual(self.allow("10.66.9.9").json()["override"], "10.66.0.0/16")
        self.assertEqual(self.allow("10.66.0.0/16").json()["override"], "10.66.0.0/16")

    def test_one_that_comes_and_goes_mints_nothing(self):
        plain = self.config[:self.config.index("    overrides:")]
        self.daemon.reload(plain)
        key = "10.3." + str(id(self) % 250) + ".1"
        self.assertEqual(self.allow(key, "&tokens=3").status, 200)
        narrow = plain + "    overrides: [{key: 10.3.0.0/16, burst: 50, rate: 1/d}]\n"
        for config in (narrow, plain, narrow):
            self.daemon.reload(config)
            self.assertEqual(self.remaining(key), 0)
        self.daemon.reload(self.config)


class OverrideReloads(RulesCase):
    PLAIN = "tick: 10s\nlimits:\n  - {name: default, burst: 5, rate: 1/d%s}\n"
    GENEROUS = PLAIN % ', overrides: [{key: "p*", burst: 20, rate: 1/d}]'
    ALLOW = PLAIN % ', overrides: [{key: "p*", action: allow}]'
    DENY = PLAIN % ', overrides: [{key: "p*", action: deny}]'
    PLAIN = PLAIN % ""
    config = PLAIN

    def setUp(self):
        self.daemon.reload(self.PLAIN)

    def test_added_and_removed(self):
        drained, some, unseen = self.drained("p", 5), self.drained("p", 2), self.key("p")
        for _ in range(3):
            self.daemon.reload(self.GENEROUS)
            self.assertEqual([self.remaining(key) for key in (drained, some, unseen)], [0, 3, 20])
            self.daemon.reload(self.PLAIN)
            self.assertEqual([self.remaining(key) for key in (drained, some, unseen)], [0, 3, 5])

    def test_a_rich_one_is_cut_and_stays_so(self):
        self.daemon.reload(self.GENEROUS)
        rich = self.drained("p", 1)
        self.daemon.reload(self.PLAIN)
        self.assertEqual(self.remaining(rich), 5)
        self.assertEqual(self.allow(rich).status, 200)
        self.daemon.reload(self.GENEROUS)
        self.assertEqual(self.remaining(rich), 4)

    def test_allow_and_deny_leave_the_bucket_alone(self):
        drained, some = self.drained("p", 5), self.drained("p", 2)
        self.daemon.reload(self.ALLOW)
        self.assertEqual([self.allow(key, "&tokens=1000").status for key in (drained, some)],
                         [200, 200])
        self.daemon.reload(self.DENY)
        self.assertEqual([self.allow(key).status for key in (drained, some)], [429, 429])
        self.daemon.reload(self.GENEROUS)
        self.daemon.reload(self.PLAIN)
        self.assertEqual([self.remaining(key) for key in (drained, some)], [0, 3])

    def test_a_faulty_file_changes_nothing(self):
        self.daemon.reload(self.GENEROUS)
        key = self.drained("p", 4)
        for fault in ('{key: "p*", burst: 9, rate: 1/d}', '{key: a, action: never}',
                      '{key: a, burst: 1}', '{key: a, action: allow, until: tomorrow}'):
            self.daemon.reload(self.GENEROUS.replace("}]}", f"}}, {fault}]}}"))
            answer = self.allow(key, "&tokens=0").json()
            self.assertEqual((answer["remaining"], answer["override"]), (16, "p*"))
        self.assertRegex("\n".join(self.daemon.log()), r'"p\*" has an override already')


class OverrideEnd(RulesCase):
    """The one test that waits: an override comes to its end while it holds."""

    CONFIG = """
tick: 100ms
limits:
  - name: default
    burst: 5
    rate: 1/d
    overrides:
      - {{key: drained, burst: 20, rate: 1/d, until: {0}}}
      - {{key: rich, burst: 20, rate: 1/d, until: {0}}}
      - {{key: some, burst: 20, rate: 1/d, until: {0}}}
      - {{key: "free*", action: allow, until: {0}}}
      - {{key: "blocked*", action: deny, until: {0}}}
      - key: several
        buckets: [{{name: a, burst: 9, rate: 1/d}}, {{name: b, burst: 4, rate: 1/d}}]
        until: {0}
      - {{key: stays, burst: 20, rate: 1/d}}
"""
    KEYS = ("drained", "rich", "some", "free", "blocked", "several", "unseen", "stays")

    config = CONFIG.format("2020-01-01T00:00:00Z")

    def use_until(self, end_s):
        """What is taken under the overrides, and what was answered; both count if it is before their end."""
        until = datetime.datetime.fromtimestamp(end_s, datetime.timezone.utc)
        self.daemon.reload(self.CONFIG.format(until.strftime("%Y-%m-%dT%H:%M:%SZ")))
        for key in self.KEYS:
            self.call("POST", f"/reset?key={key}")
        self.allow("free", "&tokens=2&limit=default")
        return {key: self.allow(key, f"&tokens={tokens}") for key, tokens in (
            ("drained", 20), ("rich", 1), ("some", 17), ("several", 4), ("stays", 1), ("free", 1000), ("blocked", 1))}

    def test_the_plain_limit_takes_over(self):
        for seconds in (3, 10, 60):  # until all is taken before the end
            end_s = math.floor(time.time()) + seconds
            answers = self.use_until(end_s)
            ended = self.counters()["overrides_ended"]
            if time.time() < end_s:
                break
        self.assertEqual({key: answer.json()["override"][:2] for key, answer in answers.items()},
                         {key: key[:2] for key in answers})
        self.assertEqual(answers["blocked"].status, 429)
        self.assertIn(int(answers["blocked"].header("Retry-After")), range(1, seconds + 1))

        wait_until(lambda: "override" not in self.allow("drained", "&tokens=0").json(),
                   "the override has ended")
        self.assertGreaterEqual(time.time(), end_s)
        self.assertEqual([self.remaining(key) for key in self.KEYS], [0, 5, 3, 5, 5, 0, 5, 19])
        self.assertEqual(self.allow("drained").status, 429)
        self.assertEqual(self.allow("rich", "&tokens=5").status, 200)
        self.assertEqual(self.allow("rich").status, 429)
        self.assertEqual(self.allow("blocked", "&tokens=5").status, 200)
        self.assertEqual(self.allow("free", "&tokens=6").status, 429)
        self.assertEqual(self.allow("stays").json()["override"], "stays")
        self.assertEqual(self.counters()["overrides_ended"], ended + 6)


class Shadow(RulesCase):
    """A limit on trial beside the same in earnest."""

    BOTH = """
tick: 10s
limits:
  - {name: trial, match: "trial:*", burst: 3, rate: 1/d, shadow: true, overrides: %s}
  - {name: earnest, match: "earnest:*", burst: 3, rate: 1/d, overrides: %s}
  - name: pair
    shadow: true
    match: "pair:*"
    buckets: [{name: a, burst: 2, rate: 1/d}, {name: b, burst: 4, rate: 1/d}]
  - {name: default, burst: 10, rate: 1/d}
checks:
  - {name: trial, limit: trial, key: "{header:X-Key}"}
  - {name: earnest, limit: earnest, key: "{header:X-Key}"}
"""
    config = BOTH % (('[{key: "*no", action: deny}, {key: "*free", action: allow}]',) * 2)

    def both(self, key, tokens):
        """What the trial and the limit in earnest say to the same."""
        return [self.allow(f"{limit}:{key}", f"&tokens={tokens}") for limit in ("trial", "earnest")]

    def test_it_tells_what_the_other_does(self):
        key = self.key()
        before = self.counters()
        denials = 0
        for tokens in (1, 0, 4, 2, 1, 0, TOKENS_MAX, 3):
            trial, earnest = self.both(key, tokens)
            would_allow = earnest.status == 200
            denials += not would_allow
            answer, other = trial.json(), earnest.json()
            self.assertEqual((trial.status, answer["allowed"], answer["shadow"],
                              answer["would_allow"], answer["retry_after_ms"]),
                             (200, True, True, would_allow, 0))
            self.assertEqual(answer["remaining"], other["remaining"])
            self.assertEqual(answer.get("violated-policies"), None if would_allow else ["trial"])
            self.assertNotIn("shadow", other)
        self.assertEqual(self.counted(before), {"allowed": 16 - denials, "denied": denials,
                                                "shadow_denied": denials})

    def test_headers_are_those_of_an_allowed_request(self):
        key = self.key()
        for tokens in (1, 2, 1, 5):
            trial, earnest = self.both(key, tokens)
            # What the limit in earnest would have said, had it allowed.
            expected = [(name, value.replace("earnest", "trial"))
                        for name, value in earnest.fields
                        if name not in ("Retry-After", "X-Should-Retry")]
            for (name, value), (found_name, found_value) in zip(expected, trial.fields,
                                                                strict=True):
                self.assertEqual(found_name, name)
                if name not in ("Date", "Content-Type", "Content-Length"):
                    self.assertEqual(found_value, value)
            self.assertEqual((trial.reason, trial.header("Content-Type")),
                             ("OK", "application/json"))

    def test_an_override_that_denies(self):
        before = self.counters()
        answer = self.allow("trial:no").json()
        self.assertEqual((answer["allowed"], answer["would_allow"], answer["override"]),
                         (True, False, "*no"))
        self.assertEqual(self.allow("trial:free", "&tokens=99").json()["would_allow"], True)
        self.assertEqual(self.counted(before), {"allowed": 2, "shadow_denied": 1})

    def test_several_buckets(self):
        key = self.drained("pair:", 2)
        response = self.allow(key)
        self.assertEqual((response.status, response.json()["violated-policies"]), (200, ["pair/a"]))
        self.assertEqual(self.levels(key), [0, 2])

    def test_in_lists(self):
        trial, earnest = self.drained("trial:", 3), self.key("earnest:")
        before = self.counters()
        results = self.batch([{"key": trial}, {"key": earnest}]).json()["results"]
        self.assertEqual([(result["allowed"], result.get("would_allow")) for result in results],
                         [(True, False), (True, None)])
        response = self.batch([{"key": trial, "tokens": 9}, {"key": earnest}], "all")
        self.assertEqual((response.status, response.json()["allowed"]), (200, True))
        self.assertEqual([(result["allowed"], result.get("would_allow"), result["remaining"])
                          for result in response.json()["results"]],
                         [(True, False, 0), (True, None, 1)])
        self.assertEqual(self.counted(before), {"allowed": 4, "shadow_denied": 2})
        # A refusal in earnest refuses all of it, and then the trial has denied nobody.
        key = self.key("trial:")
        before = self.counters()
        self.assertEqual(self.batch([{"key": key}, {"key": earnest, "tokens": 2}], "all").status,
                         429)
        self.assertEqual(self.remaining(key), 3)
        self.assertEqual(self.counted(before), {"denied": 2, "statuses": 1})

    def test_through_a_check(self):
        key = self.drained("trial:", 3)
        before = self.counters()
        response = self.call("GET", "/check/trial", [("X-Key", key)])
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertIsNone(response.header("Retry-After"))
        self.assertEqual(self.counted(before), {"allowed": 1, "shadow_denied": 1})

    def test_status_says_so(self):
        status = self.call("GET", f"/status?key={self.key('trial:')}").json()
        self.assertIs(status["shadow"], True)
        self.assertNotIn("would_allow", status)
        limits = self.call("GET", "/status").json()["limits"]
        self.assertEqual([limit.get("shadow") for limit in limits], [True, None, True, None])


class ShadowReloads(RulesCase):
    CONFIG = "tick: 10s\nlimits:\n  - {name: default, burst: 3, rate: 1/d, shadow: %s}\n"
    config = CONFIG % "false"

    def test_a_trial_that_becomes_earnest_keeps_the_tokens(self):
        some, drained = self.drained("", 1), self.drained("", 3)
        for shadow in ("true", "false") * 2:
            self.daemon.reload(self.CONFIG % shadow)
            self.assertEqual((self.remaining(some), self.remaining(drained)), (2, 0))
            self.assertEqual(self.allow(drained).status, 200 if shadow == "true" else 429)


FIELDS = {
    "ietf": ["RateLimit-Policy", "RateLimit"],
    "ietf-acw": ["RateLimit-Policy", "RateLimit"],
    "draft-03": ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
    "x-ratelimit": ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
    "x-ratelimit-epoch": ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"],
    "none": [],
}


class Dialects(RulesCase):
    CONFIG = """
tick: 10s
headers: %s
limits:
  - name: pair
    match: "pair:*"
    buckets: [{name: wide, burst: 12, rate: 2/d}, {name: narrow, burst: 4, rate: 1/d}]
  - {name: default, burst: 2, rate: 1/d}
checks:
  - {name: edge, key: "{header:X-Key}", deny_status: 429}
  - {name: lenient, key: "{header:X-Key}", missing: allow}
"""
    config = CONFIG % "ietf"
    ALL = sorted(sum(FIELDS.values(), []))

    def setUp(self):
        self.open = self.connect()

    def on_open(self, method, target, headers=()):
        self.open.send(request_bytes(method, target, headers))
        return self.open.receive(to_head=method == "HEAD")

    def numbers(self, response):
        return {name: value for name, value in response.fields if name in self.ALL}

    def test_which_fields_are_there(self):
        for dialect in FIELDS:
            self.daemon.reload(self.CONFIG % dialect)
            key, other = self.key(), self.key()
            for method, target, headers, status in (
                    ("GET", f"/allow?key={key}&tokens=2", (), 200),
                    ("GET", f"/allow?key={key}", (), 429),
                    ("GET", f"/allow?key={key}&tokens=3", (), 429),
                    ("POST", f"/allow?key={key}&tokens=0", (), 200),
                    ("GET", f"/status?key={key}", (), 200),
                    ("HEAD", f"/status?key={key}", (), 200),
                    ("GET", "/check/edge", [("X-Key", key)], 429),
                    ("HEAD", "/check/edge", [("X-Key", key)], 429),
                    ("POST", f"/refund?key={key}", (), 200),
                    ("POST", f"/reset?key={key}", (), 200),
                    ("GET", "/check/edge", [("X-Key", other)], 200),
                    ("HEAD", "/check/edge/x", [("X-Key", other)], 200)):
                with self.subTest(dialect, method=method, target=target):
                    response = self.on_open(method, target, headers)
                    self.assertEqual(response.status, status, response)
                    self.assertEqual(list(self.numbers(response)), FIELDS[dialect])
                    waiting_helps = status == 429 and "tokens=3" not in target
                    self.assertEqual(response.header("Retry-After") is not None, waiting_helps)
                    self.assertEqual(response.header("X-Should-Retry"),
                                     "false" if status == 429 and not waiting_helps else None)

    def test_no_error_has_any(self):
        for dialect in FIELDS:
            self.daemon.reload(self.CONFIG % dialect)
            for method, target, status in (("GET", "/allow", 400), ("HEAD", "/allow?key=a", 405),
                                           ("GET", "/nosuch", 404), ("GET", "/check/nosuch", 404),
                                           ("GET", "/check/edge", 429), ("GET", "/status", 200),
                                           ("GET", "/check/lenient", 200)):
                with self.subTest(dialect, target=target):
                    response = self.call(method, target)
                    self.assertEqual((response.status, self.numbers(response)), (status, {}))
                    self.assertIsNone(response.header("Retry-After"))
            self.assertEqual(self.numbers(self.batch([{"key": self.key()}])), {})

    def test_draft_03(self):
        self.daemon.reload(self.CONFIG % "draft-03")
        key, pair = self.key(), self.key("pair:")
        self.assertEqual(self.numbers(self.allow(key)),
                         {"RateLimit-Limit": "2, 2;w=172800", "RateLimit-Remaining": "1",
                          "RateLimit-Reset": "86400"})
        self.assertEqual(self.numbers(self.allow(pair, "&tokens=3")),
                         {"RateLimit-Limit": "4, 12;w=518400, 4;w=345600",
                          "RateLimit-Remaining": "1", "RateLimit-Reset": "259200"})

    def test_x_ratelimit(self):
        self.daemon.reload(self.CONFIG % "x-ratelimit")
        key, pair = self.key(), self.key("pair:")
        self.assertEqual(self.numbers(self.allow(key)),
                         {"X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "1",
                          "X-RateLimit-Reset": "86400"})
        self.assertEqual(self.numbers(self.allow(pair, "&tokens=3")),
                         {"X-RateLimit-Limit": "4", "X-RateLimit-Remaining": "1",
                          "X-RateLimit-Reset": "259200"})

    def test_bodies_do_not_depend_on_it(self):
        bodies = set()
        for dialect in FIELDS:
            self.daemon.reload(self.CONFIG % dialect)
            bodies.add(self.allow("same", "&tokens=0").body)
        self.assertEqual(len(bodies), 1)

    def test_a_faulty_one_leaves_the_last(self):
        self.daemon.reload(self.CONFIG % "x-ratelimit")
        self.daemon.reload(self.CONFIG % "X-RateLimit")
        self.assertEqual(list(self.numbers(self.allow(self.key()))), FIELDS["x-ratelimit"])


if __name__ == "__main__":
    unittest.main()
