#!/usr/bin/python3 -B
"""The log: what is said of the daemon's life, in which form, and that it costs nobody time."""
import concurrent.futures
import datetime
import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from harness import ALLOWD, JSON, PATIENCE_S, Connection, Daemon, request_bytes, wait_until
from metrics import Metrics
from stall import stalled
from test_threads import names

FAULTS = 100  # that one reload tells


class FullPipe(unittest.TestCase):
    """A daemon whose log is a pipe that nobody reads."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "s")
        self.config = os.path.join(directory.name, "allowd.yaml")
        self.write_config("limits: [{name: default, burst: 1000000, rate: 1/s}]\n")
        self.reading, writing = os.pipe()
        self.addCleanup(os.close, self.reading)
        self.process = subprocess.Popen([ALLOWD, "-c", self.config, "-l", "unix:" + self.path],
                                        stderr=writing)
        os.close(writing)
        self.addCleanup(self.kill)
        self.seen = b""
        self.read_until(b" ready: ")
        self.write_config("nothing: 1\n" * FAULTS)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def write_config(self, text):
        with open(self.config + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.config + ".new", self.config)

    def read(self):
        data = os.read(self.reading, 1 << 16)
        self.assertTrue(data, self.seen)
        self.seen += data

    def read_until(self, text):
        while text not in self.seen:
            self.read()

    def call(self, target):
        with Connection(self.path) as connection:
            connection.send(request_bytes("GET", target))
            return connection.receive()

    def metrics(self):
        return Metrics(self.call("/metrics").body.decode("utf-8"))

    def reload(self):
        """Has a faulty file told, which is some hundred lines."""
        name, result = "allowd_config_reloads_total", {"result": "failure"}
        before = self.metrics().value(name, **result)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.metrics().value(name, **result) > before, "the reload is done")

    def lost(self):
        return self.metrics().value("allowd_log_lines_lost_total")

    def lose(self):
        for _ in range(100):
            self.reload()
            if self.lost() > FAULTS:
                return
        self.fail("a pipe that nobody reads takes all there is")

    def test_answers_go_on(self):
        """At their pace, with none that waits for the log; so do reloads and the end."""
        self.lose()
        took_s = []
        with Connection(self.path) as connection:
            for i in range(3000):
                if i % 300 == 0:
                    self.process.send_signal(signal.SIGHUP)
                connection.send(request_bytes("GET", "/allow?key=a"))
                began = time.monotonic()
                self.assertEqual(connection.receive().status, 200)
                took_s.append(time.monotonic() - began)
        self.assertLess(sorted(took_s)[len(took_s) * 9 // 10], 1) # some may have waited for the machine
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(PATIENCE_S), 0)

    def told(self):
        """How many lines the log says were lost, in all that was read of it."""
        return sum(int(count) for count in re.findall(
            rb"^allowd: warning: (\d+) log lines? w(?:as|ere) lost: ", self.seen, re.M))

    def test_what_is_lost_is_counted_and_told(self):
        self.lose()
        lost = self.lost()
        mark = len(self.seen)
        # They may be told in parts: the log may have taken out a part of what was queued in mid-reload.
        while self.told() < lost:
            self.read()
        self.process.send_signal(signal.SIGTERM)
        self.read_until(b"allowd: stopped\n")
        self.assertEqual(self.process.wait(PATIENCE_S), 0)
        lines = self.seen[mark:].decode("utf-8").splitlines()
        self.assertEqual(self.told(), lost)
        # Each line that is there is there as a whole, as many as were not lost.
        fault = re.compile(r"allowd: (.* has changed since it was read; |error: (.*:\d+:\d+: \S|.* is faulty; )|Hangup: reloading)")
        self.assertEqual([line for line in lines if not fault.match(line)
                          and " lost: " not in line], ["allowd: Terminated: draining",
                                                       "allowd: stopped"])

    def test_its_mode_is_left_alone(self):
        """The pipe is shared: nobody else's writes may begin to fail with EAGAIN."""
        with open(f"/proc/{self.process.pid}/fdinfo/2", encoding="ascii") as file:
            flags = int(re.search(r"^flags:\s+(\d+)$", file.read(), re.M)[1], 8)
        self.assertFalse(flags & os.O_NONBLOCK)


TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
LIMITS = "limits: [{name: default, burst: 2, rate: 1/d}]\n"
JSON_LOG = "log: {format: json}\n" + LIMITS


def parse(line):
    """A line that must be one JSON object, without a name twice."""
    def once(pairs):
        names = [name for name, _ in pairs]
        if len(set(names)) != len(names):
            raise AssertionError(f"a name twice: {line!r}")
        return dict(pairs)

    event = json.loads(line, object_pairs_hook=once)
    if list(event)[:3] != ["time", "level", "message"] or not TIME.match(event["time"]):
        raise AssertionError(f"not an event: {line!r}")
    return event


class Format(unittest.TestCase):
    def start(self, config, **options):
        daemon = Daemon(config, **options)
        self.addCleanup(daemon.stop)
        return daemon

    def test_json(self):
        """From the first line to the last, each is one object; its time is now, in UTC."""
        began = datetime.datetime.now(datetime.timezone.utc)
        daemon = self.start(JSON_LOG)
        daemon.stop()
        events = [parse(line) for line in daemon.log()]
        for event in events:
            when = datetime.datetime.fromisoformat(event["time"].replace("Z", "+00:00"))
            self.assertLess(abs((when - began).total_seconds()), 2 * PATIENCE_S)
        self.assertEqual([event["level"] for event in events], ["info"] * len(events))
        messages = [event["message"] for event in events]
        self.assertRegex(messages[0], "^listening on ")
        self.assertRegex(messages[1], "^version .* ready: 1 limit, room for 1000000 keys$")
        self.assertEqual(messages[2:], ["Terminated: draining", "stopped"])

    def test_hostile_texts(self):
        """What a file holds cannot forge a line, in either form."""
        hostile = ('a\\"b\\\\c', "\\r\\nallowd: forged", "\\u2028forged", "\\u0085forged",
                   "\\e[2Jforged", "\\u202eforged", "\u00fc\u20ac\U0001f600")
        for form in ("text", "json"):
            daemon = self.start(f"log: {{format: {form}}}\n" + LIMITS)
            mark = daemon.mark()
            daemon.reload("".join(f'"{text}": 1\n' for text in hostile))
            lines = daemon.log()[mark:]
            # Behind the one that says that it reloads; the watch of files may have told of the file before.
            lines = lines[1 + next(i for i, line in enumerate(lines) if "Hangup: reloading" in line):]
            self.assertEqual(len(lines), len(hostile) + 1, lines)
            for line in lines:
                message = parse(line)["message"] if form == "json" else line
                self.assertTrue(message.startswith(
                    daemon.config_path if form == "json" else f"allowd: error: {daemon.config_path}"))
                self.assertTrue(line.isprintable(), line)
            self.assertTrue(any("\u00fc\u20ac\U0001f600" in line for line in lines), lines)
            daemon.stop()

    def test_levels(self):
        for level, wanted in (("info", {"error", "warning", "info"}),
                              ("warning", {"error", "warning"}), ("error", {"error"})):
            with self.subTest(level):
                daemon = self.start(JSON_LOG, listen=("unix:{directory}/s",))
                daemon.write_config(f"log: {{format: json, level: {level}}}\nmax_keys: 7\n" +
                                    LIMITS)
                self.reload(daemon, "success")
                daemon.write_config(f"log: {{format: json, level: {level}}}\nmax_keys: 8\n" +
                                    LIMITS)
                self.reload(daemon, "success")
                daemon.write_config("{}\nfaulty\n")
                self.reload(daemon, "failure")
                daemon.stop()
                # What the first of these reloads says before it is in force is by the old level.
                events = [parse(line) for line in daemon.log()]
                first = next(i for i, event in enumerate(events) if "max_keys" in event["message"])
                self.assertEqual({event["level"] for event in events[first + 1:]}, wanted)

    @staticmethod
    def reload(daemon, result):
        """By what is counted: the log may not say."""
        def count():
            with Connection(daemon.directory + "/s") as connection:
                connection.send(request_bytes("GET", "/metrics"))
                metrics = Metrics(connection.receive().body.decode("utf-8"))
            return metrics.value("allowd_config_reloads_total", result=result)

        before = count()
        daemon.signal(signal.SIGHUP)
        wait_until(lambda: count() > before, "the reload is done")

    def test_a_reload_changes_the_format(self):
        """In both directions, from the line on that tells of it; a faulty one changes nothing."""
        daemon = self.start(LIMITS)
        for config, is_json in ((JSON_LOG, True), ("log: {format: text, x: 1}\n", True),
                                (LIMITS, False), (JSON_LOG, True)):
            daemon.reload(config)
            line = daemon.log()[-1]
            if is_json:
                parse(line)
            else:
                self.assertTrue(line.startswith("allowd: reloaded "), line)
        daemon.stop()


DENYING = "limits: [{name: default, burst: 1, rate: 1/d}]\n"


def show(form, rate, level="info"):
    return f"log: {{format: {form}, denials: {rate}, level: {level}}}\n"


class Denials(unittest.TestCase):
    """Asks for more than the burst, which is denied whatever there is."""

    def start(self, config):
        self.daemon = Daemon(config, listen=("unix:{directory}/s",))
        self.addCleanup(self.daemon.stop)
        return self.daemon

    def call(self, method, target, headers=(), body=None):
        with Connection(self.daemon.directory + "/s") as connection:
            connection.send(request_bytes(method, target, headers, body))
            return connection.receive()

    def deny(self, key, tokens=2):
        response = self.call("GET", f"/allow?key={urllib.parse.quote(key, safe='')}&tokens={tokens}")
        self.assertEqual(response.status, 429, response)
        return response.json()

    def is_listening(self):
        try:
            Connection(self.daemon.directory + "/s").close()
            return True
        except OSError:
            return False

    def events(self):
        """Of a log in JSON, once the daemon has ended: the denials."""
        return [event for event in map(parse, self.daemon.log()) if event["message"] == "denied"]

    HOSTILE = ("plain", "a b", 'quote"quote', "back\\slash", 'x","level":"error","y":"',
               "\u2028allowd: error: forged", "\u2029", "\u202egnp.exe", "\u2066a\u2069", "\u200f",
               "allowd: stopped", "<3>allowd: error: forged", "\u00fc\u20ac\U0001f600", "%s%n", "\ufeff",
               "k" * 255, '"' * 255, "\u2028" * 85, "\U0001f600" * 63)

    def test_json(self):
        """Every key comes out as it went in, and every number is the answer's."""
        self.start(show("json", "1000000/s") + DENYING)
        answers = [self.deny(key) for key in self.HOSTILE]
        self.daemon.stop()
        for event, answer, key in zip(self.events(), answers, self.HOSTILE, strict=True):
            self.assertEqual(event["key"], key)
            self.assertEqual({name: event[name] for name in event
                              if name not in ("time", "level", "message", "more_denials")},
                             {name: answer[name] for name in
                              ("key", "limit", "tokens", "remaining", "retry_after_ms",
                               "violated-policies", "reason")})
            self.assertEqual((event["level"], event["more_denials"]), ("info", 0))
        for line in self.daemon.log():
            self.assertFalse(set(line) & set("\u2028\u2029\u202e\u2066\u2069\u200f"), line)

    def test_text(self):
        """One line each, of which the key cannot leave its quotes."""
        self.start(show("text", "1000000/s") + DENYING)
        for key in self.HOSTILE:
            self.deny(key)
        self.daemon.stop()
        pattern = re.compile(r'allowd: denied: key=("(?:[^"\\]|\\.)*") limit="default" tokens=2 '
                             r'remaining=1 retry_after_ms=never violated-policies="default" '
                             r'reason=exceeds_burst$')
        matches = [pattern.match(line) for line in self.daemon.log() if " denied: " in line]
        self.assertEqual([json.loads(match[1]) for match in matches], list(self.HOSTILE))
        self.assertEqual(self.daemon.log()[2 + len(self.HOSTILE):],
                         ["allowd: Terminated: draining", "allowd: stopped"])

    def test_kinds(self):
        """Single ones, batches, all or none, checks; overrides and several buckets."""
        self.start(show("json", "1000000/s") + """\
limits:
  - name: two
    match: "two:*"
    buckets:
      - {name: small, burst: 1, rate: 1/d}
      - {name: large, burst: 9, rate: 1/d}
  - name: trial
    match: "trial:*"
    burst: 1
    rate: 1/d
    shadow: true
  - name: default
    burst: 1
    rate: 1/d
    overrides:
      - {key: "never*", action: deny}
      - {key: "k:not-for-the-log-2", action: deny}
checks:
  - {name: edge, key: "{method}", deny_status: 403}
  - {name: keys, key: "k:{header:X-Api-Key}", deny_status: 403}
""")
        body = {"requests": [{"key": "e1"}, {"key": "e2", "tokens": 2}, {"key": "e3", "tokens": 3}]}
        self.call("POST", "/allow", [JSON], json.dumps(body).encode())
        body = {"mode": "all", "requests": [{"key": "a1"}, {"key": "a2", "tokens": 2}]}
        self.call("POST", "/allow", [JSON], json.dumps(body).encode())
        for _ in range(2):
            self.call("GET", "/check/edge")
        for _ in range(2):
            self.call("GET", "/check/keys", [("X-Api-Key", "not-for-the-log")])
        self.call("GET", "/check/keys", [("X-Api-Key", "not-for-the-log-2")])
        self.deny("two:x", 3)
        self.deny("never-me", 1)
        self.assertEqual(self.call("GET", "/allow?key=trial:x&tokens=2").status, 200)
        self.call("GET", "/status?key=e2")
        self.daemon.stop()
        seen = [(event["key"], event["tokens"], event["limit"], event["violated-policies"],
                 event.get("reason"), event.get("override")) for event in self.events()]
        self.assertEqual(seen, [
            ("e2", 2, "default", ["default"], "exceeds_burst", None),
            ("e3", 3, "default", ["default"], "exceeds_burst", None),
            ("a2", 2, "default", ["default"], "exceeds_burst", None),
            ("GET", 1, "default", ["default"], None, None),
            ("sha256:" + hashlib.sha256(b"k:not-for-the-log").hexdigest(), 1, "default",
             ["default"], None, None),
            ("sha256:" + hashlib.sha256(b"k:not-for-the-log-2").hexdigest(), 1, "default",
             ["default"], "override", None),
            ("two:x", 3, "two", ["two/small"], "exceeds_burst", None),
            ("never-me", 1, "default", ["default"], "override", "never*")])
        self.assertNotIn("not-for-the-log", "\n".join(self.daemon.log()))

    def test_as_many_as_the_rate_says(self):
        """Under load, from two front-end threads; what is not shown the next one counts."""
        clients, each = 8, 250
        self.start("threads: 2\n" + show("json", "5/366d") + DENYING)

        def hammer(number):
            with Connection(self.daemon.directory + "/s") as connection:
                for i in range(each):
                    connection.send(request_bytes("GET", f"/allow?key={number}-{i}&tokens=2"))
                    self.assertEqual(connection.receive().status, 429)

        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            list(pool.map(hammer, range(clients)))
        self.daemon.reload("threads: 2\n" + show("json", "5/365d") + DENYING)
        self.deny("last")
        self.daemon.stop()
        events = self.events()
        self.assertEqual(len(events), 6)
        self.assertEqual([event["more_denials"] for event in events], [0] * 5 +
                         [clients * each - 5])
        self.assertEqual(events[-1]["key"], "last")

    def test_in_text_the_rest_is_counted_too(self):
        self.start(show("text", "1/366d") + DENYING)
        for _ in range(2):
            self.deny("a")
        self.daemon.reload(show("text", "1/365d") + DENYING)
        for _ in range(3):
            self.deny("b")
        self.daemon.reload(show("text", "1/364d") + DENYING)
        self.deny("c")
        self.daemon.reload(show("text", "1/363d") + DENYING)
        self.deny("d")
        self.daemon.stop()
        lines = [line for line in self.daemon.log() if " denied: " in line]
        self.assertEqual(len(lines), 4)
        for line, end in zip(lines, ("exceeds_burst", ", and 1 more denial", ", and 2 more denials",
                                     "exceeds_burst")):
            self.assertTrue(line.endswith(end), line)

    def test_none_unless_asked_for(self):
        self.start("log: {format: json}\n" + DENYING)
        self.deny("a")
        self.daemon.reload(show("json", "1/s") + DENYING)
        self.deny("b")
        self.daemon.reload("log: {format: json}\n" + DENYING)
        self.deny("c")
        self.daemon.stop()
        self.assertEqual([event["key"] for event in self.events()], ["b"])

    def test_whatever_the_level(self):
        """They have a switch of their own."""
        self.daemon = Daemon(show("json", "9/s", "error") + DENYING, wait=False,
                             listen=("unix:{directory}/s",))
        self.addCleanup(self.daemon.stop)
        wait_until(self.is_listening, "it listens")
        self.deny("a")
        self.daemon.stop()
        self.assertEqual([event["key"] for event in map(parse, self.daemon.log())], ["a"])

    def test_no_secret(self):
        """Neither a token nor a header nor a target, of whatever is answered."""
        token = "secret-0123456789abcdef"
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "token")
            with open(path, "w", encoding="ascii", opener=lambda *args: os.open(*args, 0o600)) as file:
                file.write(token)
            self.start(show("json", "1000000/s") + f"admin_token_file: {path}\n" + DENYING)
            right, wrong = ("Authorization", "Bearer " + token), ("Authorization", "Bearer secret-x")
            for header in (right, wrong, ("Cookie", "secret-cookie"), ("X-Secret", "secret-field")):
                for method, target in (("GET", "/allow?key=a&tokens=2"), ("POST", "/reset?key=a"),
                                       ("POST", "/reload"), ("GET", "/metrics"), ("POST", "/refund"),
                                       ("POST", "/charge?key=a&tokens=1"),
                                       ("GET", "/allow?key=a&secret-name=secret-value"),
                                       ("GET", "/secret-path?secret-query"), ("SECRET", "/allow")):
                    self.call(method, target, [header])
            self.daemon.stop()
        self.assertEqual(len(self.events()), 4)
        self.assertNotIn("secret", "\n".join(self.daemon.log()).lower())


class Events(unittest.TestCase):
    """What happens to a daemon, in its own words, a line each."""

    def start(self, config, **options):
        daemon = Daemon(config, **options)
        self.addCleanup(daemon.stop)
        return daemon

    @staticmethod
    def allow(daemon, key):
        return daemon.call("GET", f"/allow?key={key}").status

    def test_a_life(self):
        daemon = self.start(LIMITS)
        daemon.reload("max_keys: 7\n" + LIMITS)
        daemon.reload("nothing: 1\nlimits: []\n")
        daemon.stop()
        path = daemon.config_path
        wanted = [r"listening on 127\.0\.0\.1:\d+",
                  r"version \S+ ready: 1 limit, room for 1000000 keys",
                  "Hangup: reloading",
                  "warning: max_keys has changed; it takes effect at the next start",
                  rf"reloaded {path}: \d+ limits?", "Hangup: reloading",
                  rf'error: {path}:1:1: unknown name "nothing"; .*',
                  rf"error: {path}:2:9: limits is an empty list; .*",
                  rf"error: {path} is faulty; the limits stay as they were",
                  "Terminated: draining", "stopped"]
        # Whether the watch sees a new file before the reload does is a matter of time.
        log = [line for line in daemon.log() if " has changed since it was read; " not in line]
        for line, pattern in zip(log, wanted, strict=True):
            self.assertRegex(line, f"^allowd: {pattern}$")

    def test_warnings(self):
        """At the start and at each reload, those of the file that is taken."""
        odd = ("limits:\n- {name: all, match: '*', burst: 1, rate: 1/s}\n"
               "- {name: api, match: 'api:*', burst: 2, rate: 1/s}\n"
               "- {name: default, burst: 1, rate: 1/s}\n")
        daemon = self.start(odd)
        text = rf'allowd: warning: {daemon.config_path}:3:22: match "api:\*" takes no key, because .*'
        self.assertRegex(daemon.log()[0], f"^{text}$")
        mark = len(daemon.log())
        daemon.reload(odd)
        told = [line for line in daemon.log()[mark:] if " has changed since it was read; " not in line]
        self.assertRegex(told[1], f"^{text}$")
        mark = len(daemon.log())
        daemon.reload(LIMITS)
        self.assertFalse([line for line in daemon.log()[mark:] if "warning" in line])
        daemon.stop()

    def test_without_a_file(self):
        daemon = self.start(None)
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("warning: nothing to reload: started without a configuration file")
        daemon.stop()

    def test_a_full_table(self):
        """The first is told at once, and of a thousand no second."""
        for when_full, text in (
                ("evict", r"the table is full: \d+ keys? (?:was|were) forgotten before"),
                ("deny", r"the table is full: \d+ requests? (?:was|were) denied for want of room"),
                ("allow", r"the table is full: \d+ requests? (?:was|were) allowed without being")):
            with self.subTest(when_full):
                daemon = self.start(f"max_keys: 1\nwhen_full: {when_full}\n" + LIMITS)
                began = time.monotonic()
                with Connection(daemon.address) as connection:
                    for i in range(1000):
                        connection.send(request_bytes("GET", f"/allow?key=k{i}"))
                        self.assertIn(connection.receive().status, (200, 429))
                daemon.wait_for_line("^allowd: warning: " + text)
                daemon.stop()
                told = [line for line in daemon.log() if "the table is full" in line]
                self.assertLessEqual(len(told), 1 + (time.monotonic() - began) // 60)

    def test_an_override_ends(self):
        for seconds in (2, 10, 30):  # until it starts before the end
            end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
            daemon = self.start(LIMITS.replace(
                "rate: 1/d", "rate: 1/d, overrides: [{key: a, action: deny, until: "
                             f"{end:%Y-%m-%dT%H:%M:%SZ}}}]"))
            if self.allow(daemon, "a") == 429:
                break
            daemon.stop()
        wait_until(lambda: self.allow(daemon, "a") == 200, "the override has ended")
        daemon.wait_for_line("^allowd: overrides that have ended: 1$")
        daemon.stop()

    def test_a_limit_is_gone(self):
        for threads in (0, 1):
            config = (f"threads: {threads}\nmax_keys: 100\ntick: 10ms\nlimits:\n"
                      "  - {name: default, burst: 2, rate: 1/d}\n")
            daemon = self.start(config + "  - {name: old, match: 'o*', burst: 2, rate: 1/d}\n"
                                "  - {name: older, match: 'p*', burst: 2, rate: 1/d}\n")
            for key in ("o1", "o2", "o3", "p", "x"):
                self.assertEqual(self.allow(daemon, key), 200)
            daemon.reload(
                config + "  - {name: new, was: older, match: 'p*', burst: 2, rate: 1/d}\n")
            daemon.wait_for_line('^allowd: limit "old" is gone from the configuration; '
                                 'keys forgotten that were not full: 3$')
            daemon.stop()
            self.assertNotIn("older", "\n".join(daemon.log()))

    def test_a_stall(self):
        """Of the thread that decides: told while it lasts, and when it is over."""
        daemon = self.start("threads: 1\n" + LIMITS)
        with Connection(daemon.address) as connection:
            with stalled(daemon):
                connection.send(request_bytes("GET", "/allow?key=a"))
                daemon.wait_for_line(
                    "^allowd: warning: the state thread has not answered for 1000 ms; requests are waiting$")
            self.assertEqual(connection.receive().status, 200)
        daemon.wait_for_line(r"^allowd: decisions go on after \d+ ms$")
        daemon.stop()


    def test_the_end_on_a_busy_machine(self):
        """One that has no processor for the log's thread: what is to be said is said all the same."""
        daemon = self.start(LIMITS)
        with stalled(daemon, "log"):
            daemon.signal(signal.SIGTERM)
            wait_until(lambda: not {"front", "state"} & set(names(daemon)), "all else has ended")
            time.sleep(0.4)  # longer than the end waits for a slow reader, which is what is tried
        self.assertEqual(daemon.wait(), 0)
        self.assertEqual(daemon.log()[-2:], ["allowd: Terminated: draining", "allowd: stopped"])


class Journal(unittest.TestCase):
    """The journal's end of a stream: JOURNAL_STREAM is the socket's device and inode."""

    def run_under(self, config, stream=None):
        """The lines of a life of a daemon; with a faulty configuration it ends at once."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.addCleanup(ours.close)
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "allowd.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(config)
            status = os.fstat(its.fileno())
            process = subprocess.Popen(
                [ALLOWD, "-c", path, "-l", "127.0.0.1:0"], stderr=its,
                env=os.environ | {"JOURNAL_STREAM": stream or f"{status.st_dev}:{status.st_ino}"})
            its.close()
            try:
                return self.read(process, ours, path)
            finally:
                process.kill()
                process.wait()

    def read(self, process, ours, path):
        ours.settimeout(PATIENCE_S)
        seen = b""
        while data := ours.recv(1 << 16):
            if b" ready: " in data and b" ready: " not in seen:
                with open(path, "w", encoding="utf-8") as file:
                    file.write("max_keys: 7\n" + LIMITS)
                process.send_signal(signal.SIGHUP)
            seen += data
            if b"reloaded " in data:
                process.send_signal(signal.SIGTERM)
        # On a slow machine it is noticed that the file has changed before the signal to read it comes.
        return [line for line in seen.decode("utf-8").splitlines() if "has changed since it was read" not in line]

    def test_text(self):
        lines = self.run_under(LIMITS)
        self.assertEqual([line[:3] for line in lines], ["<6>", "<6>", "<6>", "<4>", "<6>", "<6>", "<6>"])
        self.assertTrue(lines[0].startswith("<6>allowd: listening on "), lines)
        self.assertTrue(lines[3].startswith("<4>allowd: warning: max_keys has changed"), lines)

    def test_json(self):
        lines = self.run_under(JSON_LOG)
        self.assertEqual([line[:3] for line in lines], ["<6>", "<6>", "<6>", "<4>", "<6>", "<6>", "<6>"])
        self.assertEqual([parse(line[3:])["level"] for line in lines[2:4]],
                         ["info", "warning"])

    def test_a_faulty_configuration(self):
        lines = self.run_under("nothing: 1\nlimits: []\n")
        self.assertEqual(len(lines), 2)
        for line in lines:
            self.assertRegex(line, r"^<3>/.*/allowd\.yaml:\d+:\d+: ")

    def test_not_the_journal(self):
        """Standard error has been turned elsewhere, or what is said of it is nothing."""
        for stream in ("0:0", ":", "1", "", "x:y", "8:99999999999999999999", "-1:-1"):
            with self.subTest(stream):
                lines = self.run_under(LIMITS, stream or " ")
                self.assertTrue(all(line.startswith("allowd: ") for line in lines), lines)
                self.assertEqual(len(lines), 7)


if __name__ == "__main__":
    unittest.main()
