#!/usr/bin/python3 -B
"""Checks for proxies: which key a request counts against, whatever it is and whoever sent it."""
import contextlib
import hashlib
import socket
import unittest
import urllib.parse

from harness import FORM, JSON, Case, Connection, request_bytes
from metrics import Metrics

DAY_MS = 24 * 3600 * 1000
BODY_MAX = 1 << 20
BURST = 30_000

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"

CONFIG = """
tick: 10s
threads: 2
limits:
  - {name: small, burst: 2, rate: 1/d}
  - {name: matched, match: "matched:*", burst: 7, rate: 1/d}
  - {name: default, burst: 30000, rate: 1/d}
checks:
  - {name: edge, key: "ip:{client_ip}", trusted_proxies: [127.0.0.1, "::1", unix, 10.0.0.0/8]}
  - {name: net, key: "net:{client_ip/64}", trusted_proxies: [127.0.0.0/8, unix]}
  - {name: net24, key: "net:{client_ip/24}", trusted_proxies: [127.0.0.1]}
  - {name: wary, key: "ip:{client_ip}"}
  - {name: elsewhere, key: "ip:{client_ip}", trusted_proxies: [192.0.2.1, "::1"]}
  - {name: host, key: "host:{host}", trusted_proxies: [127.0.0.1]}
  - {name: wary-host, key: "host:{host}"}
  - {name: method, key: "method:{method}", trusted_proxies: [127.0.0.1]}
  - {name: wary-method, key: "method:{method}"}
  - {name: path, key: "path:{path}", trusted_proxies: [127.0.0.1]}
  - {name: wary-path, key: "path:{path}"}
  - {name: header, key: "key:{header:X-Api-Key}"}
  - {name: all, key: "{{{header:X-Api-Key}}} {method} {host} {path} {client_ip}"}
  - {name: small, limit: small, key: "{header:X-Api-Key}"}
  - {name: by-match, key: "{header:X-Api-Key}"}
  - {name: lenient, limit: small, key: "{header:X-Api-Key}", missing: allow, deny_status: 503}
  - {name: strict, limit: small, key: "{header:X-Api-Key}", missing: deny, deny_status: 401}
  - {name: status-400, limit: small, key: "{header:X-Api-Key}", deny_status: 400}
  - {name: status-429, limit: small, key: "{header:X-Api-Key}", deny_status: 429}
  - {name: query, key: "q:{query:user}"}
  - {name: told-query, key: "q:{query:user}", trusted_proxies: [127.0.0.1, unix]}
  - {name: form, key: "f:{form:ip}"}
  - {name: json, key: "j:{json:login}"}
  - {name: any, key: "a:{header:X-Api-Key|form:key|json:key|query:key|client_ip}"}
  - {name: status-599, limit: small, key: "{header:X-Api-Key}", deny_status: 599}
"""


def hashed(text):
    return "sha256:" + hashlib.sha256(text).hexdigest()


class CheckCase(Case):
    config = CONFIG
    listen = ("127.0.0.1:0", "unix:{directory}/socket")

    def setUp(self):
        self.tcp, self.unix = self.daemon.addresses()[:2]

    def level(self, key, parameters="&limit=default"):
        return self.remaining(urllib.parse.quote(key, safe=""), parameters)

    def ask(self, check, headers=(), method="GET", address=None, host="allowd.test"):
        """One request to a check, its fields as raw bytes, and its answer."""
        raw = f"{method} /check/{check} HTTP/1.1\r\n".encode()
        for name, value in (("Host", host), *headers):
            value = value if isinstance(value, bytes) else str(value).encode()
            raw += name.encode() + b": " + value + b"\r\n"
        with Connection(address or self.tcp) as connection:
            connection.send(raw + b"\r\n")
            return connection.receive(to_head=method == "HEAD")

    def assert_counts_against(self, key, check, headers=(), **options):
        """Allowed, one token of just this key."""
        level, before = self.level(key), self.counters()
        response = self.ask(check, headers, **options)
        self.assertEqual((response.status, response.body), (200, b""), response)
        self.assertEqual(self.counted(before), {"allowed": 1})
        self.assertEqual(self.level(key), level - 1)

    def assert_missing(self, check, headers=(), **options):
        before = self.counters()
        response = self.ask(check, headers, **options)
        self.assert_problem(response, 403, "lacks a part of this check's key")
        self.assertEqual(self.counted(before), {"missing_denied": 1})


class Answers(CheckCase):
    def test_allowed(self):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PURGE",
                       "get", "M-SEARCH", "x" * 500):
            with self.subTest(method):
                key = self.key()
                response = self.ask("small", [("X-Api-Key", key)], method)
                self.assertEqual((response.status, response.reason, response.body),
                                 (200, "OK", b""))
                self.assertEqual([name for name, _ in response.fields],
                                 ["Date", "Cache-Control", "RateLimit-Policy", "RateLimit",
                                  "Content-Length"])
                self.assertEqual(response.header("Content-Length"), "0")
                self.assertEqual(response.header("RateLimit"), '"small";r=1;t=86400')
                self.assertEqual(self.level(key, "&limit=small"), 1)

    def test_denied(self):
        for check, status in (("small", 403), ("strict", 401), ("lenient", 503),
                              ("status-400", 400), ("status-429", 429), ("status-599", 599)):
            with self.subTest(check):
                key = self.key()
                self.allow(key, "&limit=small&tokens=2")
                before = self.counters()
                response = self.ask(check, [("X-Api-Key", key)])
                self.assertEqual(response.status, status)
                self.assertTrue(response.reason)
                self.assertEqual(response.header("Content-Type"), "application/problem+json")
                self.assertEqual(response.header("Cache-Control"), "no-store")
                answer = response.json()
                self.assertEqual(list(answer), ["type", "title", "status", "violated-policies",
                                                "retry_after_ms"])
                self.assertEqual((answer["type"], answer["status"], answer["violated-policies"]),
                                 (QUOTA_EXCEEDED, status, ["small"]))
                self.assertGreater(answer["retry_after_ms"], DAY_MS - 60_000)
                self.assertEqual(response.header("Retry-After"),
                                 str(answer["retry_after_ms"] // 1000))
                self.assertNotIn(key, str(response))
                self.assertEqual(self.counted(before), {"denied": 1})

    def test_head_is_denied_without_a_body(self):
        key = self.key()
        self.allow(key, "&limit=small&tokens=2")
        connection = self.connect()
        connection.send(request_bytes("HEAD", "/check/small", [("X-Api-Key", key)]) +
                        request_bytes("GET", "/check/small", [("X-Api-Key", key)]))
        head, get = connection.receive(to_head=True), connection.receive()
        self.assertEqual([field for field in head.fields if field[0] != "Date"],
                         [field for field in get.fields if field[0] != "Date"])
        self.assertEqual((head.status, get.status), (403, 403))

    def test_exactly_the_burst_passes(self):
        key = self.key("matched:")
        statuses = [self.ask("by-match", [("X-Api-Key", key)]).status for _ in range(10)]
        self.assertEqual(statuses, [200] * 7 + [403] * 3)

    def test_its_limit(self):
        key = self.key("matched:")
        self.ask("small", [("X-Api-Key", key)])
        self.assertEqual([self.level(key, f"&limit={limit}")
                          for limit in ("small", "matched", "default")], [1, 7, BURST])
        self.ask("by-match", [("X-Api-Key", key)])
        self.assertEqual([self.level(key, f"&limit={limit}")
                          for limit in ("small", "matched", "default")], [1, 6, BURST])

    def test_missing(self):
        for headers in ((), [("X-Api-Key", "")], [("X-Api-Key", " \t ")], [("X-Api", "k")]):
            with self.subTest(headers):
                before = self.counters()
                self.assert_problem(self.ask("strict", headers), 401, "lacks")
                self.assertEqual(self.counted(before), {"missing_denied": 1})
                before = self.counters()
                response = self.ask("lenient", headers)
                self.assertEqual((response.status, response.body), (200, b""))
                self.assertEqual([name for name, _ in response.fields],
                                 ["Date", "Cache-Control", "Content-Length"])
                self.assertEqual(self.counted(before), {"missing_allowed": 1})
        for check, status in (("strict", 401), ("lenient", 200)):
            self.assertEqual(self.ask(check, method="HEAD").status, status)


class Routes(CheckCase):
    def test_any_path_and_query_below(self):
        key = self.key()
        paths = ("header", "header/", "header/a/b/c", "header//", "header/..",
                 "header/%2e%2e/allow",
                 "header?", "header?key=a&key=b", "header?%zz", "header?tokens=-1&x",
                 "header/a?b/c",
                 "header/%zz", "header/%00", "header/%ff", "%68eader", "header/" + "a" * 5000)
        for path in paths:
            with self.subTest(path[:40]):
                self.assert_counts_against(f"key:{key}", path, [("X-Api-Key", key)])
        self.assertEqual(self.level(f"key:{key}"), BURST - len(paths))

    def test_there_is_no_such_check(self):
        before = self.counters()
        for path in ("nosuch", "", "/header", "Header", "HEADER", "headerx", "heade", "header%2Fx",
                     "header%00", "header;x", "%zz", "nosuch/header", ".", "a" * 65, "a" * 5000,
                     "header%20", "%ff"):
            for method in ("GET", "HEAD", "POST", "PURGE"):
                with self.subTest(path[:40], method=method):
                    response = self.ask(path, [("X-Api-Key", "k")], method)
                    self.assertEqual(response.status, 404)
                    if method != "HEAD":
                        self.assert_problem(response, 404, "no check of this name")
        for path in ("/check", "/checks/header", "/Check/header", "//check/header",
                     "/check%2Fheader"):
            self.assert_problem(self.call("GET", path, [("X-Api-Key", "k")]), 404)
        self.assertEqual(self.counted(before), {})

    def test_what_is_no_request_for_a_path(self):
        before = self.counters()
        for method, target in (("GET", "*"), ("CONNECT", "a:80"),
                               ("CONNECT", "check/header"), ("CONNECT", "/check/header"),
                               ("GET", "check/header"),
                               ("G@T", "/check/header"), ("GET", "ftp://a/check/header"),
                               ("GET", "/check/header#a"),
                               ("GET", "/check/header/\xe9")):
            with self.subTest(method, target=target):
                response = self.call(method, target, [("X-Api-Key", "k")])
                self.assertIn(response.status, (400, 404, 405))
                self.assert_problem(response, response.status)
        self.assertEqual(self.counted(before), {})

    def test_head_and_options_of_allow_still_take_nothing(self):
        before = self.counters()
        for method in ("HEAD", "OPTIONS", "PUT", "PURGE"):
            for headers, body in (((), None), ([FORM], b"key=k"),
                                  ([JSON], b'{"requests":[{"key":"k"}]}')):
                response = self.call(method, "/allow?key=k", headers, body)
                self.assertEqual((response.status, response.header("Allow")), (405, "GET, POST"))
        self.assertEqual(self.counted(before), {})


class Bodies(CheckCase):
    def test_any_body_is_ignored(self):
        key = self.key()
        bodies = (b"", b"x", b"\0\xff", b"key=other&tokens=5", b'{"requests":[{"key":"other"}]}',
                  request_bytes("GET", "/allow?key=other"), b"a" * 4097, b"\0" * 100_000,
                  b"a" * BODY_MAX)
        connection = self.connect()
        level, before = BURST, self.counters()
        for body in bodies:
            for content_type in (None, FORM, JSON):
                with self.subTest(body[:20], content_type=content_type):
                    headers = [("X-Api-Key", key)] + ([content_type] if content_type else [])
                    connection.send(request_bytes("POST", "/check/header", headers, body))
                    response = connection.receive()
                    self.assertEqual((response.status, response.body), (200, b""))
                    level -= 1
        for method in ("GET", "HEAD", "DELETE", "PURGE"):
            connection.send(request_bytes(method, "/check/header", [("X-Api-Key", key)],
                                          b"b" * 50_000))
            self.assertEqual(connection.receive(to_head=method == "HEAD").status, 200)
            level -= 1
        connection.send(request_bytes("GET", "/allow?key=after"))
        self.assertEqual(connection.receive().json()["remaining"], BURST - 1)
        self.assertEqual(self.level(f"key:{key}"), level)
        self.assertEqual(self.counted(before), {"allowed": len(bodies) * 3 + 5, "statuses": 1})

    def test_it_is_denied_with_a_body_as_without(self):
        key = self.key()
        self.allow(key, "&limit=small&tokens=2")
        connection = self.connect()
        for _ in range(3):
            connection.send(request_bytes("PUT", "/check/small", [("X-Api-Key", key)],
                                          b"a" * BODY_MAX))
            self.assertEqual(connection.receive().status, 403)

    def test_a_body_beyond_its_bounds(self):
        before = self.counters()
        for method in ("GET", "POST", "PURGE"):
            connection = self.connect()
            connection.send(request_bytes(method, "/check/header",
                                          [("X-Api-Key", "k"), ("Content-Length", BODY_MAX + 1)]))
            self.assert_problem(connection.receive(), 413, "1048576 bytes")
            self.assertIsNone(connection.receive())
        self.assertEqual(self.counted(before), {})

    def test_bodies_of_checks_take_no_memory(self):
        """More at once than there may be bytes of batches."""
        key = self.key()
        connections = [self.connect() for _ in range(80)]
        for connection in connections:
            connection.send(request_bytes("POST", "/check/header",
                                          [("X-Api-Key", key), ("Content-Length", BODY_MAX)]))
        self.assertEqual(self.allow(self.key()).status, 200)
        for connection in connections:
            connection.send(b"a" * BODY_MAX)
            self.assertEqual(connection.receive().status, 200)
        self.assertEqual(self.level(f"key:{key}"), BURST - 80)

    def test_framing_is_as_strict_as_elsewhere(self):
        before = self.counters()
        bait = request_bytes("GET", "/allow?key=bait", [("Connection", "close")])
        for headers in ([("Transfer-Encoding", "gzip, chunked")],
                        [("Transfer-Encoding", "chunked"), ("Content-Length", "0")],
                        [("Content-Length", "0"), ("Content-Length", str(len(bait)))],
                        [("Content-Length", "3"), ("Content-Length", "3")], [("Host", "b")]):
            with self.subTest(headers):
                connection = self.connect()
                connection.send(request_bytes("POST", "/check/header",
                                              [("X-Api-Key", "k"), *headers]) + bait)
                self.assertEqual([response.status for response in connection.receive_all()], [400])
        self.assertEqual(self.counted(before), {})


def forwarded_for(*values):
    return [("X-Forwarded-For", value) for value in values]


class ClientIp(CheckCase):
    FOUND = (
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7, 127.0.0.1"], "203.0.113.7"),
        (["203.0.113.7,10.1.2.3,\t127.0.0.1 "], "203.0.113.7"),
        (["192.0.2.9, 203.0.113.7"], "203.0.113.7"),
        (["192.0.2.9", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7", "127.0.0.1, 10.0.0.1", "::1"], "203.0.113.7"),
        (["127.0.0.1", "10.0.0.1"], "127.0.0.1"),
        (["unknown, 203.0.113.7"], "203.0.113.7"),
        (["<script>", "203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (["::ffff:203.0.113.7"], "203.0.113.7"),
        (["::FFFF:cb00:7107"], "203.0.113.7"),
        (["[::ffff:203.0.113.7]:80"], "203.0.113.7"),
        (["2001:DB8:0:0::7"], "2001:db8::7"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["[2001:db8::7]:443, ::ffff:127.0.0.1"], "2001:db8::7"),
        ([", ".join(["192.0.2.9"] * 400 + ["203.0.113.7"])], "203.0.113.7"),
        ([", ".join(["203.0.113.7"] + ["10.0.0.1"] * 400)], "203.0.113.7"),
        (["x" * 5000 + ", 203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7"] + ["10.0.0.1"] * 80, "203.0.113.7"),
    )
    UNREADABLE = (
        ["unknown"], [""], [","], ["203.0.113.7,"], ["203.0.113.7, "], ["203.0.113.7, , 127.0.0.1"],
        ["203.0.113.7, _hidden"], ["203.0.113.7", ""], ["203.0.113.7 127.0.0.1"], ['"203.0.113.7"'],
        ["203.0.113"], ["203.0.113.256"], ["0203.0.113.7"], ["203.0.113.7:"], ["203.0.113.7:x"],
        ["203.0.113.7:65536"], ["2001:db8::7::1"], ["[2001:db8::7"], ["2001:db8::7]"],
        ["fe80::1%eth0"],
        ["[203.0.113.7]"], ["203.0.113.7/32"], [b"203.0.113.\xb2"], [b"\xff"], ["a" * 5000],
        [", ".join(["10.0.0.1"] * 400)[1:-1] + ", evil"], ["\u0662\u0660\u0663.0.113.7"],
    )

    def test_from_a_trusted_peer(self):
        for address in (self.tcp, self.unix):
            for values, ip in self.FOUND:
                with self.subTest([value[:60] for value in values], address=address):
                    self.assert_counts_against(f"ip:{ip}", "edge", forwarded_for(*values),
                                               address=address)

    def test_what_cannot_be_read_is_missing(self):
        for address in (self.tcp, self.unix):
            for values in self.UNREADABLE:
                with self.subTest([value[:60] for value in values], address=address):
                    self.assert_missing("edge", forwarded_for(*values), address=address)

    def test_from_a_peer_that_is_not_trusted(self):
        for check in ("wary", "elsewhere"):
            for values in ([], ["203.0.113.7"], ["unknown"], ["203.0.113.7"] * 50, [""]):
                with self.subTest(check, values=values[:2]):
                    self.assert_counts_against("ip:127.0.0.1", check, forwarded_for(*values))
                    # A Unix socket's peer has no address of its own.
                    self.assert_missing(check, forwarded_for(*values), address=self.unix)

    def test_without_the_field(self):
        self.assert_counts_against("ip:127.0.0.1", "edge")
        self.assert_missing("edge", address=self.unix)
        for name in ("Forwarded", "X-Real-IP", "X-Forwarded-Fo", "X-Forwarded-For2"):
            self.assert_counts_against("ip:127.0.0.1", "edge", [(name, "203.0.113.7")])

    def test_networks(self):
        for ip, key in (("2001:db8:1:2:3:4:5:6", "net:2001:db8:1:2::"),
                        ("2001:db8:1:2:ffff::", "net:2001:db8:1:2::"), ("::2", "net:::"),
                        ("203.0.113.7", "net:203.0.113.7"),
                        ("::ffff:203.0.113.7", "net:203.0.113.7")):
            with self.subTest(ip):
                self.assert_counts_against(key, "net", forwarded_for(ip))
        self.assert_counts_against("net:203.0.113.0", "net24", forwarded_for("203.0.113.7"))
        self.assert_counts_against("net:2001:d00::", "net24", forwarded_for("2001:db8::7"))


@unittest.skipUnless(socket.has_ipv6, "without IPv6")
class Ipv6Peer(CheckCase):
    listen = ("[::1]:0", "unix:{directory}/socket")

    @classmethod
    def setUpClass(cls):
        with contextlib.closing(socket.socket(socket.AF_INET6)) as probe:
            try:
                probe.bind(("::1", 0))
            except OSError as error:
                raise unittest.SkipTest(f"::1: {error}")
        super().setUpClass()

    def test_trusted_or_not(self):
        self.assert_counts_against("ip:203.0.113.7", "edge", forwarded_for("203.0.113.7, ::1"))
        self.assert_counts_against("ip:203.0.113.7", "elsewhere", forwarded_for("203.0.113.7"))
        self.assert_counts_against("ip:::1", "edge")
        self.assert_counts_against("ip:::1", "wary", forwarded_for("203.0.113.7"))
        self.assert_counts_against("net:::", "net", forwarded_for("203.0.113.7"))


FORM_TYPE = "application/x-www-form-urlencoded"
JSON_TYPE = "application/json"


class BodyParts(CheckCase):
    """Parts of the query and of the body."""

    def post(self, check, body, content_type=FORM_TYPE, method="POST", framing=None, address=None):
        raw = (f"{method} /check/{check} HTTP/1.1\r\nHost: a\r\n"
               f"{framing or f'Content-Length: {len(body)}'}\r\n").encode()
        if content_type is not None:
            raw += f"Content-Type: {content_type}\r\n".encode()
        with Connection(address or self.tcp) as connection:
            connection.send(raw + b"\r\n" + body)
            return connection.receive()

    def assert_charged(self, key, check, body=b"", **options):
        level, before = self.level(key), self.counters()
        response = self.post(check, body, **options)
        self.assertEqual((response.status, response.body), (200, b""), response)
        self.assertEqual(self.counted(before), {"allowed": 1})
        self.assertEqual(self.level(key), level - 1)

    def assert_lacks(self, check, body=b"", **options):
        before = self.counters()
        response = self.post(check, body, **options)
        self.assertEqual(response.status, 403, response)
        self.assertEqual(self.counted(before), {"missing_denied": 1})

    def test_query(self):
        for target in ("query?user=alice", "query/a/b?x=y&user=alice", "query?user=%61lice", "query?%75ser=alice"):
            with self.subTest(target):
                self.assert_counts_against("q:alice", target)
        self.assert_counts_against("q:a b", "query?user=a+b")
        self.assert_counts_against("q:a&b=c", "query?user=a%26b%3Dc")
        for target in ("query", "query?", "query?user", "query?user=", "query?User=alice", "query?user=a&user=a",
                       "query?user=a&%75ser=b", "query?user=a&user"):
            with self.subTest(target):
                self.assert_missing(target)

    def test_the_query_that_a_trusted_proxy_tells(self):
        for name in ("X-Forwarded-Uri", "X-Original-URI"):
            self.assert_counts_against("q:bob", "told-query?user=alice", [(name, "/a?user=b%6Fb")])
            self.assert_counts_against("q:alice", "query?user=alice", [(name, "/a?user=bob")])
            self.assert_missing("told-query?user=alice", [(name, "/a")])

    def test_forms(self):
        for method in ("POST", "PUT", "GET", "PROPFIND"):
            self.assert_charged("f:192.0.2.7", "form", b"action=listener_add&ip=192.0.2.7&mount=%2Fa", method=method)
        self.assert_charged("f:a b", "form", b"ip=a+b", content_type=FORM_TYPE + "; charset=utf-8")
        for body in (b"", b"ip", b"ip=", b"IP=1", b"ip=1&ip=2", b'{"ip":"1"}'):
            with self.subTest(body):
                self.assert_lacks("form", body)
        for content_type in (None, JSON_TYPE, "text/plain", FORM_TYPE + "x"):
            with self.subTest(content_type):
                self.assert_lacks("form", b"ip=1", content_type=content_type)

    def test_any_form_has_parts(self):
        """A percent sign that begins no escape is one, and what is behind or around it counts."""
        for body, key in ((b"ip=%zz", "%zz"), (b"ip=%2", "%2"), (b"ip=1%&x=%", "1%"), (b"%&ip=1", "1"),
                          (b"%zz=2&ip=1", "1"), (b"&&ip=1&&", "1"), (b"ip=1;a=2", "1;a=2"), (b"ip==", "="),
                          (b"x=\xff&ip=1", "1"), (b"i%70=1", "1"), (b"ip=%2B+%2b", "+ +")):
            with self.subTest(body):
                self.assert_charged(f"f:{key}", "form", body)
        self.assert_counts_against("q:%zz", "query?user=%zz")

    def test_two_types_are_none(self):
        """The service behind the proxy may go by the other one."""
        for check, body, types in (
                ("json", b'{"login":"alice"}', (JSON_TYPE, FORM_TYPE)), ("json", b'{"login":"alice"}', (JSON_TYPE,) * 2),
                ("json", b'{"login":"alice"}', (JSON_TYPE, "")), ("form", b"ip=1", (FORM_TYPE, "text/plain"))):
            with self.subTest(check=check, types=types):
                self.assert_lacks(check, body, content_type="\r\nContent-Type: ".join(types))
        self.assert_charged("j:alice", "json", b'{"login":"alice"}', content_type=" \tAPPLICATION/Json\t ;a=b")

    def test_json(self):
        for body, key in ((b'{"login":"alice"}', "alice"), (b' {"a":{"login":"x"},"login":"al\\u0069ce"}', "alice"),
                          (b'{"login":-17}', "-17"), (b'{"login":true}', "true"), (b'{"login":false}', "false"),
                          (b'{"login":"\xc3\xa9"}', "\u00e9"),
                          (b'{"login":9223372036854775807}', "9223372036854775807"), (b'{"login":-0}', "0"),
                          (b'{"login":-9223372036854775808}', "-9223372036854775808"),
                          (b'{"lo\\u0067in":"\\ud83d\\ude00"}', "\U0001f600"),
                          (b'{"login":"a","deep":' + b"[" * 2000 + b"]" * 2000 + b"}", "a")):
            with self.subTest(body):
                self.assert_charged(f"j:{key}", "json", body, content_type=JSON_TYPE)
        self.assert_charged("j:alice", "json", b'{"login":"alice"}', content_type="application/vnd.api+json; a=b")
        for body in (b"", b"{}", b"[]", b'"login"', b'{"login":""}', b'{"login":null}', b'{"login":1.5}',
                     b'{"login":[]}', b'{"login":{}}', b'{"login":"a","login":"b"}', b'{"login":"a"', b'{"login":"a"}x',
                     b'{"login":"\xff"}', b'{"Login":"a"}', b'{"login":123456789012345678901234567890}',
                     b'{"login":9223372036854775808}', b'{"login":"a","other":9223372036854775808}',
                     b'{"login":"a","other":1e999}', b'{"login":1.0}', b'{"login":1e2}', b'{"login":01}',
                     b'{"login":"a","lo\\u0067in":"b"}', b'{"login":"a","other":{"x":1,"x":2}}',
                     b'{"login":"\\ud800"}', b'{"login":"\xed\xa0\x80"}', b'{"login":"\xc0\x80"}',
                     b'{"\\u0000":1,"login":"a"}', b'\xef\xbb\xbf{"login":"a"}', b'{"login":"a"}\0',
                     b'{"login":"a","deep":' + b"[" * 4000, b"[" * 4000):
            with self.subTest(body):
                self.assert_lacks("json", body, content_type=JSON_TYPE)
        for content_type in (None, FORM_TYPE, "application/jsonx", "+json"):
            with self.subTest(content_type):
                self.assert_lacks("json", b'{"login":"alice"}', content_type=content_type)

    def test_what_is_no_key_is_hashed(self):
        self.assert_charged(hashed(b"j:a\0b"), "json", b'{"login":"a\\u0000b"}', content_type=JSON_TYPE)
        self.assert_charged(hashed(b"f:\xff"), "form", b"ip=%ff")
        self.assert_charged(hashed(b"f:" + b"a" * 4000), "form", b"ip=" + b"a" * 4000)

    def test_parts_of_a_body_in_chunks(self):
        """However it is cut; the fields behind it are no part of it."""
        def chunks(body, size, trailers=b""):
            cut = [body[i:i + size] for i in range(0, len(body), size)]
            return b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in cut) + b"0\r\n" + trailers + b"\r\n"

        framing = "Transfer-Encoding: chunked"
        typed = f"Content-Type: {JSON_TYPE}\r\nX-Api-Key: k\r\n".encode()
        for size in (1, 7, 5000):
            self.assert_charged("f:1", "form", chunks(b"a=2&ip=1", size), framing=framing)
            self.assert_charged("f:1", "form", chunks(b"ip=1&a=" + b"x" * 4089, size), framing=framing)
            self.assert_lacks("form", chunks(b"ip=1&a=" + b"x" * 4090, size), framing=framing)
            self.assert_charged("f:1", "form", chunks(b"ip=1", size, typed), framing=framing)
            self.assert_lacks("json", chunks(b'{"login":"a"}', size, typed), framing=framing, content_type=None)
        self.assert_charged("a:127.0.0.1", "any", chunks(b"x=1", 5, typed), framing=framing)

    def test_a_longer_body_has_no_parts(self):
        fits = b"ip=1&a=" + b"x" * (4096 - 7)
        self.assert_charged("f:1", "form", fits)
        self.assert_lacks("form", fits + b"x")
        self.assert_lacks("form", b"ip=1&a=" + b"x" * (BODY_MAX - 7))
        self.assertEqual(self.post("form", b"", framing=f"Content-Length: {BODY_MAX + 1}").status, 413)

    def test_one_that_falls_back(self):
        self.assert_charged("a:1", "any", b"key=1")
        self.assert_charged("a:2", "any", b'{"key":2}', content_type=JSON_TYPE)
        self.assert_charged("a:3", "any?key=3", b"{", content_type=JSON_TYPE)
        self.assert_charged("a:127.0.0.1", "any")
        self.assert_counts_against("a:k", "any?key=3", [("X-Api-Key", "k")])

    def test_connections_are_kept_and_bodies_do_not_mix(self):
        with Connection(self.tcp) as connection:
            for i in range(50):
                level = self.level(f"f:{i % 3}")
                body = f"ip={i % 3}".encode()
                connection.send((f"POST /check/form HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM_TYPE}\r\n"
                                 f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
                self.assertEqual(connection.receive().status, 200)
                self.assertEqual(self.level(f"f:{i % 3}"), level - 1)


class Rules(CheckCase):
    """Requests that pass uncounted, and those that cost more."""

    config = """
tick: 10s
limits:
  - {name: small, burst: 10, rate: 1/d}
  - {name: default, burst: 30000, rate: 1/d}
checks:
  - name: shop
    key: "shop:{header:X-Api-Key}"
    trusted_proxies: [127.0.0.1]
    skip:
      - {methods: [OPTIONS]}
      - {methods: [GET], paths: ["/static/*"]}
      - {networks: [10.0.0.0/8, "2001:db8::/32"]}
    cost:
      - {methods: [POST], paths: ["/search*"], tokens: 7}
      - {paths: ["/search*"], tokens: 5}
  - {name: dear, limit: small, key: "{header:X-Api-Key}", deny_status: 429, never_status: 403,
     cost: [{paths: [/never], tokens: 11}, {tokens: 4}]}
  - {name: wary, key: "wary:{header:X-Api-Key}", skip: [{methods: [OPTIONS], networks: [10.0.0.0/8]}]}
"""

    def assert_skipped(self, check, headers=(), **options):
        level, before = self.level("shop:k"), self.counters()
        response = self.ask(check, headers, **options)
        self.assertEqual((response.status, response.body), (200, b""), response)
        self.assertEqual([name for name, _ in response.fields if "ratelimit" in name.lower()], [])
        self.assertEqual(self.counted(before), {"skipped": 1})
        self.assertEqual(self.level("shop:k"), level)

    def assert_costs(self, tokens, check, headers=(), **options):
        level = self.level("shop:k")
        response = self.ask(check, [("X-Api-Key", "k"), *headers], **options)
        self.assertEqual(response.status, 200, response)
        self.assertEqual(self.level("shop:k"), level - tokens)

    def test_what_passes_uncounted(self):
        key = ("X-Api-Key", "k")
        for options in ({"method": "OPTIONS"}, {"check": "shop/static/a.css"}, {"check": "shop/st%61tic/a"},
                        {"headers": [key, ("X-Forwarded-Method", "OPTIONS")]},
                        {"headers": [key, ("X-Forwarded-Uri", "/static/a?b=c")]},
                        {"headers": [key, ("X-Forwarded-For", "10.1.2.3")]},
                        {"headers": [key, ("X-Forwarded-For", "2001:db8::1")]},
                        {"headers": [key, ("X-Forwarded-For", "64:ff9b::10.1.2.3")]},
                        {"headers": [("X-Forwarded-For", "10.1.2.3")]}):  # it needs no key
            with self.subTest(options):
                self.assert_skipped(**{"check": "shop", "headers": [key], **options})

    def test_one_bucket_for_all_that_is_counted(self):
        self.assert_costs(1, "shop")
        self.assert_costs(1, "shop", method="POST")
        self.assert_costs(1, "shop/static/a", method="POST")
        self.assert_costs(1, "shop", [("X-Forwarded-For", "11.1.2.3")])
        self.assert_costs(5, "shop/search?q=a")
        self.assert_costs(5, "shop/searches", method="PUT")
        self.assert_costs(7, "shop/search", method="POST")
        self.assert_costs(7, "shop", [("X-Forwarded-Uri", "/search?a"), ("X-Forwarded-Method", "POST")])

    def test_strangers_choose_no_rule(self):
        level = self.level("wary:k")
        for _ in range(2):
            headers = [("X-Api-Key", "k"), ("X-Forwarded-Method", "OPTIONS"), ("X-Forwarded-For", "10.1.2.3")]
            self.assertEqual(self.ask("wary", headers).status, 200)
        self.assertEqual(self.level("wary:k"), level - 2)

    def test_what_costs_more_than_there_ever_is(self):
        headers = [("X-Api-Key", "k")]
        self.assertEqual([self.ask("dear", headers).status for _ in range(3)], [200, 200, 429])
        response = self.ask("dear/never", headers)
        self.assertEqual((response.status, response.header("Retry-After")), (403, None))
        self.assertEqual(response.header("X-Should-Retry"), "false")
        self.assertEqual(self.level("k", "&limit=small"), 2)


class WrittenAnswers(CheckCase):
    """Answers that the configuration writes out."""

    config = """
tick: 10s
limits:
  - {name: default, burst: 2, rate: 1/d, overrides: [{key: "*banned", action: deny}]}
checks:
  - name: rabbit
    key: "rabbit:{form:username|query:username}"
    answers:
      allow: {body: allow}
      deny: {status: 200, body: deny}
  - name: dovecot
    key: "imap:{json:login}"
    answers:
      allow: {type: application/json, body: '{{"status":0}}'}
      deny: {status: 200, type: application/json, body: '{{"status":-1,"msg":"wait {retry_after} s"}}'}
      never: {status: 200, type: application/json, body: '{{"status":-1,"msg":"banned"}}'}
      missing: {status: 400, type: application/json, headers: ["X-Why: no login"], body: "{{}}"}
  - name: bare
    key: "bare:{header:X-Api-Key}"
    answers: {deny: {status: 200, headers: ["Auth-Status: wait {retry_after_ms} ms"]}}
  - name: icecast
    key: "icecast:{form:ip}"
    missing: allow
    answers: {allow: {headers: ["icecast-auth-user: 1", "X-Left: {remaining} of {burst}, full in {reset_after} s"]}}
"""

    def post(self, check, body, content_type=FORM_TYPE, method="POST"):
        with Connection(self.tcp) as connection:
            connection.send((f"{method} /check/{check} HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\n"
                             f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
            return connection.receive(to_head=method == "HEAD")

    def test_a_word_and_no_line_end(self):
        answers = [self.post("rabbit", b"username=a%20b") for _ in range(4)]
        self.assertEqual([(a.status, a.body) for a in answers], [(200, b"allow")] * 2 + [(200, b"deny")] * 2)
        self.assertEqual(answers[0].header("Content-Type"), "text/plain")
        self.assertEqual(answers[0].header("Cache-Control"), "no-store")
        self.assertEqual(answers[3].header("Retry-After"), "86400")
        self.assertEqual(self.ask("rabbit?username=a+b").body, b"deny")
        self.assertEqual(self.post("rabbit", b"").body, b"deny")
        head = self.post("rabbit", b"username=a+b", method="HEAD")
        self.assertEqual((head.status, head.body, head.header("Content-Length")), (200, b"", "4"))

    def test_json_with_numbers(self):
        def login(name):
            answer = self.post("dovecot", f'{{"login":"{name}","remote":"::1"}}'.encode(), JSON_TYPE)
            self.assertEqual((answer.status, answer.header("Content-Type")), (200, JSON_TYPE))
            return answer.json()
        self.assertEqual([login("x") for _ in range(3)],
                         [{"status": 0}] * 2 + [{"status": -1, "msg": "wait 86400 s"}])
        self.assertEqual(login("banned"), {"status": -1, "msg": "banned"})
        missing = self.post("dovecot", b"{}", JSON_TYPE)
        self.assertEqual((missing.status, missing.body, missing.header("X-Why")), (400, b"{}", "no login"))

    def test_no_problem_under_200(self):
        answers = [self.ask("bare", [("X-Api-Key", "n")]) for _ in range(3)]
        self.assertEqual([(a.status, a.body) for a in answers], [(200, b"")] * 3)
        self.assertIsNone(answers[1].header("Auth-Status"))
        self.assertEqual(answers[2].header("Auth-Status"), "wait 86400000 ms")
        self.assertIsNone(answers[2].header("Content-Type"))
        self.assertEqual(self.ask("bare").body, b"")

    def test_fields_with_numbers(self):
        answers = [self.post("icecast", b"ip=1") for _ in range(3)]
        self.assertEqual([a.status for a in answers], [200, 200, 403])
        self.assertEqual([a.header("icecast-auth-user") for a in answers], ["1", "1", None])
        self.assertEqual(answers[1].header("X-Left"), "0 of 2, full in 172800 s")
        self.assertEqual(answers[2].header("Content-Type"), "application/problem+json")
        missing = self.post("icecast", b"")
        self.assertEqual((missing.status, missing.header("icecast-auth-user")), (200, "1"))

    def test_one_connection_and_a_reload_between(self):
        """A reply keeps nothing of a check that is no more."""
        with Connection(self.tcp) as connection:
            def ask():
                connection.send(b"GET /check/icecast HTTP/1.1\r\nHost: a\r\n\r\n")
                return connection.receive()
            self.assertEqual(ask().header("icecast-auth-user"), "1")
            self.addCleanup(self.daemon.reload, self.config)
            self.daemon.reload(self.config.replace("icecast-auth-user: 1", "icecast-auth-who: 2"))
            answer = ask()
            self.assertEqual((answer.header("icecast-auth-user"), answer.header("icecast-auth-who")), (None, "2"))


class Parts(CheckCase):
    def test_host(self):
        for check in ("host", "wary-host"):
            for host, key in (("example.org", "example.org"), ("EXAMPLE.Org:8080", "example.org"),
                              ("[2001:DB8::1]:80", "[2001:db8::1]"), ("[::1]", "[::1]"),
                              ("b%C3%BCcher.example", "b%c3%bccher.example")):
                with self.subTest(check, host=host):
                    self.assert_counts_against(f"host:{key}", check, host=host)
            for host in ("a b", "b\u00fccher.example"):
                self.assertEqual(self.ask(check, host=host).status, 400)
        for value, key in (("Shop.example:443", "shop.example"),
                           ("evil, shop.example", "shop.example"), ("a b", "a b"),
                           ("b\u00fccher.example", "b\u00fccher.example"),
                           ("", "allowd.test")):
            with self.subTest(value):
                headers = [("X-Forwarded-Host", value)]
                self.assert_counts_against(f"host:{key}", "host", headers)
                self.assert_counts_against("host:allowd.test", "wary-host", headers)
        for host in (":80",):
            self.assert_missing("host", host=host)

    def test_method(self):
        for method, key in (("GET", "GET"), ("HEAD", "HEAD"), ("POST", "POST"), ("PURGE", "OTHER"), ("get", "OTHER")):
            for check in ("method", "wary-method"):
                self.assert_counts_against(f"method:{key}", check, method=method)
        headers = [("X-Forwarded-Method", "DELETE")]
        self.assert_counts_against("method:DELETE", "method", headers)
        self.assert_counts_against("method:GET", "wary-method", headers)

    def test_path(self):
        for check in ("path", "wary-path"):
            for suffix, key in (("", "/"), ("/", "/"), ("?a=/b", "/"), ("/a/b?c=d", "/a/b"),
                                ("/a%20b%2Fc", "/a b/c"), ("/a+b", "/a+b"),
                                ("//a/../b", "//a/../b"),
                                ("/%zz%4", "/%zz%4"), ("/caf%C3%A9", "/caf\u00e9"),
                                ("/A%41", "/AA"), ("/%2541", "/%41")):
                with self.subTest(check, suffix=suffix):
                    self.assert_counts_against(f"path:{key}", check + suffix)
        for name in ("X-Forwarded-Uri", "X-Original-URI"):
            for value, key in (("/a/b?c=d", "/a/b"), ("https://a.example/b?c", "/b"),
                               ("https://a.example", "/"), ("/a%2Fb", "/a/b"), ("?a", "/"),
                               ("", "/suffix")):
                with self.subTest(name, value=value):
                    self.assert_counts_against(f"path:{key}", "path/suffix", [(name, value)])
                    self.assert_counts_against("path:/suffix", "wary-path/suffix", [(name, value)])

    def test_a_path_that_is_no_key(self):
        for suffix, raw in (("/%ff", b"path:/\xff"), ("/%00", b"path:/\0"),
                            ("/%0d%0a", b"path:/\r\n"),
                            ("/" + "a" * 5000, b"path:/" + b"a" * 5000)):
            with self.subTest(suffix[:20]):
                self.assert_counts_against(hashed(raw), "wary-path" + suffix)

    def test_header(self):
        for value, key in (("plain", "plain"), ("  blanks \t", "blanks"), ("a b", "a b"),
                           ('"quoted"', '"quoted"'), ("a,b;c={x}", "a,b;c={x}"), ("%41+", "%41+"),
                           ("caf\u00e9", "caf\u00e9"), ("\U0001d11e", "\U0001d11e"),
                           ("a" * 251, "a" * 251), ("\\\"'<>", "\\\"'<>"),
                           ("{method}", "{method}")):
            with self.subTest(value[:20]):
                self.assert_counts_against(f"key:{key}", "header", [("x-api-KEY", value)])
        self.assert_counts_against("key:a, b", "header", [("X-Api-Key", "a"), ("x-api-key", "b")])
        self.assert_counts_against("key:, b", "header", [("X-Api-Key", ""), ("X-Api-Key", "b")])

    def test_a_header_that_is_no_key(self):
        for value in (b"\xff", b"a\xe9b", b"\xc0\x80", b"\xed\xa0\x80", b"a\tb", b"\xc2\x85",
                      b"a" * 252, b"a" * 5000, b'"' * 5000, b"\xff" * 5000,
                      "\u20ac".encode() * 100, bytes(range(0x80, 0x100)) * 30):
            with self.subTest(value[:20]):
                self.assert_counts_against(hashed(b"key:" + value), "header",
                                           [("X-Api-Key", value)])

    def test_keys_that_only_differ_late_are_different(self):
        self.assert_counts_against(hashed(b"key:" + b"c" * 5000 + b"1"), "header",
                                   [("X-Api-Key", "c" * 5000 + "1")])
        self.assertEqual(self.level(hashed(b"key:" + b"c" * 5000 + b"2")), BURST)

    def test_all_of_them(self):
        self.assert_counts_against("{k} PUT a.example /x/y 127.0.0.1", "all/x%2Fy?z",
                                   [("X-Api-Key", "k"), ("X-Forwarded-For", "192.0.2.1")],
                                   method="PUT", host="A.example:1")
        self.assert_missing("all/x")

    def test_control_characters_never_get_that_far(self):
        for code in (0x00, 0x01, 0x0b, 0x0d, 0x1b, 0x7f):
            with self.subTest(code):
                before = self.counters()
                response = self.ask("header", [("X-Api-Key", b"a" + bytes([code]) + b"b")])
                self.assertEqual(response.status, 400)
                self.assertEqual(self.counted(before), {})

    def test_too_much_header(self):
        before = self.counters()
        for headers in (forwarded_for(*["192.0.2.1"] * 1000), [("X-Api-Key", "a" * 17_000)]):
            response = self.ask("header", headers)
            self.assertEqual(response.status, 431)
        self.assertEqual(self.counted(before), {})

    def test_nothing_of_it_reaches_the_log(self):
        mark = self.daemon.mark()
        self.ask("header/forged", [("X-Api-Key", b"forged\xff")])
        self.ask("forged", [("X-Api-Key", "forged")])
        self.ask("edge", forwarded_for("forged"))
        for line in self.daemon.log()[mark:]:  # what it says of proxies is of its own words
            self.assertIn(" from 127.0.0.1 is ignored, because that is none of trusted_proxies", line)
            self.assertNotIn("forged", line)


class Proxies(CheckCase):
    """A proxy that is not believed is told of, once, and counted."""

    config = """
tick: 10s
limits: [{name: default, burst: 30000, rate: 1/d}]
checks:
  - {name: ip, key: "ip:{client_ip}", trusted_proxies: [192.0.2.1, unix]}
  - {name: host, key: "{host} {method} {path} {query:a}"}
  - {name: rules, key: "r:{header:X}", skip: [{networks: [10.0.0.0/8]}], cost: [{methods: [PUT], tokens: 2}]}
  - {name: none, key: "n:{header:X-Forwarded-For}"}
  - {name: real, key: "ip:{client_ip}", client_ip_header: X-Real-IP, trusted_proxies: [127.0.0.1, unix]}
  - {name: rfc7239, key: "ip:{client_ip}", client_ip_header: forwarded, trusted_proxies: [127.0.0.1, 10.0.0.0/8]}
  - {name: usual, key: "ip:{client_ip}", trusted_proxies: [127.0.0.1]}
"""

    def ignored(self):
        with Connection(self.tcp) as connection:
            connection.send(request_bytes("GET", "/metrics"))
            text = connection.receive().body.decode()
        return Metrics(text).value("allowd_check_proxies_ignored_total")

    def told(self, asking):
        """How many requests were counted while `asking` runs, and what was said: the words before and behind are
        left out. The reload has a line of its own, behind all others, and after it all is said anew."""
        mark, before = self.daemon.mark(), self.ignored()
        asking()
        counted = self.ignored() - before
        self.daemon.reload(self.config)
        return counted, [line.removeprefix("allowd: warning: check ").split(", because")[0].split(", so its")[0]
                         for line in self.daemon.log()[mark:] if "warning" in line]

    def test_said_once_and_counted(self):
        def asking():
            for i in range(3):
                self.assert_counts_against("ip:127.0.0.1", "ip", forwarded_for(f"198.51.100.{i}"))
        self.assertEqual(self.told(asking), (3, ["ip: X-Forwarded-For from 127.0.0.1 is ignored"]))

    def test_the_line(self):
        mark = self.daemon.mark()
        self.ask("ip", forwarded_for("198.51.100.7"))
        self.daemon.reload(self.config)
        self.assertEqual(self.daemon.log()[mark:][:1], [
            "allowd: warning: check ip: X-Forwarded-For from 127.0.0.1 is ignored, because that is none of "
            "trusted_proxies; if it is your proxy, add it there"])

    def test_each_field_that_the_check_looks_at(self):
        for name in ("X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Uri", "X-Original-URI"):
            with self.subTest(name):
                self.assertEqual(self.told(lambda: self.ask("host?a=b", [(name, "a")])),
                                 (1, [f"host: {name} from 127.0.0.1 is ignored"]))

    def test_rules_look_too(self):
        self.assertEqual(self.told(lambda: self.ask("rules", [("X-Forwarded-Method", "PUT")])),
                         (1, ["rules: X-Forwarded-Method from 127.0.0.1 is ignored"]))
        self.assertEqual(self.told(lambda: self.ask("rules", forwarded_for("10.0.0.1"))),
                         (1, ["rules: X-Forwarded-For from 127.0.0.1 is ignored"]))

    def test_nothing_is_said_where_nothing_is_ignored(self):
        for check, headers, options in (
                ("ip", [], {}), ("ip", forwarded_for("198.51.100.7"), {"address": self.unix}),
                ("ip", [("X-Forwarded-Host", "a")], {}), ("none", forwarded_for("198.51.100.7"), {}),
                ("host?a=b", forwarded_for("198.51.100.7"), {}), ("usual", [], {}),
                ("usual", [*forwarded_for("198.51.100.7"), ("X-Real-IP", "192.0.2.9")], {})):
            with self.subTest(check, headers=headers):
                self.assertEqual(self.told(lambda: self.ask(check, headers, **options)), (0, []))

    def test_a_trusted_proxy_that_tells_the_address_elsewhere(self):
        def asking():
            for _ in range(2):
                self.assert_counts_against("ip:127.0.0.1", "usual", [("X-Real-IP", "192.0.2.9")])
        self.assertEqual(self.told(asking), (0, ["usual: the trusted proxy 127.0.0.1 has sent X-Real-IP and no "
                                                 "X-Forwarded-For"]))
        self.daemon.wait_for_line("if it is right about the client, set client_ip_header: X-Real-IP$")

    def test_another_field(self):
        self.assert_counts_against("ip:192.0.2.9", "real", [("x-real-ip", "192.0.2.9"), *forwarded_for("192.0.2.8")])
        self.assert_counts_against("ip:127.0.0.1", "real", forwarded_for("192.0.2.8"))
        self.assert_missing("real", [("X-Real-IP", "nobody")])

    def test_the_field_of_rfc_7239(self):
        for value, key in (("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
                           ('For="[2001:DB8:cafe::17]:4711"', "2001:db8:cafe::17"),
                           ('for="[2001:db8::1]"', "2001:db8::1"), ('for="192.0.2.1:80"', "192.0.2.1"),
                           ('for="192.0.2\\.1"', "192.0.2.1"),
                           ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17"),
                           ("for=192.0.2.43 , for=10.0.0.1;by=a", "192.0.2.43"),
                           ("for=10.0.0.2, for=10.0.0.1", "10.0.0.2"), ("nonsense, for=192.0.2.1", "192.0.2.1"),
                           ('for=192.0.2.1;x="a,b;for=c"', "192.0.2.1"), ('x="a\\",b";for=192.0.2.1', "192.0.2.1"),
                           ("for=_hidden, for=192.0.2.1, for=10.0.0.1", "192.0.2.1")):
            with self.subTest(value):
                self.assert_counts_against(f"ip:{key}", "rfc7239", [("Forwarded", value)])
        self.assert_counts_against("ip:192.0.2.2", "rfc7239",
                                   [("Forwarded", "for=192.0.2.1"), ("Forwarded", "for=192.0.2.2")])
        self.assert_counts_against("ip:127.0.0.1", "rfc7239")
        for value in ("", ",", "for", "for=", "proto=http", "for=unknown", "for=_hidden", "for=192.0.2.1;for=192.0.2.2",
                      "for=192.0.2.1, x", "for=192.0.2.1, for=unknown, for=10.0.0.1", 'for="192.0.2.1',
                      'for="192.0.2.1"x', "for=[::1]", "for=192.0.2.1;", "for = 192.0.2.1", 'for="a\\"',
                      "for=" + "1" * 100):
            with self.subTest(value):
                self.assert_missing("rfc7239", [("Forwarded", value)])


class Reloads(CheckCase):
    """A reload counts for the very next request, also on a connection that was idle."""

    BASE = """
tick: 10s
threads: 2
limits:
  - {name: one, burst: 1000, rate: 1/d}
  - {name: other, burst: 1000, rate: 1/d}
  - {name: default, burst: 1000, rate: 1/d}
"""
    ADDED = BASE + """
checks:
  - {name: stays, key: "stays:{header:X}"}
  - {name: edge, limit: one, key: "one:{header:X}", deny_status: 401}
"""
    CHANGED = BASE + """
checks:
  - {name: edge, limit: other, key: "other:{header:X}{header:Y}", deny_status: 402}
  - {name: stays, key: "stays:{header:X}"}
"""
    LENIENT = CHANGED.replace("402", "402, missing: allow")
    REMOVED = BASE + 'checks: [{name: stays, key: "stays:{header:X}"}]\n'
    config = BASE

    def test_added_changed_and_removed(self):
        self.daemon.reload(self.BASE)
        idle = [self.connect() for _ in range(8)]
        for connection in idle:
            connection.send(request_bytes("GET", "/check/edge", [("X", "k")]))
            self.assert_problem(connection.receive(), 404)
        for turn in range(5):
            for config, status, missing in ((self.ADDED, 200, 401), (self.CHANGED, 402, 402),
                                            (self.LENIENT, 200, 200), (self.REMOVED, 404, 404),
                                            (self.BASE, 404, 404)):
                self.daemon.reload(config)
                for connection in idle:
                    with self.subTest(turn=turn, status=status):
                        for headers, expected in (([("X", "k")], status), ((), missing)):
                            connection.send(request_bytes("PUT", "/check/edge/x", headers))
                            self.assertEqual(connection.receive().status, expected)

    def test_its_limit_and_key(self):
        self.daemon.reload(self.ADDED)
        self.ask("edge", [("X", "a"), ("Y", "b")])
        self.daemon.reload(self.CHANGED)
        self.ask("edge", [("X", "a"), ("Y", "b")])
        self.assertEqual(self.level("one:a", "&limit=one"), 999)
        self.assertEqual(self.level("other:ab", "&limit=other"), 999)

    def test_whom_it_trusts(self):
        trusting = self.BASE + 'checks: [{name: ip, key: "{client_ip}", trusted_proxies: [%s]}]\n'
        connection = self.connect()
        for proxy, ip in (("127.0.0.1", "203.0.113.7"), ("unix", "127.0.0.1"),
                          ("127.0.0.0/8", "203.0.113.7"), ("192.0.2.0/24", "127.0.0.1")):
            self.daemon.reload(trusting % proxy)
            level = self.level(ip)
            connection.send(request_bytes("GET", "/check/ip", forwarded_for("203.0.113.7")))
            self.assertEqual(connection.receive().status, 200)
            self.assertEqual(self.level(ip), level - 1)

    def test_a_faulty_file_changes_nothing(self):
        self.daemon.reload(self.ADDED)
        for fault in ('{name: edge, key: "{client_ip}"}',
                      '{name: a, key: "{client_ip}", limit: nosuch}',
                      '{name: a, key: literal}', '{name: a, key: "{client_ip"}',
                      '{name: a, key: "{client_ip}", deny_status: 200}',
                      '{name: a, key: "{client_ip}", trusted_proxies: [localhost]}', '{name: a/b}'):
            with self.subTest(fault):
                mark = self.daemon.mark()
                self.daemon.reload(self.ADDED + f"  - {fault}\n")
                self.daemon.wait_for_line(r"is faulty", after=mark)
                self.assertEqual(self.ask("edge", [("X", "k")]).status, 200)
                self.assertEqual(self.ask("a", [("X", "k")]).status, 404)

    def test_a_request_under_way_is_answered_by_the_check_that_it_began_with(self):
        """Its body comes when that is another one, or gone."""
        check = self.BASE + """
checks:
  - name: edge
    key: "way:{form:a}"
    cost: [{methods: [PUT], tokens: 7}]
    answers: {allow: {body: "yes, of {burst}", headers: ["X-Mine: 1"]}}
"""
        head = (f"PUT /check/edge HTTP/1.1\r\nHost: a\r\nContent-Type: {FORM_TYPE}\r\n"
                "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n").encode()
        for after in (self.BASE, self.ADDED, check.replace("way:", "other:").replace("yes", "no")):
            self.daemon.reload(check)
            level = self.level("way:b")
            with contextlib.ExitStack() as stack:
                begun = [stack.enter_context(Connection(self.tcp)) for _ in range(6)]
                for connection in begun:
                    connection.send(head)
                    self.assertRegex(connection.socket.recv(1000), b"^HTTP/1.1 100 ")
                self.daemon.reload(after)
                begun.pop().close()
                for connection in begun:
                    connection.send(b"a=b")
                    answer = connection.receive()
                    self.assertEqual((answer.status, answer.body, answer.header("X-Mine")),
                                     (200, b"yes, of 1000", "1"))
            self.daemon.reload(check)
            self.assertEqual(self.level("way:b"), level - 5 * 7)

    def test_a_limit_and_its_check_go_together(self):
        without = self.REMOVED.replace("  - {name: one, burst: 1000, rate: 1/d}\n", "")
        connection = self.connect()
        for _ in range(10):
            self.daemon.reload(self.ADDED)
            connection.send(request_bytes("GET", "/check/edge", [("X", "together")]))
            self.assertEqual(connection.receive().status, 200)
            self.daemon.reload(without)
            connection.send(request_bytes("GET", "/check/edge", [("X", "together")]))
            self.assertEqual(connection.receive().status, 404)


if __name__ == "__main__":
    unittest.main()
