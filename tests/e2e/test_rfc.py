#!/usr/bin/python3 -B
"""
What RFC 9110 and RFC 9112 ask of a server, rule by rule: tests/rfc.md says which test shows which.

The tests that show that something is refused are mostly in test_hostile_http.py; here is what
must be taken, and what must be in an answer.
"""
import gzip
import re
import unittest

import libraries
from harness import FORM, JSON, Case, request_bytes

FROZEN = """
tick: 10s
limits:
  - {name: small, match: "small:*", burst: 1, rate: 1/d}
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

    def taken(self, key):
        """How many of its tokens are gone."""
        return 1000 - self.remaining(key)

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


class Versions(RfcCase):
    def test_a_later_minor_version_is_read_as_http_1_1(self):
        for minor in range(2, 10):
            with self.subTest(minor):
                key = self.key()
                connection = self.connect()
                raw = f"GET /allow?key={key} HTTP/1.{minor}\r\nHost: a\r\n\r\n".encode()
                for _ in range(2):
                    connection.send(raw)
                    response = connection.receive()
                    self.assertEqual((response.version, response.status), ("HTTP/1.1", 200))
                connection.send(f"POST /allow HTTP/1.{minor}\r\nHost: a\r\n{FORM[0]}: {FORM[1]}\r\n"
                                f"Transfer-Encoding: chunked\r\n\r\n"
                                f"{len(key) + 4:x}\r\nkey={key}\r\n0\r\n\r\n".encode())
                self.assertEqual(connection.receive().status, 200)
                self.assertEqual(self.taken(key), 3)
                self.assertEqual(self.exchange(f"GET /healthz HTTP/1.{minor}\r\n\r\n".encode()).status,
                                 400)

    def test_answers_are_of_http_1_1(self):
        for version in ("HTTP/1.0", "HTTP/1.1"):
            response = self.exchange(f"GET /healthz {version}\r\nHost: a\r\n\r\n".encode())
            self.assertEqual(response.version, "HTTP/1.1")


class Targets(RfcCase):
    config = "hosts: [a, a.example, one.test]\n" + FROZEN
    ORIGINS = ("http://a", "http://localhost:10429", "HTTP://A.example:", "http://[::1]:80",
               "http://127.0.0.1", "hTTp://a%20b")

    def test_a_target_may_name_the_server(self):
        for origin in self.ORIGINS:
            with self.subTest(origin):
                key = self.key()
                for method, target in (("GET", f"/allow?key={key}"), ("POST", f"/allow?key={key}"),
                                       ("GET", "/check/keyed"), ("PUT", "/check/keyed/below?a=b")):
                    response = self.call(method, origin + target, [("X-Key", key)])
                    self.assertEqual(response.status, 200)
                self.assertEqual(self.taken(key), 4)
                for target in ("/healthz", "/status", "/metrics", f"/status?key={key}"):
                    listed = origin != "hTTp://a%20b" or target == "/healthz"
                    self.assertEqual(self.call("GET", origin + target).status, 200 if listed else 421)
                self.assertEqual(self.call("GET", origin + "/nosuch").status, 404)

    def test_the_host_of_the_target_counts_and_not_the_field(self):
        one, two = self.key("host-1-").lower(), self.key("host-2-").lower()
        response = self.call("GET", f"http://{one}:80/check/host", [("X-Two", two)])
        self.assertEqual(response.status, 200)
        self.assertEqual((self.taken(one), self.taken("localhost")), (1, 0))
        # A web page of the server that the target names is its own.
        for origin, status in (("http://one.test", 200), ("http://localhost", 403)):
            with self.subTest(origin):
                self.assertEqual(self.call("POST", "http://one.test/reset?key=k",
                                           [("Origin", origin)]).status, status)

    def test_http_1_1_needs_a_host_beside_a_target_that_names_one(self):
        self.assertEqual(self.exchange(b"GET http://a/healthz HTTP/1.1\r\n\r\n").status, 400)
        self.assertEqual(self.exchange(b"GET http://a/healthz HTTP/1.0\r\n\r\n").status, 200)

    def test_targets_of_https_and_of_nobody(self):
        for target, status in (("https://a/allow?key=k", 421), ("HTTPS://a/allow?key=k", 421),
                               ("ftp://a/allow?key=k", 400), ("//a/allow?key=k", 404),
                               ("http:///allow?key=k", 400), ("http://u@a/allow?key=k", 400),
                               ("http://a:b/allow?key=k", 400), ("http://a//", 404), ("http://a?x", 400)):
            with self.subTest(target):
                before = self.counters()
                self.assert_problem(self.call("GET", target), status)
                self.assertEqual(self.counted(before), {})

    def test_options_of_the_server_is_answered(self):
        """HAProxy asks so for "/", if it is told no path; proxies for "*"."""
        for target in ("*", "/", "http://a", "http://a/", "/?x"):
            for version, host in (("1.1", "Host: a\r\n"), ("1.0", "")):
                with self.subTest(target=target, version=version):
                    before = self.counters()
                    response = self.exchange(f"OPTIONS {target} HTTP/{version}\r\n{host}"
                                             "Origin: http://evil.test\r\n\r\n".encode())
                    self.assertEqual((response.status, response.body), (200, b""))
                    self.assertEqual(response.header("Allow"), "GET, HEAD, POST, DELETE, QUERY, OPTIONS")
                    self.assertFalse([name for name, _ in response.fields
                                      if name.lower().startswith("access-control-")])
                    self.assertEqual(self.counted(before), {})
        for method in ("GET", "POST", "HEAD", "DELETE"):
            for target, status in (("*", 400), ("//", 404)):
                with self.subTest(method=method, target=target):
                    response = self.exchange(request_bytes(method, target), to_head=method == "HEAD")
                    self.assertEqual(response.status, status)

    def test_escapes_in_a_path_mean_what_they_stand_for(self):
        key = self.key()
        for target in (f"/%61llow?key={key}", f"/all%6Fw?key={key}", f"/all%6fw?key={key}"):
            self.assertEqual(self.call("GET", target).status, 200)
        self.assertEqual(self.taken(key), 3)
        self.assertEqual(self.call("GET", "/%2Fallow?key=k").status, 404)

    def test_a_target_of_8000_bytes_is_taken(self):
        target = "/check/keyed?".ljust(8000, "a")
        self.assertEqual(self.call("GET", target, [("X-Key", self.key())]).status, 200)
        self.assert_problem(self.call("GET", target + "a", [("X-Key", self.key())]), 414)


class Fields(RfcCase):
    def test_names_in_any_case(self):
        key = self.key()
        raw = (f"POST /check/keyed HTTP/1.1\r\nhOST: a\r\nx-kEY: {key}\r\ncONTENT-lENGTH: 3\r\n"
               "cOnNeCtIoN: cLoSe\r\n\r\nabc").encode()
        connection = self.connect()
        connection.send(raw)
        self.assertEqual(connection.receive().status, 200)
        self.assertIsNone(connection.receive())
        self.assertEqual(self.taken(key), 1)

    def test_blanks_around_a_value_are_no_part_of_it(self):
        key = self.key()
        for left, right in (("", ""), (" ", ""), ("   ", "  "), ("\t", "\t"), (" \t ", " \t ")):
            with self.subTest(left=left, right=right):
                connection = self.connect()
                connection.send(f"GET /check/keyed HTTP/1.1\r\nHost:{left}a{right}\r\n"
                                f"X-Key:{left}{key}{right}\r\n"
                                f"Connection:{left}close{right}\r\n\r\n".encode())
                self.assertEqual(connection.receive().status, 200)
                self.assertIsNone(connection.receive())
        self.assertEqual(self.taken(key), 5)

    def test_a_blank_behind_a_length_or_coding_is_refused_or_understood(self):
        """libmicrohttpd 0.9.75 reads neither; where it is not read it must not be misread."""
        for field, body in (("Content-Length: {} ", "key={}"),
                            ("Transfer-Encoding: chunked ", "{:x}\r\nkey={}\r\n0\r\n\r\n")):
            with self.subTest(field):
                key = self.key()
                form = f"key={key}"
                body = form if "Length" in field else f"{len(form):x}\r\n{form}\r\n0\r\n\r\n"
                connection = self.connect()
                connection.send(f"POST /allow HTTP/1.1\r\nHost: a\r\n{FORM[0]}: {FORM[1]}\r\n"
                                f"{field.format(len(form))}\r\n\r\n{body}".encode() +
                                request_bytes("GET", f"/allow?key={key}", [("Connection", "close")]))
                while connection._more():
                    pass
                status = int(connection.unread[9:12])
                self.assertIn(status, (200, 400))
                if status == 400:
                    self.assertIn(b"\r\nConnection: close", connection.unread)
                    self.assertEqual(self.taken(key), 0)
                else:
                    self.assertIn(self.taken(key), (1, 2))

    def test_hosts_in_every_valid_form(self):
        for value in ("", "a", "A.example", "a:80", "a:", "127.0.0.1:10429", "[::1]", "[2001:db8::1]:80",
                      "a_b", "a%20b", "xn--bcher-kva.example", "!$&'()*+,;=", "-._~", "a."):
            with self.subTest(value):
                key = self.key()
                self.assertEqual(self.exchange(f"GET /allow?key={key} HTTP/1.1\r\n"
                                               f"Host: {value}\r\n\r\n".encode()).status, 200)

    def test_connection_is_a_list(self):
        for fields, closes in ((["close"], True), (["Close"], True), (["foo, close"], True),
                               (["close, foo"], True), ([", close ,"], True),
                               (["keep-alive", "close"], True), (["keep-alive"], False),
                               (["foo"], False), (["closed"], False), (["X-Key, TE"], False), ([""], False)):
            with self.subTest(fields):
                connection = self.connect()
                raw = request_bytes("GET", "/healthz", [("Connection", value) for value in fields])
                connection.send(raw)
                response = connection.receive()
                self.assertEqual(response.status, 200)
                self.assertEqual(response.header("Connection"), "close" if closes else None)
                if closes:
                    self.assertIsNone(connection.receive())
                else:
                    connection.send(raw)
                    self.assertEqual(connection.receive().status, 200)

    def test_fields_that_change_nothing(self):
        """What is not known, not supported or of no use here is passed over."""
        plain = self.call("GET", "/status?key=untouched")
        for field in (("X-Unknown", "a"), ("Accept", "text/html"), ("Accept", "*/*;q=0"),
                      ("Accept-Charset", "x"), ("Accept-Encoding", "gzip, identity;q=0"),
                      ("Accept-Language", "de"), ("Range", "bytes=0-1"), ("If-Range", '"a"'),
                      ("If-None-Match", '"a"'), ("If-None-Match", 'W/"a", "b"'), ("If-Match", "*"),
                      ("If-Modified-Since", "Sun, 06 Nov 2094 08:49:37 GMT"),
                      ("If-Unmodified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"),
                      ("Max-Forwards", "0"), ("TE", "trailers, gzip"), ("Trailer", "X-Sum"),
                      ("Upgrade", "websocket"), ("Upgrade", "HTTP/3.0"), ("Via", "1.0 a"),
                      ("From", "a@b"), ("Referer", "x"), ("Keep-Alive", "timeout=5"),
                      ("Proxy-Connection", "close"), ("Proxy-Authorization", "Basic YTpi"),
                      ("Content-Language", "de"), ("Content-Location", "/x"), ("Expect", "200-maybe"),
                      ("Cache-Control", "only-if-cached"), ("Pragma", "no-cache"), ("Prefer", "x"),
                      ("Date", "yesterday")):
            with self.subTest(field):
                response = self.call("GET", "/status?key=untouched", [field])
                self.assertEqual((response.status, response.body), (plain.status, plain.body))
                self.assertEqual([pair for pair in response.fields if pair[0] != "Date"],
                                 [pair for pair in plain.fields if pair[0] != "Date"])

    def test_a_field_that_is_there_twice_is_no_fault_where_it_says_nothing(self):
        self.assertEqual(self.call("GET", "/healthz", [("Accept", "a/b"), ("Accept", "c/d"),
                                                       ("X-A", "1"), ("x-a", "2")]).status, 200)

    def test_conditions_that_never_hold_are_heeded(self):
        key = self.key()
        for method, target in (("POST", f"/reset?key={key}"), ("DELETE", f"/reset?key={key}"),
                               ("POST", f"/allow?key={key}"), ("POST", f"/refund?key={key}")):
            for field in (("If-Match", '"a"'), ("If-Match", 'W/"a", "b"'), ("If-None-Match", "*")):
                with self.subTest(method=method, target=target, field=field):
                    before = self.counters()
                    self.assert_problem(self.call(method, target, [field]), 412, field[0])
                    self.assertEqual(self.counted(before), {})
        self.assert_problem(self.call("GET", f"/allow?key={key}", [("If-Match", '"a"')]), 412)
        self.assertEqual(self.taken(key), 0)
        # What would be an error anyway is that one.
        self.assert_problem(self.call("POST", "/allow", [("If-Match", '"a"')]), 400)
        self.assert_problem(self.call("PUT", "/allow", [("If-Match", '"a"')]), 405)
        self.assertEqual(self.call("GET", "/nosuch", [("If-Match", '"a"')]).status, 404)

    def test_conditions_told_to_a_check_are_of_something_else(self):
        key = self.key()
        for field in (("If-Match", '"a"'), ("If-None-Match", "*"), ("If-None-Match", '"a"')):
            for method in ("GET", "PUT"):
                self.assertEqual(self.call(method, "/check/keyed", [("X-Key", key), field]).status, 200)
        self.assertEqual(self.taken(key), 6)


class Bodies(RfcCase):
    def test_a_length_may_have_zeros_in_front(self):
        key = self.key()
        body = f"key={key}".encode()
        for zeros in ("", "0", "000", "0" * 40):
            with self.subTest(zeros):
                connection = self.connect()
                connection.send(f"POST /allow HTTP/1.1\r\nHost: a\r\n{FORM[0]}: {FORM[1]}\r\n"
                                f"Content-Length: {zeros}{len(body)}\r\n\r\n".encode() + body +
                                request_bytes("GET", f"/allow?key={key}", [("Connection", "close")]))
                self.assertEqual([r.status for r in connection.receive_all()], [200, 200])
        self.assertEqual(self.taken(key), 8)
        self.assertEqual(self.exchange(b"GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 00\r\n"
                                       b"\r\n").status, 200)

    def test_expect_continue_is_answered_before_the_body(self):
        for value in ("100-continue", "100-CONTINUE"):
            with self.subTest(value):
                key = self.key()
                connection = self.connect()
                connection.send(request_bytes("POST", "/allow", [FORM, ("Expect", value), (
                    "Content-Length", len(key) + 4)]))
                while b"\r\n\r\n" not in connection.unread:
                    self.assertTrue(connection._more())
                self.assertEqual(connection.unread, b"HTTP/1.1 100 Continue\r\n\r\n")
                connection.unread = b""
                connection.send(f"key={key}".encode())
                self.assertEqual(connection.receive().json()["key"], key)

    def test_what_is_refused_by_its_header_is_not_continued(self):
        for fields, status in (([("Content-Length", 4097)], 413),
                               ([("Content-Length", 5), ("Transfer-Encoding", "chunked")], 400)):
            connection = self.connect()
            connection.send(request_bytes("POST", "/allow", [FORM, ("Expect", "100-continue"), *fields]))
            while connection._more():
                pass
            self.assertEqual(int(connection.unread[9:12]), status)

    def test_expect_means_nothing_in_http_1_0(self):
        key = self.key()
        response = self.exchange(f"POST /allow HTTP/1.0\r\nExpect: 100-continue\r\n{FORM[0]}: {FORM[1]}\r\n"
                                 f"Content-Length: {len(key) + 4}\r\n\r\nkey={key}".encode())
        self.assertEqual(response.status, 200)

    def test_a_coded_body_is_not_taken_for_a_plain_one(self):
        key = self.key()
        before = self.counters()
        for kind, body in ((FORM, f"key={key}".encode()), (JSON, b'{"requests":[{"key":"a"}]}')):
            response = self.call("POST", "/allow", [kind, ("Content-Encoding", "gzip")],
                                 gzip.compress(body))
            self.assertIn(response.status, (400, 415))
        self.assertEqual(self.counted(before), {})


class Answers(RfcCase):
    """What every answer must have, and must not."""

    def each(self):
        """An answer of each kind and status that a caller can bring about."""
        self.allow("small:empty")
        yield "200", self.allow(self.key())
        yield "200 of a check", self.call("GET", "/check/keyed", [("X-Key", self.key())])
        yield "200 of text", self.call("GET", "/metrics")
        yield "400", self.call("GET", "/allow")
        yield "400 of the gate", self.call("GET", "/allow?key=k", [("Host", "b")])
        yield "403 of a check", self.call("GET", "/check/keyed")
        yield "403 of an origin", self.call("POST", "/reset?key=k", [("Origin", "http://b")])
        yield "404", self.call("GET", "/nosuch")
        yield "405", self.call("PUT", "/allow")
        yield "412", self.call("POST", "/reset?key=k", [("If-Match", '"a"')])
        yield "413", self.call("POST", "/allow", [FORM], b"a" * 5000)
        yield "413 in the middle", self.exchange(
            request_bytes("POST", "/allow", [("Transfer-Encoding", "chunked")]) +
            b"2000\r\n" + b"a" * 0x2000)
        yield "414", self.call("GET", "/allow?key=" + "a" * 9000)
        yield "415", self.call("POST", "/allow", [("Content-Type", "text/plain")], b"a")
        yield "421", self.call("GET", "https://a/")
        yield "429", self.allow("small:empty")
        yield "431", self.call("GET", "/allow?key=k", [("X", "a" * 17000)])

    def test_every_answer_has_a_date_a_length_and_is_not_stored(self):
        for name, response in self.each():
            with self.subTest(name):
                self.assertEqual(response.status, int(name[:3]))
                self.assertRegex(response.header("Date"), r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar"
                                 r"|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d GMT$")
                self.assertEqual(int(response.header("Content-Length")), len(response.body))
                self.assertEqual(response.header("Cache-Control"), "no-store")
                self.assertIsNone(response.header("Transfer-Encoding"))
                self.assertTrue(response.reason)
                self.assertEqual(response.header("Content-Type") is None, response.body == b"")
                for field in ("Location", "ETag", "Last-Modified", "Accept-Ranges", "Content-Encoding"):
                    self.assertIsNone(response.header(field))

    def test_every_405_names_the_methods(self):
        for target, methods in (("/allow", "GET, POST"), ("/reset", "POST, DELETE"), ("/refund", "POST"),
                                ("/status", "GET, HEAD, QUERY"), ("/keys", "GET, HEAD"), ("/explain", "GET, HEAD"),
                                ("/metrics", "GET, HEAD"), ("/healthz", "GET, HEAD"),
                                ("/readyz", "GET, HEAD"), ("/reload", "POST")):
            for method in ("PUT", "TRACE", "CONNECT", "OPTIONS", "PATCH", "FOO"):
                with self.subTest(target=target, method=method):
                    response = self.call(method, target)
                    if target == "/reload" and response.status == 403:
                        continue    # which comes first; test_admin.py has the rest
                    self.assertEqual((response.status, response.header("Allow")), (405, methods))

    def test_connect_reaches_nothing(self):
        for target, status in (("a:80", 400), ("a:", 400), ("a", 400), ("/check/keyed", 405)):
            with self.subTest(target):
                self.assert_problem(self.call("CONNECT", target, [("X-Key", "k")]), status)

    def test_head_has_the_fields_of_get(self):
        for target in ("/status", "/status?key=k", "/keys", "/explain?key=k", "/metrics", "/healthz", "/readyz", "/check/keyed",
                       "/nosuch", "/status?x=1"):
            with self.subTest(target):
                got, head = (self.call(method, target, [("X-Key", self.key())]) for method in ("GET", "HEAD"))
                self.assertEqual((head.status, head.body), (got.status, b""))
                self.assertEqual([name for name, _ in head.fields], [name for name, _ in got.fields])
                self.assertEqual(head.header("Content-Type"), got.header("Content-Type"))

    def test_retry_after_is_seconds(self):
        self.allow("small:retry")
        response = self.allow("small:retry")
        self.assertEqual(response.status, 429)
        self.assertTrue(re.fullmatch("[1-9][0-9]*", response.header("Retry-After")))

    def test_no_range_is_served(self):
        response = self.call("GET", "/metrics", [("Range", "bytes=0-0")])
        self.assertEqual(response.status, 200)
        self.assertIsNone(response.header("Content-Range"))

    def test_answers_come_in_order_and_each_has_its_end(self):
        connection = self.connect()
        targets = ["/healthz", "/nosuch", "/metrics", "/allow", "/status?key=a", "/keys"] * 5
        connection.send(b"".join(request_bytes("GET", target) for target in targets))
        statuses = [connection.receive().status for _ in targets]
        self.assertEqual(statuses, [200, 404, 200, 400, 200, 200] * 5)
        self.assertEqual(connection.unread, b"")


if __name__ == "__main__":
    unittest.main()
