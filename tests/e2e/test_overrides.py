#!/usr/bin/python3 -B
"""/overrides: what is set at run time holds at once, over reloads and kills, and ends on time."""
import datetime
import json
import os
import shutil
import signal
import tempfile
import threading
import time
import unittest
import urllib.parse

from harness import FORM, JSON, Connection, Daemon, parse_address, request_bytes, wait_until

ADMIN = "admin_listen: ['127.0.0.1:0']\n"
LIMITS = """limits:
  - name: api
    match: "api:*"
    burst: 10
    rate: 1/h
    overrides:
      - {key: "api:banned", action: deny, reason: abuse}
      - {key: "api:gone", action: deny, until: "2020-01-01T00:00:00Z"}
      - {key: "api:10.0.0.0/8", burst: 30, rate: 1/h}
      - {key: "api:t*", burst: 40, rate: 1/h}
  - {name: jobs, match: "job:*", concurrent: 3}
  - {name: default, burst: 5, rate: 1/h}
checks:
  - {name: edge, limit: api, key: "api:{method}"}
"""
MEMBERS = {"limit", "key", "until", "runtime"}


def in_s(seconds):
    """A time so far away, as `until` takes it."""
    return datetime.datetime.fromtimestamp(int(time.time()) + seconds,
                                           datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


class Overrides(unittest.TestCase):
    """A daemon for each test, with a state file unless `has_state` says otherwise."""

    has_state = True
    maxDiff = None

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="allowd-e2e-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.start()

    def config(self, limits=LIMITS):
        state = f"state: {os.path.join(self.directory, 'state')}\n" if self.has_state else ""
        return ADMIN + state + limits

    def start(self, limits=LIMITS):
        self.daemon = Daemon(self.config(limits))
        self.addCleanup(self.daemon.stop)
        line = self.daemon.wait_for_line("listening for admins on (.*)")
        self.admin = parse_address(line[1])

    def ask(self, method, target, headers=(), body=None, address=None):
        with Connection(address or self.admin) as connection:
            connection.send(request_bytes(method, target, headers, body))
            return connection.receive(to_head=method == "HEAD")

    def target(self, **parameters):
        return "/overrides?" + urllib.parse.urlencode(parameters)

    def put(self, **parameters):
        return self.ask("PUT", self.target(**parameters))

    def drop(self, limit, key):
        return self.ask("DELETE", self.target(limit=limit, key=key))

    def list(self, **parameters):
        response = self.ask("GET", self.target(**parameters))
        self.assertEqual(response.status, 200, response)
        self.assertEqual(list(response.json()), ["overrides"])
        return response.json()["overrides"]

    def at_runtime(self):
        return [(one["limit"], one["key"]) for one in self.list() if one["runtime"]]

    def counts_of(self, name):
        limits = {limit["name"]: limit for limit in self.ask("GET", "/status").json()["limits"]}
        return limits[name].get("overrides"), limits[name].get("runtime_overrides")

    def allow(self, key, tokens=1):
        return self.ask("GET", f"/allow?key={key}&tokens={tokens}", address=self.daemon.address)

    def remaining(self, key):
        return self.ask("GET", f"/status?key={key}").json()["remaining"]

    def reload(self, limits, outcome="reloaded"):
        mark = self.daemon.mark()
        self.daemon.write_config(self.config(limits))
        self.daemon.signal(signal.SIGHUP)
        self.daemon.wait_for_line(outcome, mark)
        return "\n".join(self.daemon.log()[mark:])

    def assert_faults(self, response, *texts):
        self.assertEqual(response.status, 422, response)
        self.assertEqual(response.header("Content-Type"), "application/problem+json")
        faults = response.json()["faults"]
        self.assertEqual(len(faults), len(texts), faults)
        for fault, text in zip(faults, texts):
            self.assertEqual(set(fault), {"line", "column", "text"})
            self.assertIn(text, fault["text"])
        return faults


class Life(Overrides):
    def test_set_list_replace_and_drop(self):
        until = in_s(3600)
        response = self.put(limit="api", key="api:alice", burst=100, rate="2/h", until=until,
                            reason='she "asked"')
        self.assertEqual(response.status, 201, response)
        self.assertEqual(response.json(), {
            "limit": "api", "key": "api:alice", "burst": 100, "rate": "2/h", "debt_max": 100,
            "until": until, "reason": 'she "asked"', "runtime": True, "persistent": True,
            "warnings": []})
        shown = self.list(limit="api", key="api:alice")
        self.assertEqual(shown, [{name: value for name, value in response.json().items()
                                  if name not in ("persistent", "warnings")}])
        answer = self.allow("api:alice", 60).json()
        self.assertEqual((answer["burst"], answer["override"]), (100, "api:alice"))
        response = self.put(limit="api", key="api:alice", action="deny")
        self.assertEqual((response.status, response.json()["action"]), (200, "deny"))
        self.assertEqual(self.allow("api:alice").status, 429)
        response = self.drop("api", "api:alice")
        self.assertEqual(response.json(), {"limit": "api", "key": "api:alice", "dropped": True,
                                           "persistent": True})
        self.assertEqual(response.status, 200)
        self.assertEqual(self.allow("api:alice").json()["burst"], 10)
        self.assertEqual(self.drop("api", "api:alice").status, 404)
        self.assertEqual(self.at_runtime(), [])

    def test_the_list_has_those_in_force_of_both_kinds(self):
        self.put(limit="default", key="bob", action="allow")
        self.put(limit="api", key="api:x*", action="deny")
        self.put(limit="api", key="api:y*", action="deny")
        self.assertEqual([(one["limit"], one["key"], one["runtime"]) for one in self.list()], [
            ("api", "api:y*", True), ("api", "api:x*", True), ("api", "api:banned", False),
            ("api", "api:10.0.0.0/8", False), ("api", "api:t*", False), ("default", "bob", True)])
        self.assertEqual(self.list(limit="api", key="api:banned"), [
            {"limit": "api", "key": "api:banned", "action": "deny", "until": None,
             "reason": "abuse", "runtime": False}])
        self.assertEqual([one["key"] for one in self.list(limit="default")], ["bob"])
        self.assertEqual(self.ask("HEAD", "/overrides").status, 200)
        self.assertEqual(self.counts_of("api"), (6, 2))
        self.assertEqual(self.counts_of("jobs"), (None, None))

    def test_it_goes_before_that_of_the_file_for_the_same(self):
        self.assertEqual(self.allow("api:banned").status, 429)
        self.put(limit="api", key="api:banned", burst=7, rate="1/h")
        self.assertEqual(self.allow("api:banned").json()["burst"], 7)
        self.put(limit="api", key="api:10.0.0.0/8", burst=8, rate="1/h")
        self.assertEqual(self.allow("api:10.1.2.3").json()["burst"], 8)
        # A glob holds for no key that another one is just for; of two, the one that was set last.
        self.put(limit="api", key="api:*", burst=9, rate="1/h")
        self.assertEqual(self.allow("api:10.1.2.3").json()["burst"], 8)
        self.assertEqual(self.allow("api:test").json()["burst"], 9)
        self.put(limit="api", key="api:te*", burst=6, rate="1/h")
        self.assertEqual(self.allow("api:test").json()["burst"], 6)
        for key, burst in (("api:te*", 9), ("api:*", 40)):
            self.assertEqual(self.drop("api", key).status, 200)
            self.assertEqual(self.allow("api:test").json()["burst"], burst)
        self.drop("api", "api:10.0.0.0/8")
        self.assertEqual(self.allow("api:10.1.2.3").json()["burst"], 30)
        self.drop("api", "api:banned")
        self.assertEqual(self.allow("api:banned").status, 429)

    def test_tokens_go_over_and_none_are_gained(self):
        self.allow("api:carry", 8)
        for burst in (100, 3, 50, 10):
            self.put(limit="api", key="api:carry", burst=burst, rate="1/h")
            self.assertEqual(self.remaining("api:carry"), 2)
        self.drop("api", "api:carry")
        self.assertEqual(self.remaining("api:carry"), 2)
        self.assertEqual(self.remaining("api:other"), 10)

    def test_forms_and_objects(self):
        response = self.ask("PUT", self.target(limit="api", key="api:form"), [FORM],
                            b"action=deny&reason=too+much")
        self.assertEqual((response.status, response.json()["reason"]), (201, "too much"))
        body = {"buckets": [{"name": "second", "burst": 5, "rate": "5/s"},
                            {"name": "hour", "burst": 100, "rate": "100/h", "debt_max": 7}],
                "until": in_s(60), "reason": "caf\u00e9 \U0001f600 \\ /"}
        response = self.ask("PUT", self.target(limit="api", key="api:object"), [JSON],
                            json.dumps(body, indent="\t").encode())
        self.assertEqual(response.status, 201, response)
        answer = response.json()
        self.assertEqual(answer["buckets"], [dict(body["buckets"][0], debt_max=5),
                                             body["buckets"][1]])
        self.assertEqual((answer["until"], answer["reason"]), (body["until"], body["reason"]))
        self.assertEqual(self.allow("api:object").json()["buckets"][0]["burst"], 5)

    def test_any_json(self):
        """JSON may be laid out as YAML may not, and means the same."""
        target = self.target(limit="api", key="api:odd")
        for body in (b'\n\t{"action":"deny","reason":"a"}\n\t', b'{"action"\n:\n"deny",\t"reason"\t \r\n:"a"}',
                     b'\r{\r"action":"deny"\r,"reason" :\t"a"\r}\r'):
            response = self.ask("PUT", target, [JSON], body)
            self.assertIn(response.status, (200, 201), response)
            self.assertEqual((response.json()["action"], response.json()["reason"]), ("deny", "a"))
        for reason in ("a  \u2028  b", "\u2029 ", 'a: \\": "', ": \u2028 :", "  a  "):
            for is_ascii in (False, True):
                response = self.ask("PUT", target, [JSON], json.dumps(
                    {"action": "deny", "reason": reason}, ensure_ascii=is_ascii).encode())
                self.assertEqual(response.json()["reason"], reason)
            response = self.put(limit="api", key="api:odd", action="deny", reason=reason)
            self.assertEqual(response.json()["reason"], reason)
        faults = self.assert_faults(self.ask("PUT", target, [JSON], b'\t{"burst"\n:"x",\n"rate" : "y"}'),
                                    'burst "x"', 'rate "y"')
        self.assertEqual([(fault["line"], fault["column"]) for fault in faults], [(2, 2), (3, 10)])

    def test_events(self):
        def told():
            with Connection(self.admin) as connection:
                connection.send(request_bytes(
                    "GET", "/events?follow=no&kind=override_begun,override_ended,reloaded",
                    [("Accept", "application/x-ndjson"), ("Connection", "close")]))
                text = b""
                while (piece := connection.socket.recv(1 << 16)):
                    text += piece
            return [json.loads(line) for line in text.splitlines() if line.startswith(b"{")]
        until = in_s(2)
        self.put(limit="api", key="api:banned", action="allow", until=until, reason="a friend")
        self.put(limit="api", key="api:x*", action="deny")
        self.drop("api", "api:x*")
        wait_until(lambda: len(told()) == 4, "the end")
        shown = [{name: event.get(name) for name in ("event", "override", "action", "until", "reason",
                                                     "runtime", "removed")} for event in told()]
        first = {"event": "override_begun", "override": "api:banned", "action": "allow",
                 "until": until, "reason": "a friend", "runtime": True, "removed": None}
        second = {"event": "override_begun", "override": "api:x*", "action": "deny", "until": None,
                  "reason": None, "runtime": True, "removed": None}
        self.assertEqual(shown, [first, second,
                                 dict(second, event="override_ended", removed=True),
                                 dict(first, event="override_ended", removed=False)])

    def test_slots(self):
        for slots, statuses in ((1, [200, 429]), (2, [200, 429])):
            response = self.put(limit="jobs", key="job:a", concurrent=slots)
            self.assertEqual(response.json()["concurrent"], slots)
            self.assertEqual([self.ask("POST", "/acquire?key=job:a", address=self.daemon.address)
                              .status for _ in statuses], statuses)
        self.drop("jobs", "job:a")
        self.assertEqual([self.ask("POST", "/acquire?key=job:a", address=self.daemon.address).status
                          for _ in range(2)], [200, 429])

    def test_an_end_that_comes(self):
        self.put(limit="api", key="api:banned", burst=10**6, rate="1000000/s", until=in_s(2))
        self.assertEqual(self.allow("api:banned").status, 200)
        wait_until(lambda: self.allow("api:banned").status == 429, "the end")
        self.assertEqual(self.at_runtime(), [])
        self.assertEqual(self.counts_of("api"), (4, None))
        explained = self.ask("GET", "/explain?key=api:banned").json()
        self.assertEqual([one["runtime"] for one in explained["overrides"]], [False])
        self.assertEqual(explained["overrides_of_limit"], 4)
        self.assertEqual(self.drop("api", "api:banned").status, 404)
        self.assertEqual(self.put(limit="api", key="api:banned", action="allow").status, 201)
        self.assertEqual(self.counts_of("api"), (5, 1))

    def test_many_at_once(self):
        """Each is answered, and all hold, though no more editions are there than may be."""
        def put_some(number, statuses):
            with Connection(self.admin) as connection:
                for i in range(40):
                    connection.send(request_bytes("PUT", self.target(
                        limit="api", key=f"api:many-{number}-{i}", burst=50 + i, rate="1/h")))
                    statuses.append(connection.receive().status)
        before = self.ask("GET", "/status").json()["counters"]["reloads"]
        self.allow("api:many-0-39", 9)
        statuses = [[] for _ in range(8)]
        threads = [threading.Thread(target=put_some, args=(i, statuses[i])) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(statuses, [[201] * 40] * 8)
        self.assertEqual(len(self.at_runtime()), 320)
        answer = self.allow("api:many-0-39").json()
        self.assertEqual((answer["burst"], answer["remaining"]), (89, 0))
        self.assertEqual(self.ask("GET", "/status").json()["counters"]["reloads"], before)


class Lasting(Overrides):
    def test_over_kills(self):
        until = in_s(3600)
        self.put(limit="api", key="api:banned", burst=20, rate="1/h", until=until, reason="for now")
        self.put(limit="api", key="api:x*", action="allow")
        self.put(limit="api", key="api:xy*", action="deny")
        self.put(limit="default", key="soon", action="deny", until=in_s(1))
        self.allow("api:banned", 15)
        before = self.list()
        self.daemon.kill()
        time.sleep(max(0, 1 - time.time() % 1))
        self.start()
        wait_until(lambda: len(self.at_runtime()) == 3, "the end of one")
        self.assertEqual(self.list(), [one for one in before if one["key"] != "soon"])
        self.assertEqual(self.remaining("api:banned"), 5)
        self.assertEqual(self.allow("api:xyz").status, 429)
        self.drop("api", "api:banned")
        self.daemon.kill()
        self.start()
        self.assertEqual(self.at_runtime(), [("api", "api:xy*"), ("api", "api:x*")])
        self.assertEqual(self.allow("api:banned").status, 429)

    def test_over_reloads(self):
        self.put(limit="api", key="api:stays", burst=20, rate="1/h", reason="kept")
        self.put(limit="default", key="d", action="deny")
        self.reload(LIMITS.replace("burst: 10", "burst: 11"))
        self.assertEqual(self.allow("api:stays").json()["burst"], 20)
        self.assertEqual(self.list(key="api:stays")[0]["reason"], "kept")
        self.reload(LIMITS.replace("name: api", "name: web\n    was: api").replace("limit: api",
                                                                                   "limit: web"))
        self.assertEqual(self.at_runtime(), [("web", "api:stays"), ("default", "d")])
        self.assertEqual(self.remaining("api:stays"), 19)
        # The limit goes, and its override with it: it does not come back with the limit.
        log = self.reload("limits: [{name: default, burst: 5, rate: 1/h}]\n")
        self.assertIn("because their limit is not configured any more: 1", log)
        self.assertEqual(self.at_runtime(), [("default", "d")])
        self.reload(LIMITS)
        self.assertEqual(self.at_runtime(), [("default", "d")])

    def test_a_tick_that_it_does_not_go_with(self):
        self.put(limit="default", key="quick", burst=1, rate="10/s")
        self.put(limit="default", key="slow", burst=1, rate="1/h")
        log = self.reload("tick: 1s\n" + LIMITS)
        self.assertIn("do not go with the tick or the scope: 1", log)
        self.assertEqual(self.at_runtime(), [("default", "slow")])

    def test_a_reload_to_too_many(self):
        """A file that fits alone is refused beside those of run time, and says how many are too many."""
        self.put(limit="api", key="api:a", action="deny")
        self.put(limit="api", key="api:b", action="deny")
        many = "".join(f"      - {{key: k{i}, action: deny}}\n" for i in range(9999))
        limits = f"limits:\n  - name: default\n    burst: 5\n    rate: 1/h\n    overrides:\n{many}" + \
                 LIMITS.replace("limits:\n", "").split("  - {name: default")[0].split(
                     "    overrides")[0]
        log = self.reload(limits, "is faulty")
        self.assertIn("DELETE 1 of these", log)
        self.drop("api", "api:a")
        self.reload(limits)
        response = self.put(limit="api", key="api:c", action="deny")
        self.assertEqual(response.status, 409)
        self.assertIn("10000", response.json()["detail"])
        self.assertEqual(self.put(limit="api", key="api:b", action="allow").status, 200)
        self.assertEqual(self.at_runtime(), [("api", "api:b")])

    def test_a_reload_that_adds_a_check_where_one_has_slots(self):
        """A check takes no slots: the file is refused as if the limit had them, as PUT would be."""
        without = LIMITS[:LIMITS.index("checks:")]
        self.reload(without)
        self.assertEqual(self.put(limit="api", key="api:slow", concurrent=2).status, 201)
        self.assertEqual(self.put(limit="api", key="api:k*", concurrent=2).status, 201)
        self.assertEqual(self.put(limit="jobs", key="job:k*", concurrent=2).status, 201)
        log = self.reload(LIMITS, "is faulty")
        self.assertIn('check "edge" names limit "api", whose override for "api:k*", set at run time, has '
                      "slots, which only leases take, and a check takes none; DELETE that override, "
                      "or name another limit; there is 1 more like it", log)
        self.assertNotIn("job:k*", log)
        self.assertEqual(self.ask("GET", "/check/edge", address=self.daemon.address).status, 404)
        self.drop("api", "api:slow")
        self.put(limit="api", key="api:k*", concurrent=2, until=in_s(1))
        wait_until(lambda: self.at_runtime() == [("jobs", "job:k*")], "the end")
        self.reload(LIMITS)
        self.assert_faults(self.put(limit="api", key="api:slow", concurrent=2), "takes none")

    def test_a_start_with_a_check_where_one_has_slots(self):
        """It starts all the same, and says so; the check says why it cannot answer."""
        self.daemon.kill()
        self.start(LIMITS[:LIMITS.index("checks:")])
        self.assertEqual(self.put(limit="api", key="api:GET", concurrent=2).status, 201)
        self.daemon.kill()
        self.start()
        self.assertIn('whose override for "api:GET", set at run time, has slots',
                      "\n".join(self.daemon.log()))
        def check(method):
            return self.ask(method, "/check/edge", address=self.daemon.address)
        response = check("GET")
        self.assertEqual(response.status, 500)
        self.assertIn("which has slots", response.json()["detail"])
        self.assertEqual(check("POST").status, 200)
        self.assertEqual(self.drop("api", "api:GET").status, 200)
        self.assertEqual(check("GET").status, 200)

    def test_a_faulty_file_changes_nothing(self):
        self.put(limit="api", key="api:a", action="deny")
        self.reload("limits: {}\n", "is faulty")
        self.assertEqual(self.at_runtime(), [("api", "api:a")])
        self.assertEqual(self.put(limit="default", key="b", action="deny").status, 201)


class WithoutState(Overrides):
    has_state = False

    def test_it_is_told(self):
        response = self.put(limit="api", key="api:a", action="deny")
        self.assertEqual((response.status, response.json()["persistent"]), (201, False))
        self.assertEqual(self.drop("api", "api:a").json()["persistent"], False)


class Faults(Overrides):
    def test_in_the_words_for_the_file(self):
        takes = "an override takes burst and rate, or concurrent, or buckets for both, or action"
        for parameters, texts in (
                ({}, [f"burst and rate are missing; {takes}"]),
                ({"burst": "1k", "rate": "0.5/s"},
                 ['burst "1k" is not a number; write 1000', 'rate "0.5/s" is not a rate; write 1/2s']),
                ({"action": "block"}, ['action "block" is not one of its words; write allow or deny']),
                ({"action": "deny", "burst": "5"}, [f"action is given beside burst; {takes}"]),
                ({"action": "deny", "until": "tomorrow"}, ['until "tomorrow" is not a time']),
                ({"action": "deny", "until": "2020-01-01T00:00:00Z"}, ["until is over already"]),
                ({"concurrent": "0"}, ['concurrent "0" is out of range']),
                ({"concurrent": "1"}, ["a check of the configuration names this limit"]),
                ({"burst": "1", "rate": "1000000/s"}, ["burst 1"])):
            faults = self.assert_faults(self.put(limit="api", key="api:f", **parameters), *texts)
            self.assertEqual([fault["line"] for fault in faults], [None] * len(texts))
        self.assert_faults(self.put(limit="api", key="10.0.0.1/8", action="deny"),
                           "write 10.0.0.0/8 at its end")
        self.assert_faults(self.put(limit="api", key="stray\\", action="deny"), "backslash")
        self.assertEqual(self.at_runtime(), [])

    def test_of_an_object_at_their_place(self):
        target = self.target(limit="api", key="api:f")
        faults = self.assert_faults(
            self.ask("PUT", target, [JSON], b'{"burst": 5,\n "rate": null, "limit": "api"}'),
            "rate is empty; it takes a single value", 'unknown name "limit"; the names here are burst')
        self.assertEqual([(fault["line"], fault["column"]) for fault in faults], [(2, 10), (2, 16)])
        self.assert_faults(self.ask("PUT", target, [JSON], b'{"burst": {"a": 1}, "rate": [1]}'),
                           "burst must be a single value, not names with values",
                           "rate must be a single value, not a list")
        for body, detail in ((b"{burst: 5}", "not JSON"), (b"[]", "must be a JSON object"),
                             (b'{"burst":1,"burst":2}', "not JSON"), (b'{"reason":"\xff"}', "not JSON"),
                             (b'{"reason":"\\u0000"}', "line 1, column 18: a string holds the character \\u0000")):
            response = self.ask("PUT", target, [JSON], body)
            self.assertEqual(response.status, 400, response)
            self.assertIn(detail, response.json()["detail"])
        response = self.ask("PUT", target + "&burst=5", [JSON], b'{"rate":"1/s"}')
        self.assertEqual(response.status, 400)
        for fields, detail in (([("Content-Type", "text/yaml")], "must be JSON or a form"),
                               ([], "must be JSON or a form"), ([FORM], "the body is JSON, but")):
            response = self.ask("PUT", target, fields, b'{"action":"deny"}')
            self.assertEqual(response.status, 415)
            self.assertIn(detail, response.json()["detail"])
            self.assertIn("send Content-Type: application/json", response.json()["detail"])

    def test_of_the_request(self):
        for method, target, status, detail in (
                ("PUT", "/overrides?key=a&action=deny", 400, "limit is missing"),
                ("PUT", "/overrides?limit=api&action=deny", 400, "key is missing"),
                ("DELETE", "/overrides?limit=api", 400, "key is missing"),
                ("DELETE", "/overrides?limit=api&key=a&burst=1", 400, "limit and key alone"),
                ("GET", "/overrides?limit=api&action=deny", 400, "limit and key alone"),
                ("GET", "/overrides?limit=none", 400, 'no limit named "none"'),
                ("PUT", "/overrides?limit=none&key=a&action=deny", 400, 'no limit named "none"'),
                ("DELETE", "/overrides?limit=none&key=a", 400, 'no limit named "none"'),
                ("PUT", "/overrides?limit=api&key=a&tokens=1", 400, 'unknown parameter "tokens"'),
                ("PUT", "/overrides?limit=api&key=a&reason=%00", 400, "reason is"),
                ("PUT", "/overrides?limit=api&key=a&reason=" + 256 * "r", 400, "reason is longer"),
                ("PUT", "/overrides?limit=api&key=a%00&action=deny", 400, "control character"),
                ("POST", "/overrides?limit=api&key=a&action=deny", 405, "GET, HEAD, PUT, DELETE")):
            response = self.ask(method, target)
            self.assertEqual(response.status, status, (target, response))
            self.assertIn(detail, response.json()["detail"])
        self.assertEqual(self.at_runtime(), [])

    def test_who_may(self):
        target = self.target(limit="api", key="api:a", action="deny")
        for method in ("PUT", "DELETE", "GET"):
            self.assertEqual(self.ask(method, target, address=self.daemon.address).status, 403)
        for field in (("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")):
            self.assertEqual(self.ask("PUT", target, [field]).status, 403)
            self.assertEqual(self.ask("DELETE", target, [field]).status, 403)
        self.assertEqual(self.ask("GET", "/overrides").status, 200)
        self.assertEqual(self.at_runtime(), [])
        with Daemon(LIMITS) as open_to_all:
            for method, status in (("PUT", 403), ("DELETE", 403), ("GET", 400)):
                response = self.ask(method, target, address=open_to_all.address)
                self.assertEqual(response.status, status, response)
                if status == 403:
                    self.assertIn("set admin_token_file and send SIGHUP", response.json()["detail"])
            self.assertEqual(self.ask("GET", "/overrides", address=open_to_all.address).status, 200)


if __name__ == "__main__":
    unittest.main()
