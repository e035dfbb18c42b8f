#!/usr/bin/python3 -B
"""
Waiting, over HTTP: who waits is answered when the tokens are there and in the order of arrival, who
leaves gives the promise back, and whatever happens each is answered once.

ALLOWD_WAITERS sets how many wait at a time in Crowd, and ALLOWD_WATCH_S for how long they are watched.
"""
import contextlib
import http.client
import json
import os
import re
import resource
import select
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from harness import JSON, PATIENCE_S, SANITIZED, Case, Connection, Daemon, request_bytes, wait_until
from metrics import Metrics

HOUR = "&wait=1h"

# A token a tick where somebody is to be let go, and none for hours where nobody is.
LIMITS = """
tick: 50ms
wait_max: 1h
waiting_per_key: 1000
limits:
  - {name: fast, match: "fast:*", burst: 1, rate: 20/s}
  - {name: steady, match: "steady:*", burst: 1, rate: 4/s}
  - {name: slow, match: "slow:*", burst: 100, rate: 100/h}
  - {name: trial, match: "trial:*", burst: 1, rate: 1/s, shadow: true}
  - name: default
    burst: 10
    rate: 10/h
    overrides:
      - {key: free, action: allow}
      - {key: spam, action: deny}
checks:
  - {name: patient, key: "slow:{header:X-Key}", wait: 1h, deny_status: 429}
"""


def get(target):
    return request_bytes("GET", target)


class Waiting(Case):
    """Helpers; the subclasses say how many threads there are."""
    threads = 1
    limits = LIMITS

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="allowd-wait-")
        cls.unix = os.path.join(cls.folder.name, "socket")
        cls.daemon = Daemon(f"threads: {cls.threads}\n{cls.limits}",
                            ("127.0.0.1:0", f"unix:{cls.unix}"))

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()
        cls.folder.cleanup()

    def status(self, key):
        return self.call("GET", f"/status?key={key}").json()

    def waiting(self):
        return self.counters()["waiting"]

    def wait_for(self, count):
        """Until so many wait."""
        wait_until(lambda: self.waiting() == count, f"{count} wait")

    def drain_bucket(self, key, tokens):
        self.assertEqual(self.allow(key, f"&tokens={tokens}").status, 200)

    def begin_wait(self, key, more=HOUR, address=None):
        """A connection whose request waits."""
        before = self.waiting()
        connection = Connection(address or self.daemon.address)
        self.addCleanup(connection.close)
        connection.send(get(f"/allow?key={key}{more}"))
        self.wait_for(before + 1)
        return connection

    def assert_silent(self, connection):
        self.assertEqual(select.select([connection.socket], [], [], 0)[0], [])


class Answers(Waiting):
    """What is said, with a state thread beside one that serves."""

    def test_who_need_not_wait_does_not(self):
        answer = self.allow(self.key("fast:"), "&wait=1h").json()
        self.assertTrue(answer["allowed"])
        self.assertNotIn("waited_ms", answer)

    def test_the_answer_comes_with_the_tokens(self):
        key = self.key("steady:")
        self.drain_bucket(key, 1)
        began = time.monotonic()
        response = self.allow(key, "&wait=30s")
        self.assertEqual(response.status, 200, response)
        answer = response.json()
        self.assertEqual(list(answer), ["allowed", "key", "limit", "tokens", "remaining", "owed", "burst",
                                        "retry_after_ms", "reset_after_ms", "waited_ms"])
        self.assertEqual(answer["remaining"], 0)
        self.assertLessEqual(answer["waited_ms"], 1000 * (time.monotonic() - began))

    def test_who_cannot_be_served_in_time_is_told_at_once(self):
        key = self.key()
        self.drain_bucket(key, 10)
        response = self.allow(key, "&wait=30s")
        self.assertEqual(response.status, 429)
        answer = response.json()
        self.assertGreater(answer["retry_after_ms"], 30_000)
        self.assertNotIn("waited_ms", answer)
        self.assertNotIn("reason", answer)

    def test_nobody_slips_past_those_who_wait(self):
        key = self.key("slow:")
        self.drain_bucket(key, 100)
        waits = self.begin_wait(key)
        response = self.allow(key)
        self.assertEqual(response.status, 429)
        self.assertGreater(response.json()["retry_after_ms"], 36_000)  # behind the one that waits
        self.assertEqual(self.allow(key, "&tokens=0").status, 200)
        self.assertEqual(self.call("POST", f"/reset?key={key}").status, 200)
        self.assertTrue(waits.receive().json()["allowed"])
        self.assertEqual(self.remaining(key), 99)

    def test_what_is_given_back_goes_to_those_who_wait(self):
        key = self.key("slow:")
        self.drain_bucket(key, 100)
        first, second = self.begin_wait(key, "&tokens=2" + HOUR), self.begin_wait(key)
        self.assertEqual(self.call("POST", f"/refund?key={key}&tokens=2").status, 200)
        self.assertIn("waited_ms", first.receive().json())
        self.assert_silent(second)
        self.assertEqual(self.call("POST", f"/refund?key={key}&tokens=1").status, 200)
        self.assertIn("waited_ms", second.receive().json())

    def test_overrides_and_trials_make_nobody_wait(self):
        self.assertEqual(self.allow("free", HOUR).status, 200)
        self.assertEqual(self.allow("spam", HOUR).status, 429)
        key = self.key("trial:")
        self.drain_bucket(key, 1)
        answer = self.allow(key, HOUR).json()
        self.assertEqual((answer["allowed"], answer["would_allow"]), (True, False))
        self.assertLessEqual(answer["would_wait_ms"], 1050)
        self.assertGreater(answer["would_wait_ms"], 0)

    def test_bad_input_charges_nothing(self):
        key = self.key()
        cases = {
            "&wait=61m": "longer than wait_max, 1h", "&wait=-1s": "whole number with its unit",
            "&wait=1": "with its unit", "&wait=1y": "with its unit", "&wait=": "with its unit",
            "&wait=1s&tokens=0": "tokens is 0", "&wait=1s&wait=1s": "there twice",
        }
        for parameters, detail in cases.items():
            with self.subTest(parameters):
                self.assert_problem(self.allow(key, parameters), 400, detail)
        batch = [{"key": key, "wait": "1s"}]
        self.assert_problem(self.batch(batch), 400, r"requests\[0\]: wait is there, and a batch does not wait")
        self.assert_problem(self.batch([{"key": key}], path="/allow?wait=1s"), 400, "does not wait")
        body = json.dumps({"requests": [{"key": key}], "wait": "1s"}).encode()
        self.assert_problem(self.call("POST", "/allow", [JSON], body), 400, "a batch does not wait")
        self.assertEqual(self.remaining(key), 10)

    def test_a_check_waits(self):
        name = self.key()
        key = "slow:" + name
        self.drain_bucket(key, 100)
        before = self.waiting()
        connection = self.connect()
        connection.send(request_bytes("GET", "/check/patient", [("X-Key", name)]))
        self.wait_for(before + 1)
        self.assert_silent(connection)
        self.assertEqual(self.call("POST", f"/refund?key={key}&tokens=1").status, 200)
        self.assertEqual(connection.receive().status, 200)
        self.assertEqual(self.remaining(key), 0)

    def test_those_who_are_many_are_bounded(self):
        key = self.key("slow:")
        self.drain_bucket(key, 100)
        reply = self.call("GET", "/metrics").body.decode()
        before = Metrics(reply)
        waits = self.begin_wait(key)
        after = Metrics(self.call("GET", "/metrics").body.decode())
        self.assertEqual(after.value("allowd_waiting"), before.value("allowd_waiting") + 1)
        waits.close()
        self.wait_for(before.value("allowd_waiting"))


class Leaving(Waiting):
    """Whoever leaves gives the promise back, and is not charged."""

    def assert_given_back(self, key, left_before, count, tokens=0):
        self.wait_for(0)
        wait_until(lambda: self.counters()["waits_left"] == left_before + count, "all have left")
        status = self.status(key)
        self.assertEqual(status["remaining"], tokens)

    def test_each_way_to_leave(self):
        ends = {
            "close": lambda one: one.close(),
            "reset": lambda one: one.reset(),
            "half-close": lambda one: one.half_close(),
        }
        behind = self.key("behind:")
        for address in (self.daemon.address, self.unix):
            for name, end in ends.items():
                for pipelined in (0, 1, 200):
                    with self.subTest(address=address, end=name, pipelined=pipelined):
                        key = self.key("slow:")
                        self.drain_bucket(key, 100)
                        left = self.counters()["waits_left"]
                        connection = self.begin_wait(key, address=address)
                        connection.send(get(f"/allow?key={behind}") * pipelined)
                        end(connection)
                        self.assert_given_back(key, left, 1)
                        if name == "half-close":
                            self.assertIsNone(connection.receive())
        self.assertEqual(self.remaining(behind), 10)

    def test_however_much_is_behind(self):
        """So much that the client's end finds no room in allowd's socket."""
        for address in (self.daemon.address, self.unix):
            for size in (20_000, 100_000, 3_000_000):
                for end in (Connection.close, Connection.reset):
                    key = self.key("slow:")
                    self.drain_bucket(key, 100)
                    left = self.counters()["waits_left"]
                    connection = self.begin_wait(key, address=address)
                    request = get(f"/allow?key={key}&tokens=0")
                    connection.socket.setblocking(False)
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        for _ in range(size // 20_000):
                            connection.send(request * (20_000 // len(request)))
                    end(connection)
                    self.assert_given_back(key, left, 1)

    def test_the_end_may_come_with_the_request(self):
        key = self.key("slow:")
        self.drain_bucket(key, 100)
        for address in (self.daemon.address, self.unix):
            for end in (Connection.half_close, Connection.close):
                connection = Connection(address)
                connection.send(get(f"/allow?key={key}{HOUR}"))
                end(connection)
                if end is Connection.half_close:
                    self.assertIsNone(connection.receive())
                    connection.close()
        self.wait_for(0)
        self.assertEqual(self.remaining(key), 0)

    def test_a_half_closed_one_is_answered_if_it_need_not_wait(self):
        with self.connect() as connection:
            connection.send(get(f"/allow?key={self.key()}{HOUR}"))
            connection.half_close()
            self.assertTrue(connection.receive().json()["allowed"])
            self.assertIsNone(connection.receive())

    def test_two_hundred_are_killed(self):
        """Those behind them move up."""
        key = self.key("slow:")
        self.drain_bucket(key, 100)
        left = self.counters()["waits_left"]
        addresses = [self.daemon.address, self.unix]
        # Each is promised a token of its own, 36 s behind the one before.
        killed = [self.begin_wait(key, "&wait=1h", addresses[i % 2]) for i in range(50)]
        last = self.begin_wait(key)
        self.assertGreater(self.allow(key).json()["retry_after_ms"], 50 * 36_000)
        for _ in range(3):
            for i, connection in enumerate(killed):
                connection.reset() if i % 3 == 0 else connection.close()
            self.wait_for(1)
            killed = [self.begin_wait(key, "&wait=1h", addresses[i % 2]) for i in range(50)]
        for connection in killed:
            connection.close()
        self.wait_for(1)
        self.assertEqual(self.counters()["waits_left"], left + 200)
        self.assertLessEqual(self.allow(key).json()["retry_after_ms"], 2 * 36_000)
        self.assertEqual(self.call("POST", f"/refund?key={key}").status, 200)
        self.assertIn("waited_ms", last.receive().json())
        self.assertEqual(self.remaining(key), 0)

    def test_what_is_pipelined_behind_is_served_after_it(self):
        key, other = self.key("slow:"), self.key()
        self.drain_bucket(key, 100)
        with self.connect() as connection:
            connection.send(get(f"/allow?key={key}{HOUR}") + get(f"/allow?key={other}") * 2)
            self.wait_for(1)
            self.assertEqual(self.call("POST", f"/refund?key={key}").status, 200)
            self.assertIn("waited_ms", connection.receive().json())
            self.assertEqual([connection.receive().json()["remaining"] for _ in range(2)], [9, 8])


class HostedAnswers(Answers):
    """The same where the thread that serves decides too."""
    threads = 0


class HostedLeaving(Leaving):
    threads = 0


class ManyLeaving(Leaving):
    threads = 4


class Order(Waiting):
    """Each token goes to who has waited for longest."""
    COUNT = 100 if SANITIZED else 1000
    RATE = COUNT // 4    # a second
    OWED = 200 * RATE    # for longer than it takes until all wait
    limits = f"""
tick: 2ms
wait_max: 10m
waiting_per_key: {COUNT}
max_connections: {3 * COUNT}
limits:
  - {{name: default, burst: 1, rate: {RATE}/s, debt_max: {OWED}}}
"""

    def test_in_the_order_of_arrival(self):
        """All wait, because it owes; then the debt is gone, and a tick brings a token for one."""
        key = self.key()
        self.call("POST", f"/charge?key={key}&tokens={self.OWED}")
        connections = []
        for _ in range(self.COUNT):
            connection = Connection(self.unix)
            self.addCleanup(connection.close)
            connection.send(get(f"/allow?key={key}&wait=10m"))
            connections.append(connection)
            self.assertEqual(self.remaining(key), 0)  # by then it has been read: there is one thread
        self.assertEqual(self.waiting(), self.COUNT)
        self.assertEqual(self.call("POST", f"/reset?key={key}").status, 200)
        answers, rounds, selector = [], 0, selectors.DefaultSelector()
        for number, connection in enumerate(connections):
            selector.register(connection.socket, selectors.EVENT_READ, number)
        while len(answers) < self.COUNT:
            ready = selector.select(PATIENCE_S)
            self.assertNotEqual(ready, [], "an answer is missing")
            rounds += 1
            for event in sorted((event for event, _ in ready), key=lambda event: event.data):
                response = connections[event.data].receive()
                self.assertEqual(response.status, 200)
                answers.append(event.data)
                selector.unregister(event.fileobj)
        # Those that were ready at once may have come in any order, but there were many ticks.
        self.assertGreater(rounds, self.COUNT // 20)
        self.assertEqual(answers, list(range(self.COUNT)))
        self.assertEqual(self.waiting(), 0)


class HostedOrder(Order):
    threads = 0


class Ends(unittest.TestCase):
    """Drains and reloads under those who wait."""

    def start(self, threads, more=""):
        daemon = Daemon(f"threads: {threads}\n{more}{LIMITS}")
        self.addCleanup(daemon.stop)
        return daemon

    @staticmethod
    def ask(daemon, target, method="GET"):
        return daemon.call(method, target)

    def waiting(self, daemon):
        return self.ask(daemon, "/status").json()["counters"]["waiting"]

    def begin_waits(self, daemon, count, key="slow:a"):
        connections = []
        self.ask(daemon, f"/allow?key={key}&tokens=100")
        for _ in range(count):
            connection = Connection(daemon.address)
            self.addCleanup(connection.close)
            connection.send(get(f"/allow?key={key}{HOUR}"))
            connections.append(connection)
        wait_until(lambda: self.waiting(daemon) == count, f"{count} wait")
        return connections

    def assert_sent_away(self, connection):
        response = connection.receive()
        self.assertEqual(response.status, 503, response)
        self.assertIsNone(response.header("Retry-After"))
        self.assertEqual(response.header("Connection"), "close")
        self.assertRegex(response.json()["detail"], "about to end, so nobody waits any more")
        self.assertIsNone(connection.receive())

    def test_a_drain_sends_them_away(self):
        for threads in (0, 1, 3):
            with self.subTest(threads=threads):
                daemon = self.start(threads)
                connections = self.begin_waits(daemon, 20)
                daemon.signal(signal.SIGTERM)
                for connection in connections:
                    self.assert_sent_away(connection)
                    connection.close()
                self.assertEqual(daemon.wait(), 0)
                self.assertNotRegex("\n".join(daemon.log()), "unfinished at the deadline")

    def test_during_the_delay_they_wait(self):
        daemon = self.start(1, "drain_delay: 1h\n")
        [connection] = self.begin_waits(daemon, 1)
        daemon.signal(signal.SIGTERM)
        wait_until(lambda: self.ask(daemon, "/readyz").status == 503, "it leaves")
        self.assertEqual(self.ask(daemon, "/reset?key=slow:a", "POST").status, 200)
        self.assertIn("waited_ms", connection.receive().json())
        connection.close()
        daemon.stop()

    def test_a_reload_keeps_them(self):
        for threads in (0, 1):
            with self.subTest(threads=threads):
                daemon = self.start(threads)
                connections = self.begin_waits(daemon, 20)
                daemon.reload(f"threads: {threads}\n{LIMITS}")
                self.assertEqual(self.waiting(daemon), 20)
                daemon.reload(f"threads: {threads}\n{LIMITS}".replace("burst: 100", "burst: 120"))
                self.assertEqual(self.ask(daemon, "/reset?key=slow:a", "POST").status, 200)
                for connection in connections:
                    self.assertIn("waited_ms", connection.receive().json())
                self.assertEqual(self.ask(daemon, "/status?key=slow:a").json()["remaining"], 100)
                for connection in connections:
                    connection.close()
                daemon.stop()

    def test_threads_that_go_keep_them(self):
        most = "max_connections: 80\n"  # 20 for each thread, so that not all are with one
        daemon = self.start(4, most)
        connections = self.begin_waits(daemon, 40)
        daemon.reload(f"threads: 1\n{most}{LIMITS}")
        self.assertEqual(self.waiting(daemon), 40)
        for connection in connections[:10]:
            connection.close()
        wait_until(lambda: self.waiting(daemon) == 30, "those who closed have left")
        self.assertEqual(self.ask(daemon, "/reset?key=slow:a", "POST").status, 200)
        closing = 0
        for connection in connections[10:]:
            response = connection.receive()
            self.assertIn("waited_ms", response.json())
            closing += response.header("Connection") == "close"
            connection.close()
        self.assertGreater(closing, 0)  # those of the threads that went
        self.assertEqual(self.ask(daemon, "/status?key=slow:a").json()["remaining"], 70)
        daemon.stop()

    def test_they_never_take_the_connections_of_others(self):
        daemon = self.start(1, "max_connections: 16\n")
        connections = self.begin_waits(daemon, 8)
        response = self.ask(daemon, f"/allow?key=slow:a{HOUR}")
        self.assertEqual((response.status, response.json()["reason"]), (429, "too_many_waiting"))
        others = [Connection(daemon.address) for _ in range(6)]  # some of before may still be closing
        for other in others:
            other.send(get("/healthz"))
            self.assertEqual(other.receive().status, 200)
            other.send(get("/allow?key=b"))
            self.assertEqual(other.receive().status, 200)
        for connection in connections + others:
            connection.close()
        daemon.stop()


class Leases(Waiting):
    """Slots come back at no time that can be told, so one queues for them."""
    limits = """
tick: 50ms
wait_max: 1h
limits:
  - {name: jobs, match: "jobs:*", concurrent: 1}
  - {name: default, burst: 10, rate: 10/h}
"""

    def acquire(self, key, more=""):
        return self.call("POST", f"/acquire?key={key}&ttl=1h{more}")

    def granted(self, response):
        self.assertEqual(response.status, 200, response)
        return response.json()["lease"]

    def release(self, lease):
        return self.call("POST", f"/release?lease={lease}")

    def begin_acquire(self, key, more=HOUR):
        connection = self.connect()
        connection.send(request_bytes("POST", f"/acquire?key={key}&ttl=1h{more}", body=b""))
        return connection

    def test_who_waits_gets_the_slot_that_comes_back(self):
        key = self.key("jobs:")
        lease = self.granted(self.acquire(key))
        first = self.begin_acquire(key)
        self.wait_for(1)
        second = self.begin_acquire(key)
        self.wait_for(2)
        self.release(lease)
        response = first.receive()
        self.assertIn("waited_ms", response.json())
        self.assert_silent(second)
        self.release(self.granted(response))
        self.release(self.granted(second.receive()))
        self.release(self.granted(self.acquire(key)))

    def test_at_the_deadline_it_is_over(self):
        key = self.key("jobs:")
        lease = self.granted(self.acquire(key))
        response = self.acquire(key, "&wait=200ms")
        self.assertEqual((response.status, response.json()["reason"]), (429, "wait_over"))
        self.assertGreaterEqual(response.json()["waited_ms"], 200)
        self.release(lease)

    def test_who_has_left_gets_none(self):
        key = self.key("jobs:")
        lease = self.granted(self.acquire(key))
        gone = [self.begin_acquire(key) for _ in range(20)]
        self.wait_for(20)
        for connection in gone:
            connection.close()
        self.wait_for(0)
        self.release(lease)
        self.release(self.granted(self.acquire(key)))

    def test_a_lease_granted_to_one_that_goes_comes_back(self):
        """Whichever is seen first, the grant or the end, nobody waits for the hour that it would last."""
        for number in range(40):
            key = self.key("jobs:")
            lease = self.granted(self.acquire(key))
            goes, releases = self.begin_acquire(key), self.connect()
            self.wait_for(1)
            self.daemon.signal(signal.SIGSTOP)
            releases.send(request_bytes("POST", f"/release?lease={lease}", body=b""))
            if number % 2 == 0:
                goes.close()
            else:
                goes.reset()
            self.daemon.signal(signal.SIGCONT)
            self.assertEqual(releases.receive().status, 200)
            self.release(self.granted(self.acquire(key, "&wait=10s")))
        self.wait_for(0)


class HostedLeases(Leases):
    threads = 0


class ManyLeases(Leases):
    threads = 4


class Clients(Waiting):
    """Programs as they are."""

    def assert_some_waited(self, answers):
        """All but the first, where the client asks again soon enough."""
        self.assertTrue(all(answer["allowed"] for answer in answers))
        self.assertIn(True, ["waited_ms" in answer for answer in answers])

    def url(self, key):
        return f"{self.daemon.url}/allow?key={key}&wait=5s"

    @unittest.skipIf(shutil.which("curl") is None, "curl is not installed")
    def test_curl(self):
        for where in ([], ["--unix-socket", self.unix]):
            key = self.key("steady:")
            urls = [self.url(key)] * 5  # on one connection
            shown = subprocess.run(["curl", "-sS", "--fail", "-w", "\n%{http_code} %{num_connects}\n",
                                    *where, *urls], capture_output=True, text=True, check=True,
                                   timeout=PATIENCE_S).stdout
            answers = [json.loads(line) for line in shown.splitlines() if line.startswith("{")]
            self.assertEqual([answer["allowed"] for answer in answers], [True] * 5)
            self.assert_some_waited(answers)
            self.assertEqual(re.findall(r"^(\d+) (\d+)$", shown, re.M), [("200", "1")] + [("200", "0")] * 4)

    def test_python_with_keep_alive(self):
        key = self.key("steady:")
        client = http.client.HTTPConnection(*self.daemon.address, timeout=PATIENCE_S)
        sockets, answers = set(), []
        for _ in range(5):
            client.request("GET", f"/allow?key={key}&wait=5s")
            sockets.add(client.sock.fileno())
            answers.append(json.load(client.getresponse()))
        self.assert_some_waited(answers)
        self.assertEqual(len(sockets), 1)
        client.close()

    @unittest.skipIf(shutil.which("node") is None, "node is not installed")
    def test_node_with_keep_alive(self):
        program = """
            const http = require('http');
            const agent = new http.Agent({keepAlive: true, maxSockets: 1});
            const ask = () => new Promise((done, fail) => http.get(process.argv[1], {agent}, answer => {
                const port = answer.socket.localPort;
                let text = '';
                answer.on('data', part => text += part);
                answer.on('end', () => done([answer.statusCode, JSON.parse(text), port]));
            }).on('error', fail));
            Promise.all(Array.from({length: 5}, ask)).then(all => {
                console.log(JSON.stringify(all));
                agent.destroy();
            });
        """
        shown = subprocess.run(["node", "-e", program, self.url(self.key("steady:"))], capture_output=True,
                               text=True, check=True, timeout=PATIENCE_S).stdout
        answers = json.loads(shown)
        self.assertEqual([status for status, _, _ in answers], [200] * 5)
        self.assert_some_waited([answer for _, answer, _ in answers])
        self.assertEqual(len({port for _, _, port in answers}), 1)

    @unittest.skipIf(shutil.which("curl") is None, "curl is not installed")
    def test_curl_that_is_killed(self):
        key = self.key("slow:")
        self.drain_bucket(key, 100)
        left = self.counters()["waits_left"]
        for end in (signal.SIGKILL, signal.SIGTERM):
            curl = subprocess.Popen(["curl", "-s", f"{self.daemon.url}/allow?key={key}{HOUR}"],
                                    stdout=subprocess.DEVNULL)
            self.wait_for(1)
            curl.send_signal(end)
            curl.wait(PATIENCE_S)
            self.wait_for(0)
        self.assertEqual(self.counters()["waits_left"], left + 2)
        self.assertEqual(self.remaining(key), 0)


class Crowd(unittest.TestCase):
    """Very many who wait, and nobody whose time has come: they take memory and no time."""
    KEYS = 100
    WAITERS = int(os.environ.get("ALLOWD_WAITERS", "200" if SANITIZED else "2000"))
    KIB_EACH = 24  # with the default header_room; allowd.yaml(5) says what it is
    WATCH_S = float(os.environ.get("ALLOWD_WATCH_S", "2"))

    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if hard < 2 * self.WAITERS + 200:
            self.skipTest(f"{hard} descriptors are too few for {self.WAITERS} who wait")

    @staticmethod
    def ask(connection, target):
        connection.send(get(target))
        return connection.receive()

    def watch(self, daemon):
        """What it takes of a core, in percent."""
        before, began = daemon.cpu_s(), time.monotonic()
        time.sleep(self.WATCH_S)
        return 100 * (daemon.cpu_s() - before) / (time.monotonic() - began)

    def run_with(self, tick, threads):
        config = (f"tick: {tick}\nthreads: {threads}\nwait_max: 1h\nmax_connections: {2 * self.WAITERS + 16}\n"
                  f"waiting_per_key: {self.WAITERS}\nlimits:\n"
                  f"  - {{name: default, burst: 1, rate: {self.WAITERS // self.KEYS + 1}/h}}\n")
        with Daemon(config) as daemon, Connection(daemon.address) as plain:
            self.ask(plain, "/allow?key=a")
            none = self.watch(daemon)
            before_kib = daemon.resident_kib()
            connections = [Connection(daemon.address) for _ in range(self.WAITERS)]
            for number, connection in enumerate(connections):
                connection.send(get(f"/allow?key=k{number % self.KEYS}{HOUR}"))
            counters = lambda: self.ask(plain, "/status").json()["counters"]
            wait_until(lambda: counters()["waiting"] >= self.WAITERS - self.KEYS, "all wait")
            waiting = counters()["waiting"]
            kib_each = (daemon.resident_kib() - before_kib) / self.WAITERS
            with_them = self.watch(daemon)
            print(f"tick {tick}, threads {threads}: {waiting} wait, {kib_each:.1f} KiB each, "
                  f"{none:.2f} % of a core without them, {with_them:.2f} % with", flush=True)
            if not SANITIZED:
                self.assertLess(kib_each, self.KIB_EACH)
            for connection in connections:
                connection.close()
            wait_until(lambda: counters()["waiting"] == 0, "all have left")

    def test_with_a_tick_of_a_millisecond(self):
        self.run_with("1ms", 1)

    def test_with_the_usual_tick(self):
        self.run_with("100ms", 1)

    def test_with_a_hosted_decider(self):
        self.run_with("1ms", 0)


if __name__ == "__main__":
    unittest.main()
