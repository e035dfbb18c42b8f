#!/usr/bin/python3 -B
"""
Bodies in chunks: understood wherever a body is, within the same bounds, and nothing runs behind them.
"""
import contextlib
import json
import select
import unittest

import libraries
from harness import FORM, JSON, Connection, request_bytes, wait_until
from metrics import Metrics
from test_hostile_http import BAIT, FROZEN, HostileCase

CHUNKED = ("Transfer-Encoding", "chunked")
SHORT_MAX, LONG_MAX = 4096, 1048576
CONFIG = FROZEN + """
checks:
  - {name: keyed, key: "{header:X-Key}"}
  - {name: form, key: "{form:user}", missing: deny}
  - {name: json, key: "{json:user}", missing: deny}
"""


def chunks(body, size=None, extension=b"", end=b"0\r\n\r\n"):
    """A body as chunks of a size, or as one."""
    size = size or max(1, len(body))
    return b"".join(b"%x%s\r\n%s\r\n" % (len(piece), extension, piece)
                    for piece in (body[at:at + size] for at in range(0, len(body), size))) + end


def post(target, body, *fields, method="POST", kind=FORM):
    return request_bytes(method, target, [kind, *fields, CHUNKED]) + body


class ChunkedCase(HostileCase):
    config = CONFIG

    def exchange(self, raw, to_head=False):
        connection = self.connect()
        connection.send(raw)
        return connection.receive(to_head=to_head)

    def takes_extensions(self):
        return libraries.answer(self.daemon, "a chunk with an extension") == "200"


class Taken(ChunkedCase):
    def test_forms_on_every_route_that_takes_one(self):
        for target, taken in (("/allow", 1), ("/refund", -1), ("/reset", -999)):
            with self.subTest(target):
                key = self.key()
                self.allow(key, "&tokens=999")
                before = self.remaining(key)
                response = self.exchange(post(target, chunks(f"key={key}".encode())))
                self.assertEqual(response.status, 200)
                self.assertEqual(before - self.remaining(key), taken)

    def test_lists_on_every_route_that_takes_one(self):
        for target in ("/allow", "/status"):
            with self.subTest(target):
                key = self.key()
                body = json.dumps({"requests": [{"key": key}, {"key": key + "-2"}]}).encode()
                response = self.exchange(post(target, chunks(body, 7), kind=JSON))
                self.assertEqual(response.status, 200, response)
                self.assertEqual([result["key"] for result in response.json()["results"]],
                                 [key, key + "-2"])

    def test_bodies_that_are_ignored_are_drained(self):
        key = self.key()
        for method, target, status in (("GET", f"/allow?key={key}", 200),
                                       ("GET", "/healthz", 200), ("HEAD", "/healthz", 200),
                                       ("GET", "/status", 200), ("DELETE", f"/reset?key={key}", 200),
                                       ("GET", "/nosuch", 404), ("PUT", "/allow", 405)):
            for body in (b"", b"x", b"x" * SHORT_MAX):
                with self.subTest(method=method, target=target, body=len(body)):
                    response = self.exchange(post(target, chunks(body, 1000), method=method),
                                             to_head=method == "HEAD")
                    self.assertEqual(response.status, status)
        for method in ("GET", "POST", "PUT", "OPTIONS", "HEAD"):
            for body in (b"", b"x", b"x" * LONG_MAX):
                with self.subTest(method=method, body=len(body)):
                    key = self.key()
                    response = self.exchange(
                        post("/check/keyed", chunks(body, 60000), ("X-Key", key), method=method),
                        to_head=method == "HEAD")
                    self.assertEqual(response.status, 200)
                    self.assertEqual(self.remaining(key), 999)

    def test_a_check_finds_its_parts_in_chunks(self):
        for check, kind, make in (("form", FORM, lambda key: f"a=b&user={key}"),
                                  ("json", JSON, lambda key: json.dumps({"user": key}))):
            for size in (1, 3, 1000):
                with self.subTest(check=check, size=size):
                    key = self.key()
                    response = self.exchange(post(f"/check/{check}", chunks(make(key).encode(), size),
                                                  kind=kind))
                    self.assertEqual(response.status, 200)
                    self.assertEqual(self.remaining(key), 999)
            # Beyond what is kept of a body, a part is missing; the rest is still drained.
            response = self.exchange(post(f"/check/{check}", chunks(make("k").encode().ljust(50_000), 999),
                                          kind=kind))
            self.assert_problem(response, 403, "lacks a part")

    def test_in_any_form_that_the_standard_has(self):
        for name, value in (("case", b"CHUNKED"), ("name", b"Chunked")):
            with self.subTest(name):
                key = self.key().encode()
                raw = (b"POST /allow HTTP/1.1\r\nHost: a\r\nTRANSFER-encoding: " + value +
                       b"\r\n" + ": ".join(FORM).encode() + b"\r\n\r\n" + chunks(b"key=" + key))
                self.assertEqual(self.exchange(raw).json()["key"], key.decode())
        bodies = {
            "one": lambda body: chunks(body),
            "a byte each": lambda body: chunks(body, 1),
            "zeros": lambda body: b"000000000000000000%x\r\n%s\r\n00000\r\n\r\n" % (len(body), body),
            "upper case": lambda body: b"A\r\n%s\r\n%X\r\n%s\r\n0\r\n\r\n" % (
                body[:10], len(body) - 10, body[10:]),
            "trailers": lambda body: chunks(body, 3, end=b"0\r\nX-Sum: 1\r\nx-more:\r\n\r\n"),
        }
        for name, make in bodies.items():
            with self.subTest(name):
                key = self.key()
                response = self.exchange(post("/allow", make(f"key={key}&tokens=2".encode())))
                self.assertEqual(response.json()["key"], key)
                self.assertEqual(self.remaining(key), 998)

    def test_extensions(self):
        for extension, end in ((b";a;b=c;d=\"e f\"", b"0\r\n\r\n"), (b"", b"0;last=\"1\"\r\n\r\n")):
            with self.subTest(extension=extension, end=end):
                key = self.key()
                raw = post("/allow", chunks(f"key={key}".encode(), 2, extension, end))
                self.assert_answered(raw, "a chunk with an extension")
                self.assertEqual(self.remaining(key), 998 if self.takes_extensions() else 1000)

    def test_fields_behind_the_last_chunk_say_nothing(self):
        key = self.key()
        fields = (b"Content-Type: application/json", b"Content-Length: 3", b"Host: b",
                  b"Transfer-Encoding: gzip", b"X-Key: other", b"Origin: http://evil.test",
                  b"Sec-Fetch-Site: cross-site", b"Authorization: Bearer x", b"Cookie: a=b",
                  b"Connection: keep-alive", b"X-Forwarded-For: 192.0.2.1", b"Expect: 100-continue")
        end = b"0\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n"
        response = self.exchange(post("/allow", chunks(f"key={key}".encode(), end=end)))
        self.assertEqual(response.json()["key"], key)
        response = self.exchange(post("/check/keyed", chunks(b"abc", end=end), ("X-Key", key)))
        self.assertEqual(response.status, 200)
        self.assertEqual(self.remaining(key), 998)

    def test_cut_at_every_byte(self):
        key = self.key()
        extension = b";a=b" if self.takes_extensions() else b""
        raw = post("/allow", chunks(f"key={key}".encode(), 4, extension, b"0\r\nX: y\r\n\r\n"))
        for cut in range(1, len(raw)):
            before = self.counters()
            connection = self.connect()
            connection.send(raw[:cut])
            self.assertEqual(self.ran(before), {})
            connection.send(raw[cut:])
            self.assertEqual(connection.receive().status, 200)
            connection.close()
            self.assertEqual(self.ran(before), {"allowed": 1})

    def test_expect_continue(self):
        key = self.key()
        connection = self.connect()
        connection.send(post("/allow", b"", ("Expect", "100-continue")))
        while b"\r\n\r\n" not in connection.unread:
            self.assertTrue(connection._more())
        self.assertEqual(connection.unread, b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.unread = b""
        connection.send(chunks(f"key={key}".encode()))
        self.assertEqual(connection.receive().json()["key"], key)

    def test_longest_lists(self):
        """1 MiB, most of it blanks, in pieces of all sizes."""
        for size in (777, 4096, 65536, LONG_MAX):
            with self.subTest(size):
                key = self.key()
                body = json.dumps({"requests": [{"key": key}]}).encode().ljust(LONG_MAX)
                response = self.exchange(post("/allow", chunks(body, size), kind=JSON))
                self.assertEqual(response.json()["results"][0]["remaining"], 999)
        keys = [f"{self.key()}-{i}" for i in range(1000)]
        body = json.dumps({"requests": [{"key": key} for key in keys]}).encode()
        self.assertGreater(len(body), 16384)
        results = self.exchange(post("/allow", chunks(body, 501), kind=JSON)).json()["results"]
        self.assertEqual([result["key"] for result in results], keys)


class Refused(ChunkedCase):
    def test_beyond_the_bound(self):
        """At once, with what was sent unread, and nothing is charged."""
        key = self.key()
        for name, raw in {
                "form": post("/allow", chunks(f"key={key}&x=".encode().ljust(SHORT_MAX + 1, b"a"))),
                "small chunks": post("/allow", chunks(f"key={key}".encode().ljust(5000), 1)),
                "get": post(f"/allow?key={key}", chunks(b"a" * (SHORT_MAX + 1)), method="GET"),
                "no end": post(f"/allow?key={key}", b"7fffffffffffffff\r\n" + b"a" * 8192),
                "list": post("/allow", chunks(b" " * (LONG_MAX + 1), 65536), kind=JSON),
                "check": post("/check/keyed", chunks(b"a" * (LONG_MAX + 1), 50000), ("X-Key", key)),
        }.items():
            with self.subTest(name):
                before = self.counters()
                answer = self.talk(raw + BAIT)
                self.assertEqual(answer.count(b"HTTP/1.1"), 1)
                with Connection(self.daemon.address) as connection:
                    connection.unread = answer
                    response = connection.receive()
                self.assert_problem(response, 413, "send at most (4096|1048576) bytes")
                self.assertEqual(response.header("Connection"), "close")
                self.assertRegex(response.header("Date"), r"^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$")
                self.assertEqual(response.reason, "Content Too Large")
                self.assertEqual(self.ran(before), {})

    def test_beyond_the_bound_to_head(self):
        answer = self.talk(post("/check/keyed", chunks(b"a" * (LONG_MAX + 1)), ("X-Key", "k"),
                                method="HEAD"))
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertTrue(head.startswith(b"HTTP/1.1 413 "))
        self.assertEqual(body, b"")

    def test_behind_answers_that_came_before(self):
        """Pipelined: what was asked before is answered in order, then the refusal."""
        key = self.key()
        asked = request_bytes("GET", f"/allow?key={key}")
        connection = self.connect()
        connection.send(asked * 50 + post("/allow", chunks(b"a" * 5000)) + BAIT)
        statuses = [response.status for response in connection.receive_all()]
        self.assertEqual(statuses, [200] * 50 + [413])
        self.assertEqual(self.remaining(key), 950)

    def test_refusals_are_counted(self):
        def refused():
            text = self.call("GET", "/metrics").body.decode()
            return [line for line in text.splitlines() if 'status="413"' in line and "/check" in line]
        before = refused()
        self.talk(post("/check/keyed", chunks(b"a" * (LONG_MAX + 1)), ("X-Key", "k")))
        self.assertNotEqual(refused(), before)

    def test_what_never_ends_is_not_answered_and_harms_nobody(self):
        """Fields behind the last chunk that are longer than a connection's memory. libmicrohttpd refuses
        them, or closes."""
        connections = []
        for what in (b"5\r\nkey=a\r\n0\r\nX: " + b"a" * 50_000, b"5\r\nkey=a\r\n0\r\n" + b"X" * 50_000):
            connection = self.connect()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.send(post("/allow", what))
            connections.append(connection)
            self.assertEqual(self.call("GET", "/healthz").status, 200)
        before = self.counters()
        for connection in connections:
            if select.select([connection.socket], [], [], 0)[0] and connection._more():
                self.assertIn(self.status_of(connection.unread), (400, 413, 431))
            connection.close()
        self.assertEqual(self.ran(before), {})
        self.assertEqual(self.call("GET", "/healthz").status, 200)

    def test_malformed(self):
        for name, body in {
                "no digit": b"\r\nkey=a\r\n0\r\n\r\n", "no hex": b"g\r\nkey=a\r\n0\r\n\r\n",
                "minus": b"-1\r\nkey=a\r\n0\r\n\r\n", "plus": b"+5\r\nkey=a\r\n0\r\n\r\n",
                "0x": b"0x5\r\nkey=a\r\n0\r\n\r\n", "blank before": b" 5\r\nkey=a\r\n0\r\n\r\n",
                "blank behind": b"5 \r\nkey=a\r\n0\r\n\r\n", "quoted": b'"5"\r\nkey=a\r\n0\r\n\r\n',
                "only an extension": b";a=b\r\nkey=a\r\n0\r\n\r\n",
                "too long": b"5\r\nkey=abc\r\n0\r\n\r\n", "too short": b"9\r\nkey=a\r\n0\r\n\r\n",
                "no line end": b"5\r\nkey=a0\r\n\r\n", "CR alone": b"5\rkey=a\r0\r\r",
                "trailer that is none": b"5\r\nkey=a\r\n0\r\nnone\r\n\r\n",
        }.items():
            with self.subTest(name):
                self.assert_answered(
                    post("/allow", body),
                    "a malformed chunk, or a line behind the last one that is no field")

    def test_a_size_beyond_64_bits(self):
        for size in (b"10000000000000000", b"f" * 17, b"f" * 1000):
            with self.subTest(size):
                self.assert_answered(post("/allow", size + b"\r\n"),
                                     "a chunk of 2^64 bytes and more")

    def test_fields_behind_the_last_chunk_have_a_bound(self):
        """Up to a size they are passed over, and from there on nothing is charged."""
        for shape in (lambda n: b"X: " + b"a" * n + b"\r\n", lambda n: b"X:a\r\n" * (n // 20)):
            statuses = []
            for size in range(0, 40_000, 397):
                before = self.counters()
                answer = self.talk(post("/allow?key=t", chunks(b"", end=b"0\r\n" + shape(size) +
                                                              b"\r\n")))
                status = self.status_of(answer) if answer else None
                statuses.append(status)
                self.assertEqual(self.ran(before), {"allowed": 1} if status == 200 else {})
            served = statuses.count(200)
            self.assertGreater(served, 5)
            self.assertEqual(statuses[:served], [200] * served)
            self.assertLessEqual(set(statuses[served:]), {431, None})
            self.assertIn(431, statuses)


class Behind(ChunkedCase):
    """The end of chunks is where parsers differ: whatever one takes for it, nothing runs behind."""

    def test_nothing_runs(self):
        for expected, bodies in {
                "200": (chunks(b"key=first"),),
                "a bare LF at the end of a chunk's line": (
                    b"9\nkey=first\n0\n\n", b"9\r\nkey=first\r\n0\n\r\n"),
                "a chunk with an extension": (
                    b"9;a\nkey=first\r\n0\r\n\r\n", b"9\r\nkey=first\r\n0;a\n\r\n",
                    b"9;a\rb\r\nkey=first\r\n0\r\n\r\n", b"9;\0\r\nkey=first\r\n0\r\n\r\n"),
                "a field behind the last chunk that goes on over a second line, or holds a NUL": (
                    b"9\r\nkey=first\r\n0\r\nX: a\r\n b\r\n\r\n",
                    b"9\r\nkey=first\r\n0\r\nX: \0\r\n\r\n")}.items():
            for body in bodies:
                with self.subTest(body):
                    self.assert_answered(post("/allow", body), expected)

    def test_what_comes_once_the_answer_is_there_does_not_run_either(self):
        before = self.counters()
        connection = self.connect()
        connection.send(post("/allow", chunks(b"key=first")))
        self.assertEqual(connection.receive().header("Connection"), "close")
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(BAIT)
        self.assertIsNone(connection.receive())
        self.assertEqual(self.ran(before), {"allowed": 1})


class Memory(ChunkedCase):
    def test_more_long_lists_than_there_is_memory_for(self):
        """Room is had as bytes come: 64 of 1 MiB, or as many as fit; the rest is told, once it
        would need more."""
        clients = [self.connect() for _ in range(70)]
        body = json.dumps({"requests": [{"key": self.key()}]}).encode().ljust(LONG_MAX)
        for client in clients:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.send(post("/allow", b"%x\r\n" % LONG_MAX, kind=JSON))
                client.send(body[:-1])
        sockets = [client.socket for client in clients]
        refused = wait_until(lambda: len(told := select.select(sockets, [], [], 0)[0]) >= 6 and told,
                             "six are told that there is no memory")
        # Short ones, and what is no list, are served meanwhile.
        self.assertEqual(self.exchange(post("/allow", chunks(b"key=a"))).status, 200)
        self.assertEqual(self.exchange(post("/allow", chunks(b'{"requests":[{"key":"a"}]}'),
                                            kind=JSON)).status, 200)
        slow = 0  # whom the deadline of a body has ended, on a machine that is slow itself
        for client in clients:
            if client.socket in refused:
                response = client.receive()
                slow += response is None
                if response is not None:
                    self.assert_problem(response, 503, "no memory .* try again")
                client.close()
        statuses = []
        for client in clients:
            if client.socket not in refused:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    client.send(b" \r\n0\r\n\r\n")
                response = client.receive()
                slow += response is None
                if response is not None:
                    statuses.append(response.status)
        # On a slow machine some still grew while the others were looked at, and found no room either.
        self.assertLessEqual(set(statuses), {200, 503})
        self.assertGreaterEqual(statuses.count(200), 58 - slow)
        wait_until(lambda: Metrics(self.call("GET", "/metrics").body.decode()).value(
            "allowd_connections_shed_total", reason="slow") == slow, "each of them, and no other, was ended by that")
        again = post("/allow", chunks(body), kind=JSON)
        self.assertEqual(self.exchange(again).status, 200)


if __name__ == "__main__":
    unittest.main()
