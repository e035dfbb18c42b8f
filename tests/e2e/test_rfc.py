#!/usr/bin/python3 -B
"""
What RFC 9110 and RFC 9112 ask of a server, rule by rule: tests/rfc.md says which test shows which.

The tests that show that something is refused are mostly in test_hostile_http.py; here is what
must be taken, and what must be in an answer.
"""
import unittest

import libraries
from harness import FORM, Case

FROZEN = """
tick: 10s
limits:
  - name: default
    burst: 1000
    rate: 1/d
checks:
  - name: keyed
    key: "{header:X-Key}"
    deny_status: 403
  - name: host
    key: "{host}"
    deny_status: 403
"""


class RfcCase(Case):
    config = FROZEN

    def exchange(self, raw, to_head=False):
        """Sends bytes on a connection of its own; the first answer to them."""
        connection = self.connect()
        connection.send(raw)
        return connection.receive(to_head=to_head)


class Version10(RfcCase):
    """RFC 9112, 3.2 asks for a Host in HTTP/1.1; HTTP/1.0 has none."""

    def test_http_1_0_needs_no_host(self):
        key = self.key()
        for raw in (f"GET /allow?key={key} HTTP/1.0\r\n\r\n",
                    f"GET /check/keyed HTTP/1.0\r\nX-Key: {key}\r\n\r\n",
                    f"POST /allow HTTP/1.0\r\n{FORM[0]}: {FORM[1]}\r\n"
                    f"Content-Length: {len(key) + 4}\r\n\r\nkey={key}",
                    f"GET /allow?key={key} HTTP/1.0\r\nHost: a\r\n\r\n"):
            with self.subTest(raw):
                before = self.remaining(key)
                connection = self.connect()
                connection.send(raw.encode())
                self.assertEqual(connection.receive().status, 200)
                self.assertIsNone(connection.receive())
                self.assertEqual(self.remaining(key), before - 1)
        for path in ("/healthz", "/readyz", "/status", "/metrics", "/keys"):
            with self.subTest(path):
                self.assertEqual(self.exchange(f"GET {path} HTTP/1.0\r\n\r\n".encode()).status,
                                 200)
        self.assertEqual(self.exchange(b"POST /reset?key=k HTTP/1.0\r\n\r\n").status, 200)

    def test_bare_line_feeds_in_http_1_0(self):
        key = self.key()
        served = libraries.answer(self.daemon, "a bare LF at the end of a line") == "200, goes on"
        connection = self.connect()
        connection.send(f"GET /allow?key={key} HTTP/1.0\nUser-Agent: a\n\n".encode())
        self.assertEqual(connection.receive().status, 200 if served else 400)
        self.assertIsNone(connection.receive())
        self.assertEqual(self.remaining(key), 999 if served else 1000)

    def test_a_hand_written_denial_is_told_in_http_1_0(self):
        key = self.key()
        self.allow(key, "&tokens=1000")
        response = self.exchange(f"GET /allow?key={key} HTTP/1.0\r\n\r\n".encode())
        self.assertEqual(response.status, 429)
        self.assertIsNotNone(response.header("Retry-After"))

    def test_http_1_0_keeps_alive_without_a_host(self):
        """Kept where it is asked for, in whatever case, and never else."""
        for field, stays in (("", False), ("Connection: keep-alive\r\n", True),
                             ("Connection: Keep-Alive\r\n", True),
                             ("Connection: keep-alive, close\r\n", False)):
            with self.subTest(field):
                connection = self.connect()
                for _ in range(2):
                    connection.send(f"GET /status HTTP/1.0\r\n{field}\r\n".encode())
                    response = connection.receive()
                    self.assertEqual(response.status, 200)
                    if not stays:
                        self.assertIsNone(connection.receive())
                        break
                    self.assertEqual(response.header("Connection").lower(), "keep-alive")

    def test_a_check_of_the_host_lacks_it_in_http_1_0(self):
        self.assert_problem(self.exchange(b"GET /check/host HTTP/1.0\r\n\r\n"), 403,
                            "lacks a part")


if __name__ == "__main__":
    unittest.main()
