#!/usr/bin/python3 -B
"""/events: what readers get, how they come again, and what they cannot do to others."""
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import SANITIZED, Case, Connection, Daemon, request_bytes, wait_until
from metrics import Metrics

LIMITS = """limits:
  - {name: login, match: "login:*", burst: 1, rate: 1/d}
  - {name: default, burst: 1, rate: 1/d}
"""
LINES = ("Accept", "application/x-ndjson")


class Reader:
    """A reader that keeps each event, by a thread of its own if it follows."""

    def __init__(self, daemon, target="/events", headers=(), lines=True):
        self.events, self.beats, self.whole = [], 0, False
        host, port = daemon.address
        self.connection = http.client.HTTPConnection(host, port, timeout=120)
        self.connection.request("GET", target, headers=dict([LINES] if lines else []) | dict(headers))
        self.response = self.connection.getresponse()
        self.socket = self.response.fp.raw._sock
        if self.response.status != 200:
            return
        self.thread = threading.Thread(target=self._read_lines if lines else self._read_stream, daemon=True)
        self.thread.start()

    def _read_lines(self):
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            for line in self.response:
                if line == b"\n":
                    self.beats += 1
                else:
                    self.events.append(json.loads(line))
            self.whole = True

    def _read_stream(self):
        """As the specification of server-sent events has it."""
        fields = {}
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, AttributeError):
            for line in self.response:
                name, _, value = line.decode().removesuffix("\n").partition(":")
                if name:
                    fields[name] = value.removeprefix(" ")
                elif fields:
                    event = json.loads(fields["data"])
                    assert (event["id"], event["event"]) == (fields["id"], fields["event"])
                    self.events.append(event)
                    fields = {}
            self.whole = True

    def keys(self):
        return [event["key"] for event in list(self.events) if event["event"] == "denied"]

    def wait_for_key(self, key):
        wait_until(lambda: key in self.keys(), f"an event of {key}")

    def end(self):
        """Waits for the end that the daemon makes."""
        self.thread.join(120)
        assert not self.thread.is_alive()

    def close(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.response.close()
        self.connection.close()


def read_all(daemon, parameters=""):
    reader = Reader(daemon, f"/events?follow=no{parameters}")
    assert reader.response.status == 200, reader.response.read()
    reader.end()
    assert reader.whole
    reader.close()
    return reader.events


class EventsCase(Case):
    config = LIMITS

    def reader(self, *arguments, **options):
        reader = Reader(self.daemon, *arguments, **options)
        self.addCleanup(reader.close)
        return reader

    def deny(self, key):
        """More than the bucket holds: one event, at once."""
        self.assertEqual(self.allow(key, "&tokens=2").status, 429)

    def readers(self):
        return Metrics(self.call("GET", "/metrics").body.decode()).value("allowd_event_readers")


class Reading(EventsCase):
    def test_a_denial_is_told_to_who_follows(self):
        readers = [self.reader(lines=lines) for lines in (True, False)]
        key = self.key('login:"\\é')
        self.deny(key.replace('"', "%22").replace("\\", "%5C").replace("é", "%C3%A9"))
        for reader in readers:
            reader.wait_for_key(key)
            event, = [event for event in reader.events if event.get("key") == key]
            self.assertEqual((event["event"], event["limit"], event["count"], event["tokens"], event["reason"]),
                             ("denied", "login", 1, 2, "exceeds_burst"))
        self.assertEqual(readers[0].events[0]["id"], readers[1].events[0]["id"])

    def test_the_types(self):
        for accept, wanted in (((), "text/event-stream"), ([LINES], "application/x-ndjson"),
                               ([("Accept", "*/*")], "text/event-stream")):
            response = self.connect_and_ask("/events", accept)
            self.assertIn(f"Content-Type: {wanted}\r\n".encode(), response)
            self.assertIn(b"Cache-Control: no-store\r\n", response)
        self.assert_problem(self.call("GET", "/events", [("Accept", "application/json")]), 406, "application/x-ndjson")

    def connect_and_ask(self, target, headers=(), method="GET"):
        connection = self.connect()
        connection.send(request_bytes(method, target, headers))
        while b"\r\n\r\n" not in connection.unread:
            self.assertTrue(connection._more())
        return connection.unread

    def test_head_is_the_header_alone(self):
        connection = self.connect()
        connection.send(request_bytes("HEAD", "/events"))
        while connection._more():
            pass
        self.assertTrue(connection.unread.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertTrue(connection.unread.endswith(b"\r\n\r\n"))
        self.assertEqual(connection.unread.count(b"\r\n\r\n"), 1)
        self.assertIn(b"Content-Type: text/event-stream\r\n", connection.unread)
        self.assertNotIn(b"Content-Length", connection.unread)

    def test_http_1_0_has_no_chunks(self):
        self.deny(self.key())
        connection = self.connect()
        connection.send(b"GET /events?follow=no HTTP/1.0\r\nAccept: application/x-ndjson\r\n\r\n")
        while connection._more():
            pass
        head, _, body = connection.unread.partition(b"\r\n\r\n")
        self.assertNotIn(b"chunked", head)
        self.assertTrue([json.loads(line) for line in body.splitlines()])

    def test_a_client_of_everyday(self):
        """curl -N shows an event as it happens."""
        curl = subprocess.Popen(["curl", "-sSN", self.daemon.url + "/events?kind=denied"],
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(curl.stdout.close)
        try:
            wait_until(lambda: self.readers() > 0, "a reader")
            key = self.key()
            self.deny(key)
            lines = [curl.stdout.readline() for _ in range(4)]
            self.assertTrue(lines[0].startswith("id: "))
            self.assertEqual((lines[1], lines[3]), ("event: denied\n", "\n"))
            self.assertEqual(json.loads(lines[2].removeprefix("data: "))["key"], key)
        finally:
            curl.terminate()
            curl.wait()

    def test_filters(self):
        one, other = self.key("login:"), self.key("else:")
        for key in (one, other):
            self.deny(key)
        for parameters, wanted in (("&kind=denied", {one, other}), ("&kind=owed,denied", {one, other}),
                                   ("&kind=owed", set()), ("&limit=login", {one}), ("&limit=nosuch", set()),
                                   ("&prefix=else:", {other}), ("&prefix=" + one, {one}),
                                   ("&limit=login&prefix=else:", set())):
            with self.subTest(parameters):
                told = read_all(self.daemon, parameters)
                self.assertEqual({event["key"] for event in told if event.get("key") in (one, other)}, wanted)
                if "kind=denied" in parameters:
                    self.assertEqual({event["event"] for event in told}, {"denied"})

    def test_who_comes_again_misses_nothing(self):
        """Whoever says what it has gets the rest, once and in order, from Last-Event-ID and since alike."""
        keys = [self.key() for _ in range(20)]
        first = self.reader("/events?kind=denied")
        for key in keys[:10]:
            self.deny(key)
        first.wait_for_key(keys[9])
        first.close()
        last = next(event["id"] for event in first.events if event["key"] == keys[4])
        for key in keys[10:]:
            self.deny(key)
        by_header = self.reader("/events?kind=denied&since=0", [("Last-Event-ID", last)])
        by_header.wait_for_key(keys[-1])
        self.assertEqual([key for key in by_header.keys() if key in keys], keys[5:])
        self.assertEqual([event["key"] for event in read_all(self.daemon, f"&kind=denied&since={last}")
                          if event["key"] in keys], keys[5:])

    def test_an_id_of_another_process(self):
        told = read_all(self.daemon, "&since=00000000-77")
        self.assertEqual((told[0]["event"], told[0]["count"]), ("lost", None))
        self.assertTrue(told[0]["id"].endswith("-0"))
        self.assertEqual(told[1:], read_all(self.daemon)[:len(told) - 1])

    def test_faults(self):
        for target, detail in (("/events?kind=nosuch", "there are denied, "), ("/events?since=yesterday", "or 0"),
                               ("/events?token=x", "Authorization"), ("/events?follow=maybe", "leave it out")):
            with self.subTest(target):
                self.assert_problem(self.call("GET", target), 400, detail)

    def test_leavers_are_found_at_once(self):
        """However they leave; one that comes again in a loop takes one place."""
        before = self.readers()
        for number in range(60):
            connection = self.connect()
            connection.send(request_bytes("GET", "/events"))
            connection._more()
            [connection.close, connection.reset, connection.half_close][number % 3]()
        wait_until(lambda: self.readers() == before, "all readers gone")


class Wraps(EventsCase):
    config = "events: {keep: 10}\n" + LIMITS

    def test_what_is_lost_is_counted(self):
        keys = [self.key() for _ in range(40)]
        self.deny(keys[0])
        first = read_all(self.daemon, "&kind=denied")[-1]
        for key in keys[1:]:
            self.deny(key)
        told = read_all(self.daemon, f"&since={first['id']}")
        lost, rest = told[0], told[1:]
        self.assertEqual(lost["event"], "lost")
        numbers = [int(event["id"].split("-")[1]) for event in told]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertEqual(lost["count"], numbers[0] - int(first["id"].split("-")[1]))
        self.assertEqual([event["key"] for event in rest], keys[-10:])


class None_(EventsCase):
    config = "events: {keep: 0}\n" + LIMITS

    def test_none_are_kept(self):
        self.assert_problem(self.call("GET", "/events"), 409, "events: {keep: 10000}")


class Access(EventsCase):
    def test_who_may_read(self):
        directory = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, directory)
        path = os.path.join(directory, "token")
        with open(path, "w", opener=lambda name, flags: os.open(name, flags, 0o600), encoding="utf-8") as file:
            file.write("0123456789abcdef0123")
        self.daemon.reload(f"admin_token_file: {path}\n" + LIMITS)
        self.assertEqual(self.call("GET", "/events").status, 401)
        self.assertEqual(self.call("GET", "/events?access_token=0123456789abcdef0123").status, 401)
        good = [("Authorization", "Bearer 0123456789abcdef0123")]
        self.assert_problem(self.call("GET", "/events?access_token=0123456789abcdef0123", good), 400,
                            "/events takes since, kind, limit, prefix and follow; the token of an admin goes into a header")
        self.assertEqual(Reader(self.daemon, headers=good).response.status, 200)

    def test_under_another_name(self):
        for host, status in (("evil.example", 421), ("localhost.evil.example", 421), ("LOCALHOST:1", 400),
                             ("[::1]:80", 400), ("own.example", 421)):
            for target in ("/events?kind=x", "/status?x=1", "/keys?x=1", "/metrics?x=1"):
                with self.subTest(host, target=target):
                    connection = self.connect()
                    connection.send(request_bytes("GET", target).replace(b"localhost", host.encode()))
                    response = connection.receive()
                    if response.status != 401:    # test_who_may_read came first
                        self.assertEqual(response.status, status)
        for target in ("/allow?key=k&tokens=0", "/healthz", "/readyz"):
            connection = self.connect()
            connection.send(request_bytes("GET", target).replace(b"localhost", b"evil.example"))
            self.assertEqual(connection.receive().status, 200)


class Hosts(EventsCase):
    config = "hosts: [Allowd.example]\n" + LIMITS

    def test_a_name_that_is_listed(self):
        for host, status in ((b"allowd.EXAMPLE:10429", 200), (b"allowd.example.net", 421)):
            connection = self.connect()
            connection.send(request_bytes("GET", "/status").replace(b"localhost", host))
            self.assertEqual(connection.receive().status, status)


class Ends(unittest.TestCase):
    def deny(self, daemon, key):
        self.assertEqual(daemon.call("GET", f"/allow?key={key}&tokens=2").status, 429)

    def test_a_drain_tells_all_and_ends_readers_whole(self):
        for threads in (0, 1, 2):
            with self.subTest(threads=threads), Daemon(f"threads: {threads}\n" + LIMITS) as daemon:
                readers = [Reader(daemon, lines=lines) for lines in (True, False) * 3]
                self.deny(daemon, "a")
                daemon.signal(signal.SIGTERM)
                self.assertEqual(daemon.wait(), 0)
                for reader in readers:
                    reader.end()
                    self.assertTrue(reader.whole)
                    self.assertEqual([event["event"] for event in reader.events
                                      if event["event"] in ("denied", "drain")], ["denied", "drain"])

    def test_over_a_restart_none_is_missed_or_told_twice(self):
        told = []
        with Daemon(LIMITS) as daemon:
            reader = Reader(daemon)
            for number in range(5):
                self.deny(daemon, f"a{number}")
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait(), 0)
            reader.end()
            told += reader.events
        with Daemon(LIMITS) as daemon:
            for number in range(5):
                self.deny(daemon, f"b{number}")
            reader = Reader(daemon, "/events", [("Last-Event-ID", told[-1]["id"])])
            reader.wait_for_key("b4")
            self.deny(daemon, "b5")
            reader.wait_for_key("b5")
            told += reader.events
            reader.close()
        self.assertEqual([event["key"] for event in told if event["event"] == "denied"],
                         [f"a{number}" for number in range(5)] + [f"b{number}" for number in range(6)])
        self.assertEqual(len({event["id"] for event in told}), len(told))
        self.assertEqual([event["count"] for event in told if event["event"] == "lost"], [None])

    def test_fewer_threads_end_some_who_come_again(self):
        with Daemon("threads: 3\n" + LIMITS) as daemon:
            readers = [Reader(daemon) for _ in range(12)]
            self.deny(daemon, "a")
            for reader in readers:
                reader.wait_for_key("a")
            daemon.reload("threads: 1\n" + LIMITS)
            self.deny(daemon, "b")
            for reader in readers:
                wait_until(lambda: reader.whole or "b" in reader.keys(), "b, or an end")
                if "b" not in reader.keys():
                    again = Reader(daemon, headers=[("Last-Event-ID", reader.events[-1]["id"])])
                    again.wait_for_key("b")
                    reader.events += again.events
                    again.close()
                self.assertEqual(reader.keys(), ["a", "b"])
                reader.close()


class Bounds(unittest.TestCase):
    def test_a_thousand_may_read_and_then_it_is_503(self):
        with Daemon(LIMITS) as daemon, contextlib.ExitStack() as open_ones:
            def ask(target):
                connection = open_ones.enter_context(Connection(daemon.address))
                connection.send(request_bytes("GET", target))
                return connection
            first = ask("/events")
            first._more()
            before_kib = daemon.resident_kib()
            readers = [ask("/events") for _ in range(999)]
            for connection in readers:
                connection._more()
                self.assertTrue(connection.unread.startswith(b"HTTP/1.1 200 OK\r\n"))
            for _ in range(3):
                response = ask("/events").receive()
                self.assertEqual(response.status, 503)
                self.assertIn(b"as many follow as may, 1000;", response.body)
                self.assertIsNone(response.header("Retry-After"))
            self.assertEqual(ask("/allow?key=a").receive().status, 200)
            self.assertEqual(ask("/allow?key=a").receive().status, 429)
            for connection in readers:
                while b'"key":"a"' not in connection.unread:
                    self.assertTrue(connection._more())
            if not SANITIZED:  # a sanitizer takes memory of its own
                # 32 KiB each for what is told, and what any connection takes.
                self.assertLess(daemon.resident_kib() - before_kib, 1000 * (32 + 64))

    def test_those_who_never_read_hold_nobody_up(self):
        """Nor do they take memory without end; and of what the others are told nothing is missing."""
        with Daemon("max_connections: 1024\n" + LIMITS) as daemon, contextlib.ExitStack() as open_ones:
            for _ in range(50):
                stuck = open_ones.enter_context(Connection(daemon.address))
                stuck.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                stuck.send(request_bytes("GET", "/events?since=0"))
            readers = [Reader(daemon, "/events?since=0") for _ in range(50)]
            before_kib = daemon.resident_kib()
            with Connection(daemon.address) as asker:
                for number in range(3000):
                    asker.send(request_bytes("GET", f"/allow?key=k{number}&tokens=2"))
                    self.assertEqual(asker.receive().status, 429)
            if not SANITIZED:  # a sanitizer takes memory of its own
                self.assertLess(daemon.resident_kib() - before_kib, 16 * 1024)
            newest = read_all(daemon)[-1]["id"]
            for reader in readers:
                wait_until(lambda: reader.events and reader.events[-1]["id"] >= newest
                           or len(reader.events) >= int(newest.split("-")[1]), "the newest event")
                numbers = [int(event["id"].split("-")[1]) for event in reader.events]
                self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
                reader.close()


if __name__ == "__main__":
    unittest.main()
