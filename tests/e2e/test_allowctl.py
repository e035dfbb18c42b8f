#!/usr/bin/python3 -B
"""
allowctl against a real daemon, over TCP and a Unix socket, with and without a token; and against
servers that are none, or hostile.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import ALLOWD, PATIENCE_S, SANITIZER_REPORT, TOP, Case, Daemon, closed_port, wait_until

ALLOWCTL = pathlib.Path(os.environ.get("BUILDDIR") or TOP / "build").resolve() / "allowctl"
TOKEN = "correct-horse-battery-staple"
LIMITS = """
limits:
  - {name: login, match: "login:*", burst: 5, rate: 1/d}
  - {name: api, match: "api:*", buckets: [{name: second, burst: 20, rate: 10/s}, {name: day, burst: 100, rate: 100/d}]}
  - {name: jobs, match: "job:*", concurrent: 3}
  - {name: trial, match: "trial:*", burst: 1, rate: 1/d, shadow: true}
  - {name: bench, match: "bench:*", burst: 50, rate: 1/d}
  - {name: default, burst: 10, rate: 1/d}
"""
DONE, DENIED, USAGE, UNREACHABLE, REFUSED, UNREADABLE, FAULTY, FAILED = range(8)
# Of its own, whatever the tests run in.
ENVIRONMENT = {"PATH": f"{os.path.dirname(ALLOWD)}:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}


def run(*arguments, server=None, **environment):
    """Runs allowctl to its end: status, standard output, standard error."""
    if server is not None:
        environment["ALLOWD_SERVER"] = server
    done = subprocess.run([ALLOWCTL, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=PATIENCE_S, check=False, env=ENVIRONMENT | environment)
    if SANITIZER_REPORT.search(done.stderr):
        raise AssertionError(done.stderr)
    return done.returncode, done.stdout, done.stderr


def lines_of(shown):
    """NAME and what it is of each line that has both."""
    return dict(re.findall(r"^(\S.*?) {2,}(.*)$", shown, re.M))


class Asked(Case):
    """One daemon, asked at the address of this number."""

    config = LIMITS
    listen = ("127.0.0.1:0", "unix:{directory}/s")
    place = 0

    def server(self):
        address = self.daemon.addresses()[self.place]
        return f"unix:{address}" if isinstance(address, str) else "http://%s:%d" % address

    def ctl(self, *arguments, status=DONE):
        """Standard output of a run that ends so; what it says on standard error must fit."""
        ended, out, error = run(*arguments, server=self.server())
        self.assertEqual(ended, status, (arguments, out, error))
        self.assertEqual(error == "", status in (DONE, DENIED), error)
        self.said = error
        return out


class Keys(Asked):
    """What is asked about one key."""

    def test_allow_tells_by_its_status(self):
        key = self.key("login:")
        out = self.ctl("allow", key, "-n", "4")
        self.assertTrue(out.startswith("allowed\n"), out)
        self.assertEqual(lines_of(out)["remaining"], "1 of 5")
        self.assertEqual(lines_of(out)["key"], key)
        out = self.ctl("allow", "--tokens=2", key, status=DENIED)
        self.assertTrue(out.startswith("denied\n"), out)
        self.assertEqual(lines_of(out)["remaining"], "1 of 5")
        self.assertRegex(lines_of(out)["again in"], r"^(1 d 0 h|23 h \d+ min)$")
        self.assertEqual(self.remaining(key), 1)
        self.ctl("allow", key, "-n", "0")
        self.assertEqual(self.remaining(key), 1)

    def test_allow_that_no_waiting_cures(self):
        out = self.ctl("allow", "login:much", "-n", "6", status=DENIED)
        self.assertEqual(lines_of(out)["again in"], "never")
        self.assertIn("denied: exceeds_burst\n", out)

    def test_allow_waits_longer_than_its_time_out(self):
        key = self.key("api:")
        self.ctl("allow", key, "-n", "20")
        out = self.ctl("allow", key, "-n", "20", "-w", "5s", "--timeout", "1s")
        self.assertRegex(lines_of(out)["waited"], r"^\d")

    def test_allow_once(self):
        key = self.key()
        first = self.ctl("allow", key, "--once", "abc", "--json")
        self.assertEqual(self.ctl("allow", key, "--once", "abc", "--json"), first)
        self.assertEqual(self.remaining(key), 9)

    def test_allow_under_a_limit_on_trial(self):
        self.ctl("allow", "trial:a")
        out = self.ctl("allow", "trial:a")
        self.assertIn("allowed, though the limit, which is on trial, would deny", out)

    def test_explain(self):
        key = self.key("login:")
        self.ctl("allow", key, "-n", "4")
        out = self.ctl("explain", key, "-n", "2")
        self.assertIn(f'Key "{key}" is counted under limit "login"', out)
        self.assertIn("A request for 2 tokens would be denied", out)
        # A tick may lie between the two: then a day has become 24 hours.
        told = json.loads(self.ctl("explain", key, "-n", "2", "--json"))["sentences"]
        self.assertEqual([line.replace("24 h", "1 d") for line in out.splitlines()],
                         [line.replace("24 h", "1 d") for line in told])
        self.assertIn('under limit "default"', self.ctl("explain", key, "-l", "default"))
        self.assertIn("\\u202e", self.ctl("explain", "\u202e"))

    def test_explain_takes_nothing(self):
        key = self.key("login:")
        for _ in range(3):
            self.ctl("explain", key, "-n", "5")
        self.assertEqual(self.remaining(key), 5)

    def test_limit_is_chosen(self):
        key = self.key("login:")
        self.assertEqual(lines_of(self.ctl("allow", key, "-l", "default"))["limit"], "default")
        self.ctl("allow", key, "-l", "none", status=REFUSED)
        self.assertIn("400 Bad Request: ", self.said)

    def test_status_reset_refund_and_charge(self):
        key = self.key("login:")
        self.ctl("charge", key, "-n", "7")
        out = lines_of(self.ctl("status", key))
        self.assertEqual((out["remaining"], out["owed"]), ("0 of 5", "2"))
        out = lines_of(self.ctl("refund", key, "-n", "4"))
        self.assertEqual(out["remaining"], "2 of 5")
        self.assertNotIn("owed", out)
        out = lines_of(self.ctl("charge", key, "-n", "9"))
        self.assertEqual((out["charged"], out["forgiven"], out["owed"]), ("7", "2", "5"))
        self.assertEqual(lines_of(self.ctl("reset", key))["remaining"], "5 of 5")

    def test_buckets_are_a_table(self):
        key = self.key("api:")
        self.ctl("allow", key, "-n", "15")
        self.assertRegex(self.ctl("status", key),
                         r"BUCKET +REMAINING +BURST +OWED +FULL IN\n"
                         r"second +\d+ +20 +0 +\S+ m?s\nday +85 +100 +0 +3 h \d+ min\n")

    def test_keys_are_listed(self):
        for number in range(3):
            self.ctl("allow", f"login:list{number}", "-n", str(number + 1))
        out = self.ctl("keys", "-p", "login:list", "--sort", "remaining")
        self.assertRegex(out, r"^LIMIT +REMAINING +BURST +OWED +FULL IN +DENIED +KEY\n"
                              r"login +2 +5 .* login:list2\nlogin +3 .* login:list1\nlogin +4 .* login:list0\n$")
        self.assertEqual(len(self.ctl("keys", "-l", "login", "-p", "login:list", "-c", "2").splitlines()), 3)
        self.ctl("allow", "login:list0", "-n", "5", status=DENIED)
        self.assertRegex(self.ctl("keys", "--sort", "denied", "-p", "login:list"), r" 1  login:list0\n$")
        self.ctl("keys", "--sort", "nonsense", status=REFUSED)

    def test_keys_of_several_pages(self):
        for start in range(0, 2500, 500):
            self.batch([{"key": f"many:{number}"} for number in range(start, start + 500)])
        shown = self.ctl("keys", "-p", "many:", "-c", "3000").splitlines()[1:]
        self.assertEqual(sorted(line.split()[-1] for line in shown), sorted(f"many:{n}" for n in range(2500)))
        self.assertEqual(len(self.ctl("keys", "-p", "many:", "-c", "1500").splitlines()), 1501)
        pages = [json.loads(page) for page in self.ctl("keys", "-p", "many:", "-c", "3000", "--json").splitlines()]
        self.assertEqual(sum(len(page["keys"]) for page in pages), 2500)
        self.assertGreater(len(pages), 1)

    def test_keys_that_a_terminal_would_act_on(self):
        key = "login:\u202eevil \\ \u200b\u6f22"
        self.ctl("allow", key, "-n", "5")
        shown = "login:\\u202eevil \\\\ \\u200b\u6f22"
        self.assertEqual(lines_of(self.ctl("status", key))["key"], shown)
        self.assertIn(shown, self.ctl("keys", "-p", "login:\u202e"))
        self.assertNotIn("\u202e", self.ctl("status", key, "--json"))
        self.assertEqual(json.loads(self.ctl("status", key, "--json"))["key"], key)
        # A locale that knows ASCII alone.
        ended, out, _ = run("status", key, server=self.server(), LC_ALL="C")
        self.assertEqual(ended, DONE)
        self.assertEqual(lines_of(out)["key"], "login:\\u202eevil \\\\ \\u200b\\u6f22")
        # One that no server takes is told by the server, and shown escaped as well.
        self.ctl("status", "a\x1b[2J", status=REFUSED)
        self.assertNotIn("\x1b", self.said)

    def test_key_that_looks_like_an_option(self):
        self.assertEqual(lines_of(self.ctl("allow", "--", "-n"))["key"], "-n")

    def test_json_is_as_it_is(self):
        key = self.key()
        self.assertEqual(self.ctl("status", key, "--json").encode(),
                         self.call("GET", f"/status?key={key}").body)
        self.ctl("allow", key, "-n", "11", "--json", status=DENIED)


class KeysOverUnix(Keys):
    place = 1


class Whole(Asked):
    """What is asked about the daemon."""

    def test_status(self):
        self.ctl("allow", self.key("login:"))
        out = self.ctl("status")
        self.assertRegex(lines_of(out)["version"], r"^\d")
        self.assertRegex(out, r"\nlogin +login:\* +5 +1/d\n")
        self.assertRegex(out, r"\napi +api:\*\n +second +20 +10/s\n +day +100 +100/d\n")
        self.assertRegex(out, r"\njobs +job:\* +3 +slots\n")
        self.assertRegex(out, r"\ntrial +trial:\* +1 +1/d +on trial\n")
        self.assertRegex(out, r"\nTHREAD +STATE +CONNECTIONS +REQUESTS +BUSY\n +1 +serving ")
        self.assertRegex(out, r"\nallowed +\d+\n")
        self.assertNotRegex(out, r"\nevicted ")  # there were none
        self.assertNotIn("FLEET", out)  # no limit is of scope fleet
        self.assertEqual(json.loads(self.ctl("status", "--json"))["max_keys"], 1000000)

    def test_leases(self):
        key = self.key("job:")
        leases = [self.call("POST", f"/acquire?key={key}").json()["lease"] for _ in range(2)]
        self.assertRegex(self.ctl("leases", "-p", key), rf"\njobs +2 +2 +{key}\n")
        self.assertEqual(lines_of(self.ctl("leases", "status", leases[0]))["state"], "held")
        out = lines_of(self.ctl("leases", "renew", leases[0], "--ttl", "1h"))
        self.assertRegex(out["ends in"], r"^(1 h 0 min|59 min \d+ s)$")
        out = lines_of(self.ctl("leases", "release", leases[0], "--used", "0"))
        self.assertEqual((out["state"], out["slots"]), ("released", "1"))
        self.assertEqual(lines_of(self.ctl("leases", "status", leases[0]))["state"], "released")
        self.assertRegex(self.ctl("leases", "-p", key), rf"\njobs +1 +1 +{key}\n")
        self.ctl("leases", "renew", leases[0], status=REFUSED)
        self.assertIn("404 Not Found: ", self.said)

    def test_what_is_for_admins_alone_is_refused(self):
        self.ctl("reload", status=REFUSED)
        self.assertIn("403 Forbidden: ", self.said)
        self.ctl("override", "put", "-l", "login", "--action", "deny", "login:x", status=REFUSED)

    def test_bench_key(self):
        key = self.key("bench:")
        out = lines_of(self.ctl("bench-key", key, "-c", "200", "-C", "4"))
        self.assertEqual((out["answered"], out["allowed"], out["denied"]), ("200", "50", "150"))
        self.assertRegex(out["rate"], r"^[1-9][\d,]*/s$")
        self.assertEqual(self.remaining(key), 0)
        self.ctl("reset", key)
        told = json.loads(self.ctl("bench-key", key, "-n", "0", "-c", "50", "--json"))
        self.assertEqual((told["answered"], told["allowed"], self.remaining(key)), (50, 50, 50))
        latencies = [told["latency_ns"][share] for share in ("half", "99%", "99.9%", "all")]
        self.assertEqual(latencies, sorted(latencies))
        self.assertGreater(latencies[0], 0)
        self.ctl("bench-key", "job:1", "-c", "10", status=REFUSED)
        self.ctl("bench-key", key, "-l", "none", status=REFUSED)
        self.assertIn("limit", self.said)

    def test_top_wants_a_terminal(self):
        self.ctl("top", status=USAGE)
        self.assertIn("terminal", self.said)


class WholeOverUnix(Whole):
    place = 1


class Admins(Asked):
    """A daemon with a token and a state."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="allowctl-")
        cls.token = os.path.join(cls.directory.name, "token")
        with open(os.open(cls.token, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(f" {TOKEN}\n")
        cls.config = f"admin_token_file: {cls.token}\n" + LIMITS
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.directory.cleanup()

    def admin(self, *arguments, **options):
        return self.ctl("--token-file", self.token, *arguments, **options)

    def test_the_token_opens(self):
        self.ctl("status", status=REFUSED)
        self.assertRegex(self.said, r"401 Unauthorized: .*\(--token-file names the file of the token\)")
        self.admin("status")
        ended, _, error = run("status", server=self.server(), ALLOWD_TOKEN_FILE=self.token)
        self.assertEqual((ended, error), (DONE, ""))

    def test_the_token_is_in_no_command_line_and_no_output(self):
        _, out, error = run("status", "--token", TOKEN)
        self.assertNotIn(TOKEN, out + error)
        ended, out, error = run("status", "-s", f"http://admin:{TOKEN}@127.0.0.1:1")
        self.assertEqual(ended, USAGE)
        self.assertNotIn(TOKEN, out + error)

    def test_files_that_hold_no_token(self):
        for name, text in (("empty", ""), ("two words", "a b"), ("long", "x" * 513), ("huge", "x" * 5000),
                           ("field", "x\r\nEvil: 1"), ("control", "x\x1b[2J")):
            path = os.path.join(self.directory.name, name)
            with open(path, "w", encoding="ascii", newline="") as file:
                file.write(text)
            self.ctl("status", "--token-file", path, status=USAGE)
        self.ctl("status", "--token-file", self.directory.name + "/none", status=USAGE)
        self.assertIn("No such file", self.said)

    def test_reload(self):
        out = lines_of(self.admin("reload"))
        self.assertEqual((out["status"], out["limits"]), ("reloaded", "6"))
        self.daemon.write_config(self.config + "nonsense: 1\n")
        self.admin("reload", status=FAULTY)
        self.assertRegex(self.said, r"422 .*\nallowctl: line \d+: .*nonsense")
        self.daemon.write_config(self.config)

    def test_overrides(self):
        key = self.key("login:")
        out = self.admin("override", "put", "-l", "login", "--burst", "50", "--rate", "5/s", "--until",
                         "2099-12-31T23:59:59Z", "--reason", "sale \u202e", key)
        self.assertRegex(out, rf"\nlogin +50 at 5/s +2099-12-31T23:59:59Z +run time +{key} +sale \\u202e\n")
        self.assertIn("A restart forgets it", out)
        self.assertEqual(lines_of(self.admin("status", key))["remaining"], "50 of 50")
        self.assertIn(f" {key} ", self.admin("override", "list", "-l", "login"))
        self.admin("override", "put", "-l", "login", "--action", "deny", key)
        self.ctl("allow", key, status=DENIED)
        self.assertRegex(self.admin("override", "list", key, "-l", "login"),
                         rf"\nlogin +nothing +for ever +run time +{key}\n$")
        out = self.admin("override", "delete", "-l", "login", key)
        self.assertTrue(out.startswith("dropped\n"))
        self.assertNotIn(key, self.admin("override", "list"))
        self.admin("override", "delete", "-l", "login", key, status=REFUSED)
        self.assertIn("404 Not Found: ", self.said)
        self.admin("override", "put", "-l", "login", "--burst", "1", key, status=FAULTY)
        self.assertIn("422", self.said)

    def test_override_of_several_buckets(self):
        key = self.key("login:")
        def put(*options, **expected):
            return self.admin("override", "put", "-l", "login", *options, key, **expected)
        out = put("--bucket", "name=second,burst=5,rate=5/s", "--bucket", "name=hour,burst=100,rate=100/h,debt_max=7",
                  "--reason", 'say "\u202e"', "--until", "2099-12-31T23:59:59Z")
        self.assertRegex(out, rf'\nlogin +5 at 5/s, 100 at 100/h +2099-12-31T23:59:59Z +run time +{key} +say "\\u202e"\n')
        buckets = json.loads(self.admin("status", key, "--json"))["buckets"]
        self.assertEqual([(bucket["name"], bucket["burst"]) for bucket in buckets], [("second", 5), ("hour", 100)])
        put("--bucket", "name=second,burst=1k,rate=5/s", "--bucket", "name=hour,burst=9,rat=9/h", status=FAULTY)
        self.assertIn('allowctl: bucket 1: burst "1k" is not a number', self.said)
        self.assertIn('allowctl: bucket 2: unknown name "rat"', self.said)
        put("--bucket", "name=a,burst=5,rate=5/s", "--burst", "5", status=FAULTY)
        self.assertIn("burst is given beside buckets", self.said)
        for wrong in ("", ",", "name", "name=a,", "=a", "name=a,,burst=1", "name=a,burst"):
            put("--bucket", wrong, status=USAGE)
            self.assertIn(f'--bucket "{wrong}" is none; write name=NAME,burst=N,rate=RATE', self.said)
        put("--bucket", "name=\udcff,burst=5,rate=5/s", status=REFUSED)
        self.assertIn("not JSON", self.said)
        put("--bucket", "name=a,name=b,burst=5,rate=5/s", status=REFUSED)
        put(*(33 * ("--bucket", "name=a,burst=1,rate=1/s")), status=USAGE)
        self.assertIn("more than 32 times", self.said)
        self.admin("override", "delete", "-l", "login", key)

    def test_override_of_slots(self):
        key = self.key("job:")
        self.assertRegex(self.admin("override", "put", "-l", "jobs", "--concurrent", "8", key), r"\njobs +8 slots ")
        self.admin("override", "delete", "-l", "jobs", key)

    def test_events(self):
        key = self.key("login:")
        self.ctl("allow", key, "-n", "5")
        self.ctl("allow", key, status=DENIED)
        out = self.admin("events", "--no-follow", "-p", key)
        self.assertRegex(out, rf"^\d{{4}}-\d\d-\d\dT[\d:.]+Z  denied +limit=login key={key} count=1 tokens=1 .*\n$")
        told = json.loads(self.admin("events", "--no-follow", "-p", key, "--json"))
        self.assertEqual((told["event"], told["key"]), ("denied", key))
        self.assertEqual(self.admin("events", "--no-follow", "-p", key, "-k", "owed"), "")
        self.assertEqual(self.admin("events", "--no-follow", "-p", key, "--since", told["id"]), "")
        self.admin("events", "-k", "nonsense", status=REFUSED)
        self.assertIn("no kind of event", self.said)


class AdminsOverUnix(Admins):
    place = 1


class Fleet(unittest.TestCase):
    """What `status` shows of limits of scope fleet."""

    def block(self, out):
        """The lines of FLEET."""
        return lines_of(re.search(r"(?:^|\n)FLEET *\n(.*?)(?:\n\n|\Z)", out, re.S)[1])

    def test_a_store_out_of_reach(self):
        config = ("fleet: {name: test, store: ['unix:/nonexistent/store'], on_partition: share, sidecars: 2}\n"
                  "limits: [{name: default, burst: 10, rate: 1/d, scope: fleet}]\n")
        with Daemon(config) as daemon:
            server = "%s:%d" % daemon.address
            self.assertEqual(run("allow", "k", server=server)[0], DONE)  # of its own bucket

            def told():
                status, out, error = run("status", server=server)
                self.assertEqual((status, error), (DONE, ""))
                shown = self.block(out)
                return "trouble" in shown and shown
            shown = wait_until(told, "it says what is wrong")
        self.assertIn(shown.pop("store"), ("connecting", "down"))
        self.assertIn("No such file or directory", shown.pop("trouble"))
        self.assertEqual(shown, {"on_partition": "share", "keys": "1", "tokens in hand": "0"})

    def test_one_that_is_up(self):
        fleet = {"store": "up", "server": "redis 7.0.15", "trouble": None, "on_partition": "deny", "keys": 12345, "hand": 678}
        server = Server(http(json.dumps({"version": "1", "fleet": fleet})))
        self.addCleanup(server.close)
        status, out, error = run("status", server=server.address)
        self.assertEqual((status, error), (DONE, ""))
        self.assertEqual(self.block(out), {"store": "up", "server": "redis 7.0.15", "on_partition": "deny", "keys": "12345",
                                           "tokens in hand": "678"})


class Following(unittest.TestCase):
    """Events as they come, over a restart."""

    config = LIMITS

    def start(self, port=0):
        daemon = Daemon(LIMITS, (f"127.0.0.1:{port}",))
        self.addCleanup(daemon.stop)
        return daemon

    def deny(self, daemon, key):
        self.assertEqual(run("allow", key, "-n", "5", server="%s:%d" % daemon.address)[0], DONE)
        self.assertEqual(run("allow", key, server="%s:%d" % daemon.address)[0], DENIED)

    def test_a_restart_loses_nothing(self):
        daemon = self.start()
        port = daemon.address[1]
        reader = subprocess.Popen([ALLOWCTL, "events", "--json", "-p", "login:", "-s", f"127.0.0.1:{port}", "--since", "0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
        self.addCleanup(reader.wait)
        self.addCleanup(reader.kill)
        self.addCleanup(reader.stdout.close)
        self.addCleanup(reader.stderr.close)
        self.deny(daemon, "login:first")
        first = json.loads(reader.stdout.readline())
        self.assertEqual(first["key"], "login:first")
        self.deny(daemon, "login:second")
        second = json.loads(reader.stdout.readline())
        self.assertEqual(second["key"], "login:second")
        daemon.stop()
        self.assertRegex(reader.stderr.readline(), "the stream from 127.0.0.1:.* has ended; trying again each second")
        daemon = self.start(port)
        self.deny(daemon, "login:third")
        third = json.loads(reader.stdout.readline())
        if third["event"] == "lost":  # what the process that is gone may have kept from it
            third = json.loads(reader.stdout.readline())
        self.assertEqual(third["key"], "login:third")
        self.assertNotEqual(third["id"].split("-")[0], first["id"].split("-")[0])
        reader.send_signal(signal.SIGTERM)
        self.assertEqual(reader.wait(PATIENCE_S), -signal.SIGTERM)

    def test_nobody_reads_what_is_shown(self):
        daemon = self.start()
        self.deny(daemon, "login:x")
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([ALLOWCTL, "events", "-s", "%s:%d" % daemon.address, "--since", "0"], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False, env=ENVIRONMENT)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([ALLOWCTL, "-h"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  timeout=PATIENCE_S, check=False, env=ENVIRONMENT)
        self.assertEqual(done.returncode, FAILED, done.stderr)
        self.assertIn("standard output cannot be written", done.stderr)


class Check(unittest.TestCase):
    def check(self, text, **environment):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            return run("check", file.name, **environment)

    def test_allowd_checks(self):
        ended, _, error = self.check(LIMITS)
        self.assertEqual(ended, DONE, error)
        ended, _, error = self.check("nonsense: 1\n")
        self.assertEqual(ended, FAULTY)
        self.assertRegex(error, r"yaml:1:1: .*nonsense")

    @unittest.skipIf(os.path.exists("/usr/sbin/allowd") or os.path.exists("/usr/local/sbin/allowd"),
                     "allowd is installed here, and would be found")
    def test_without_allowd(self):
        with tempfile.TemporaryDirectory() as nothing:
            ended, _, error = self.check(LIMITS, PATH=nothing)
        self.assertEqual(ended, FAILED)
        self.assertIn("allowd, which checks the file, cannot be run here", error)


class CommandLine(unittest.TestCase):
    def refused(self, *arguments):
        ended, out, error = run(*arguments)
        self.assertEqual((ended, out), (USAGE, ""), error)
        return error

    def test_what_is_wrong_is_said(self):
        self.assertIn("a command is missing", self.refused())
        self.assertIn('there is no command "nonsense"', self.refused("nonsense"))
        self.assertIn("another word is missing: list, put, delete", self.refused("override"))
        self.assertIn("allow wants KEY", self.refused("allow"))
        self.assertIn('"y" is one word too many', self.refused("allow", "x", "y"))
        self.assertIn("allow does not take --sort", self.refused("allow", "x", "--sort", "denied"))
        self.assertIn("check does not take --json", self.refused("check", "x", "--json"))
        self.assertIn("--tokens is there twice", self.refused("allow", "x", "-n1", "-n2"))
        self.assertIn("no whole number", self.refused("keys", "-c", "0"))
        self.assertIn("no time from", self.refused("status", "--timeout", "5"))
        self.assertIn("no address", self.refused("status", "-s", "http://a b"))
        self.assertIn("no URL of HTTP", self.refused("status", "-s", "ftp://127.0.0.1"))
        self.assertNotIn("\x1b", self.refused("\x1b[2J"))

    def test_help_is_of_each_command(self):
        ended, out, _ = run("-h")
        self.assertEqual(ended, DONE)
        commands = re.findall(r"^  ((?:[a-z-]+ ?)+)", out.split("Commands:")[1].split("\n\n")[0], re.M)
        self.assertGreaterEqual(len(commands), 19)
        manual = (TOP / "man" / "allowctl.8").read_text(encoding="utf-8")
        for command in commands:
            ended, of_it, error = run(*command.split(), "-h")
            self.assertEqual((ended, error), (DONE, ""))
            self.assertTrue(of_it.startswith(f"Usage: allowctl [OPTION]... {command.strip()}"), of_it)
            self.assertRegex(manual, rf"\bIc {command.strip()}\b")
            for letter, option in re.findall(r"^  (?:-(\w), )?--([a-z-]+)", of_it, re.M):
                self.assertRegex(manual, rf"Fl {letter}\b" if letter else rf"Fl -{option}\b", command)
        for status in re.findall(r"^  (\d)  ", out.split("Exit status:")[1], re.M):
            self.assertIn(f"\n.It {status}\n", manual)

    def test_version(self):
        ended, out, _ = run("-V")
        self.assertEqual(ended, DONE)
        self.assertRegex(out, r"^allowctl \d+\.\d+\.\d+\n$")

    def test_it_needs_no_library_of_the_daemon(self):
        needed = subprocess.run(["ldd", ALLOWCTL], capture_output=True, text=True, check=True).stdout
        self.assertNotRegex(needed, "microhttpd|sodium|yaml")
        needed = subprocess.run(["ldd", ALLOWD], capture_output=True, text=True, check=True).stdout
        self.assertNotRegex(needed, "curl|curses|tinfo")


class Server:
    """Answers each connection with the same bytes, and closes it; None: says nothing."""

    def __init__(self, answer):
        self.answer, self.asked, self.open = answer, [], []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.socket.accept()
                self.asked.append(connection.recv(1 << 16))
                if self.answer is None:
                    self.open.append(connection)
                    continue
                with contextlib.suppress(OSError):
                    connection.sendall(self.answer)
                connection.close()

    def close(self):
        # A thread that waits in accept is woken by this alone.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.open:
            connection.close()


def http(body, status="200 OK", fields=""):
    body = body if isinstance(body, bytes) else body.encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{fields}Connection: close\r\n\r\n".encode() + body


class Hostile(unittest.TestCase):
    """What answers is no allowd, or nobody does."""

    def serve(self, answer):
        server = Server(answer)
        self.addCleanup(server.close)
        return server

    def asked(self, answer, *arguments, **environment):
        return run(*arguments, server=self.serve(answer).address, **environment)

    def test_nobody_is_there(self):
        held, port = closed_port()
        self.addCleanup(held.close)
        for command in (("status",), ("allow", "k"), ("keys",), ("events",), ("top",), ("bench-key", "k")):
            ended, out, error = run(*command, server=f"127.0.0.1:{port}")
            self.assertEqual((ended, out), (UNREACHABLE, ""), error)
            self.assertIn(f"no answer from 127.0.0.1:{port}: ", error)
        ended, _, error = run("status", server="unix:/nonexistent/socket")
        self.assertEqual((ended, error), (UNREACHABLE, "allowctl: no answer from unix:/nonexistent/socket: No such file or directory\n"))
        ended, _, error = run("status", server="/nonexistent/socket")
        self.assertEqual(ended, USAGE)
        self.assertIn("has unix: before it", error)

    def test_nobody_answers(self):
        ended, _, error = self.asked(None, "status", "--timeout", "200ms")
        self.assertEqual(ended, UNREACHABLE)
        self.assertIn("no answer from", error)

    def test_the_connection_breaks(self):
        for answer in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}"):
            self.assertEqual(self.asked(answer, "status")[0], UNREACHABLE, answer)

    def test_what_is_no_answer_of_allowd(self):
        for answer in (b"SSH-2.0-OpenSSH\r\n", http("<html>"), http("[]"), http("1"), http(""),
                       http("{}{}"), http(b"{\"a\":\"\xff\"}"), http('{"a":"\x1b[2J"}')):
            ended, out, error = self.asked(answer, "status", "k")
            self.assertEqual((ended, out), (UNREADABLE, ""), (answer, error))
            self.assertNotIn("\x1b", error)

    def test_an_answer_without_end(self):
        ended, _, error = self.asked(http(b" " * (17 << 20)), "status")
        self.assertEqual(ended, UNREADABLE)
        self.assertIn("larger than any of allowd's", error)
        ended, _, error = self.asked(http(b"x" * (1 << 20)), "events")
        self.assertEqual(ended, UNREADABLE)
        self.assertIn("longer than any event", error)

    def test_members_of_other_types(self):
        """Whatever is in it, it is shown or left out, and nothing breaks."""
        odd = '{"keys":[1,null,{"key":{}},{"key":"k","remaining":-1,"burst":"x","reset_after_ms":-5}],"overrides":[3,{}],' \
              '"limits":[7,{"buckets":5}],"threads":{},"counters":[],"buckets":{"a":1},"sentences":[1],"uptime_s":-3,' \
              '"cursor":null,"allowed":"yes","fleet":{"store":5,"trouble":{},"keys":"x","hand":-1},' \
              '"warnings":[1,{}],"remaining":9223372036854775807,"burst":1e400}'
        odd = odd.replace("1e400", "1e300")
        for command in (("status",), ("status", "k"), ("keys",), ("leases",), ("override", "list"),
                        ("override", "put", "k"), ("explain", "k"), ("reload",), ("leases", "status", "x")):
            ended, _, error = self.asked(http(odd), *command)
            self.assertEqual((ended, error), (DONE, ""), command)
        self.assertEqual(self.asked(http(odd), "allow", "k")[0], UNREADABLE)

    def test_what_says_neither_yes_nor_no(self):
        """Another program's JSON, with 200, must not be a yes to a script."""
        for body in ("{}", '{"allowed":"yes"}', '{"allowed":null,"remaining":1}', '{"status":"ready"}'):
            for command in (("allow", "k"), ("bench-key", "k")):
                ended, out, error = self.asked(http(body), *command)
                self.assertEqual((ended, out), (UNREADABLE, ""), (command, body))
                self.assertIn("is none of allowd's: it does not say whether the key is allowed", error)
            self.assertEqual(self.asked(http(body), "allow", "k", "--json")[:2], (UNREADABLE, body + "\n"))

    def test_escapes_are_shown(self):
        evil = "\x1b]0;owned\x07\x9b31m\u202e\r\n\x7f"
        shown = r"\u001b]0;owned\u0007\u009b31m\u202e\u000d\u000a\u007f"
        key = json.dumps({"key": evil, "limit": evil, "remaining": 1, "burst": 2, "reset_after_ms": 1, "leases": 1,
                          "slots": 1, "denied": 1, "name": evil, "until": evil, "reason": evil, "action": evil,
                          "allowed": True})
        answers = {
            ("status", "k"): key, ("allow", "k"): key, ("reset", "k"): key,
            ("keys",): f'{{"keys":[{key}],"cursor":null}}', ("leases",): f'{{"keys":[{key}],"cursor":null}}',
            ("override", "list"): f'{{"overrides":[{key}]}}', ("override", "put", "k"): key,
            ("override", "delete", "k"): key, ("leases", "status", "x"): key,
            ("explain", "k"): json.dumps({"sentences": [evil]}),
            ("status",): json.dumps({"version": evil, "limits": [{"name": evil, "match": evil, "rate": evil}],
                                     "counters": {evil: 1}, "fleet": {"store": evil, "server": evil, "trouble": evil}}),
            ("events", "--no-follow"): json.dumps({"time": evil, "event": evil, "key": evil, evil: [evil]}) + "\n",
            ("reload",): json.dumps({"status": evil, "warnings": [{"text": evil}]}),
        }
        for command, answer in answers.items():
            raw = json.dumps(json.loads(answer), ensure_ascii=False).replace("\x1b", "\\u001b").replace("\x07", "\\u0007")
            raw = raw.replace("\r", "\\r").replace("\n", "\\n")
            for body in (answer, raw + "\n"):
                for form in ((), ("--json",)):
                    with self.subTest(command=command, form=form):
                        ended, out, error = self.asked(http(body), *command, *form)
                        self.assertEqual((ended, error), (DONE, ""))
                        self.assertNotRegex(out, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
                        if form:
                            self.assertEqual(json.loads(out), json.loads(answer))
                        else:
                            self.assertIn(shown, out)

    def test_escapes_in_what_is_refused(self):
        body = json.dumps({"title": "\x1b[2J", "detail": "\x9b\u202e\n", "faults": [{"line": 1, "text": "\x07"}]})
        ended, out, error = self.asked(http(body, "400 Bad \x1b[2J"), "status")
        self.assertEqual((ended, out), (REFUSED, ""))
        self.assertNotRegex(error, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]")
        self.assertIn(r"400 \u001b[2J: \u009b\u202e\u000a", error)

    def test_the_token_goes_nowhere_else(self):
        elsewhere = self.serve(http("{}"))
        with tempfile.NamedTemporaryFile("w") as token:
            token.write(TOKEN)
            token.flush()
            here = self.serve(http("{}", "307 Temporary Redirect", f"Location: http://{elsewhere.address}/status\r\n"))
            ended, _, _ = run("status", "--token-file", token.name, server=here.address,
                              http_proxy=f"http://{elsewhere.address}", all_proxy=f"http://{elsewhere.address}")
        self.assertEqual(ended, REFUSED)
        self.assertIn(f"\r\nAuthorization: Bearer {TOKEN}\r\n".encode(), here.asked[0])
        self.assertEqual(elsewhere.asked, [])

    def test_the_crowd_ends_when_the_server_does(self):
        # The first answer is that to the look before, and there is no other.
        ended, _, _ = self.asked(http('{"allowed":true}', fields="Connection: close\r\n"), "bench-key", "k", "-c", "3")
        self.assertEqual(ended, DONE)


if __name__ == "__main__":
    unittest.main()
