#!/usr/bin/python3 -B
"""GET /explain and allowd --explain: what the next request of a key would get, and why."""
import os
import subprocess
import tempfile
import unittest
import urllib.parse

from harness import ALLOWD, PATIENCE_S, Case, run_allowd

LIMITS = ("events: {keep: 100}\n"
          "limits:\n"
          "  - {name: api, match: 'api:*', burst: 20, rate: 1/d}\n"
          "  - name: login\n"
          "    match: 'login:*'\n"
          "    burst: 3\n"
          "    rate: 3/d\n"
          "    overrides:\n"
          "      - {key: 'login:mallory', action: deny}\n"
          "      - {key: 'login:al*', burst: 1, rate: 1/d}\n"
          "      - {key: 'login:10.0.0.0/8', action: allow, until: 2999-01-01T00:00:00Z}\n"
          "  - {name: jobs, match: 'job:*', concurrent: 2}\n"
          "  - {name: trial, match: 'trial:*', burst: 1, rate: 1/d, shadow: true}\n"
          "  - {name: default, burst: 10, rate: 1/d}\n")
MEMBERS = ["key", "limit", "why", "shadow", "sentences", "limits", "override", "overrides",
           "overrides_for_key", "overrides_of_limit", "buckets", "waiting", "leases", "call", "next",
           "events", "events_looked_at"]


class Explain(Case):
    config = LIMITS

    def explain(self, key, **parameters):
        response = self.call("GET", "/explain?" + urllib.parse.urlencode({"key": key} | parameters))
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.header("Content-Type"), "application/json")
        self.assertEqual(response.header("Cache-Control"), "no-store")
        self.assertEqual(response.body.count(b"\n"), 1)
        answer = response.json()
        self.assertEqual(list(answer), MEMBERS)
        return answer

    def test_it_foretells_the_next_answer(self):
        for key in ("api:a", "login:bob", "login:alan", "login:mallory", "login:10.1.2.3", "trial:a", "other"):
            for tokens in (1, 0, 1, 2, 1, 30, 1):
                with self.subTest(key=key, tokens=tokens):
                    explained = self.explain(key, tokens=tokens)
                    self.assertEqual(explained["call"], "/allow")
                    answer = self.call("GET", f"/allow?key={key}&tokens={tokens}&deny_status=200").json()
                    for name in ("retry_after_ms", "reset_after_ms"):   # a tick may come in between
                        told, got = explained["next"].pop(name), answer.pop(name)
                        self.assertEqual((told is None, told == 0), (got is None, got == 0))
                        self.assertLess(abs((told or 0) - (got or 0)), 60000)
                    self.assertEqual(explained["next"], answer)

    def test_it_takes_and_counts_nothing(self):
        before = self.call("GET", "/status").json()
        for _ in range(5):
            self.explain("login:alice")
            self.explain("login:mallory")
            self.explain("job:a")
        after = self.call("GET", "/status").json()
        self.assertEqual((before["counters"], before["keys"]), (after["counters"], after["keys"]))
        self.assertEqual(self.call("GET", "/status?key=login:alice").json()["remaining"], 1)

    def test_slots_are_asked_of_acquire(self):
        leases = [self.call("POST", "/acquire?key=job:b").json()["lease"] for _ in range(2)]
        explained = self.explain("job:b")
        self.assertEqual((explained["call"], explained["next"]["allowed"]), ("/acquire", False))
        self.assertEqual((explained["leases"]["held"], explained["leases"]["slots"]), (2, 2))
        self.assertEqual(self.call("POST", "/acquire?key=job:b").status, 429)
        self.assertEqual(self.call("POST", "/release?lease=" + leases[0]).status, 200)
        explained = self.explain("job:b")
        self.assertEqual((explained["next"]["allowed"], explained["next"]["remaining"]), (True, 0))
        self.assertEqual(explained["buckets"], [{"name": None, "concurrent": 2, "remaining": 1, "owed": 0,
                                                 "next_token_after_ms": None, "reset_after_ms": None}])

    def test_why(self):
        explained = self.explain("login:alan")
        self.assertEqual((explained["limit"], explained["why"]), ("login", "match"))
        self.assertEqual([(limit["name"], limit["match"], limit["matches"], limit["decides"])
                          for limit in explained["limits"]],
                         [("api", "api:*", False, False), ("login", "login:*", True, True),
                          ("jobs", "job:*", False, False), ("trial", "trial:*", False, False),
                          ("default", None, False, False)])
        self.assertEqual(explained["overrides"],
                         [{"override": "login:al*", "kind": "glob", "state": "holds", "action": "limit",
                           "runtime": False}])
        self.assertEqual((explained["overrides_for_key"], explained["overrides_of_limit"]), (1, 3))
        self.assertEqual(self.explain("login:10.1.2.3")["overrides"],
                         [{"override": "login:10.0.0.0/8", "kind": "network", "state": "holds", "action": "allow",
                           "until": "2999-01-01T00:00:00Z", "runtime": False}])
        self.assertEqual(self.explain("x")["why"], "default")
        self.assertEqual(self.explain("x", limit="api")["why"], "named")

    def test_what_has_happened(self):
        self.assertEqual(self.explain("api:events")["events"], [])
        self.allow("api:events", "&tokens=20")
        self.allow("api:events")
        event, = self.explain("api:events")["events"]
        self.assertEqual((event["event"], event["key"], event["count"]), ("denied", "api:events", 1))

    def test_bad_input(self):
        for query, detail in (("", "key is missing"), ("key=", "key is empty"), ("key=a&limit=none", "no limit named"),
                              ("key=a&tokens=-1", "tokens is"), ("key=a&wait=1s", "unknown parameter"),
                              ("key=a&key=b", "twice"), ("key=a%00", "control")):
            with self.subTest(query):
                response = self.call("GET", "/explain?" + query)
                self.assert_problem(response, 400)
                self.assertIn(detail, response.json()["detail"])


class Option(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="allowd-e2e-")
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "allowd.yaml")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(LIMITS)

    def test_sentences(self):
        self.assertEqual(run_allowd("--explain", "-c", self.path, "login:bob"), (0, (
            'Key "login:bob" is counted under limit "login": its match "login:*" is the first that matches it.\n'
            "None of the limit's 3 overrides is for it.\n"
            "Its bucket holds 3 of 3 tokens and refills at 3/d: it is full.\n"
            "A request for 1 token would be allowed, and leave 2 tokens.\n"), ""))
        self.assertEqual(run_allowd("-c", self.path, "--explain", "job:1")[1].splitlines()[-1],
                         "An /acquire for 1 slot would be allowed.")
        self.assertIn('"default"', run_allowd("--explain", "any")[1])

    def test_a_key_that_would_control_a_terminal(self):
        status, out, _ = run_allowd("--explain", "a\u202eb")
        self.assertEqual(status, 0)
        self.assertIn('Key "a\\u202eb" is', out)

    def test_usage_errors(self):
        for arguments, error in (((), "key is missing"), (("",), "key is empty"), (("a", "b"), '"b" is not an option'),
                                 (("a\x1b[2J",), "control"), (("x" * 256,), "255 bytes")):
            with self.subTest(arguments):
                status, out, told = run_allowd("--explain", *arguments)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(error, told)

    def test_faults_of_the_file_are_told_as_by_check(self):
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("no_such: 1\n")
        self.assertEqual(run_allowd("--explain", "-c", self.path, "a"), run_allowd("-t", "-c", self.path))
        self.assertEqual(run_allowd("-t", "-c", self.path)[0], 6)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([ALLOWD, "--explain", "a"], stdout=full, stderr=subprocess.PIPE,
                                  timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
