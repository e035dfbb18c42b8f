#!/usr/bin/python3 -B
"""
Hostile HTTP, keys and numbers: what is refused is refused whole.

Each attack is followed on its connection by a bait, a request that would take
a token. The proof that nothing ran is in the daemon's own counters: a request
that it took for one shows there, whatever it answered.
"""
import contextlib
import unittest

import libraries
from harness import FORM, Case, Response, request_bytes

FROZEN = """
tick: 10s
limits:
  - name: default
    burst: 1000
    rate: 1/d
"""

BAIT = (b"GET /allow?key=bait HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
HOST = b"Host: a\r\n"


class HostileCase(Case):
    config = FROZEN

    def talk(self, raw):
        """Sends, and returns every byte that comes back until the daemon closes."""
        connection = self.connect()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(raw)
        while connection._more():
            pass
        return connection.unread

    def ran(self, before):
        """What the daemon has run since `before`, apart from the questions about that."""
        after = self.counters()
        return {name: after[name] - before[name] for name in ("allowed", "denied", "resets",
                                                              "statuses")
                if after[name] != before[name]}

    def status_of(self, answer):
        self.assertRegex(answer, rb"^HTTP/1\.[01] \d\d\d ")
        return int(answer[9:12])

    def refusal(self, answer):
        """A refusal as tests/libraries.md writes it; it must be the last on its connection."""
        if answer == b"":
            return "closed"
        status = self.status_of(answer)
        head, _, body = answer.partition(b"\r\n\r\n")
        self.assertIn(b"\r\nConnection: close", head)
        if b"application/problem+json" in head:
            self.assert_problem(Response(head, body), status)
            return str(status)
        twice = body.startswith(head[:12])
        if twice:
            body = body.partition(b"\r\n\r\n")[2]
        self.assertRegex(body, rb"\A<html>[^\n]*</html>\Z")
        return f"{status} HTML" + (", head twice" if twice else "")

    def outcome(self, raw, send):
        """What becomes of a request with the bait behind it, as tests/libraries.md writes it."""
        before = self.counters()
        answer = send(raw + BAIT)
        ran = self.ran(before)
        if ran == {}:
            return self.refusal(answer)
        responses = responses_in(answer)
        self.assertEqual(ran, {"allowed": sum(response.status == 200 for response in responses)})
        for response in responses:
            if response.status != 200:
                self.assert_problem(response, response.status)
        outcomes = [str(response.status) for response in responses]
        if responses[-1].status == 200 and responses[-1].json()["key"] == "bait":
            outcomes[-1] = "goes on"
        else:
            self.assertEqual(responses[-1].header("Connection"), "close")
        return ", ".join(outcomes)

    def assert_answered(self, raw, expected):
        """expected: an outcome, or a row of tests/libraries.md."""
        if expected in libraries.answers():
            expected = libraries.answer(self.daemon, expected)
        for name, send in (("at once", self.talk), ("split", self.talk_split)):
            with self.subTest(how=name):
                self.assertEqual(self.outcome(raw, send), expected)

    def assert_refused(self, raw, status):
        """Refused by allowd, closed, and the bait behind it never ran."""
        self.assert_answered(raw, str(status))

    def assert_refused_alone(self, raw, status):
        """Refused or not found, for itself: the request behind it runs, once."""
        self.assert_answered(raw, f"{status}, goes on")

    def talk_split(self, raw):
        """The same in two pieces: the bait may arrive only when the attack has been judged."""
        connection = self.connect()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.send(raw[:-len(BAIT)])
            connection.send(raw[-len(BAIT):])
        while connection._more():
            pass
        return connection.unread


def responses_in(answer):
    """All responses in what a daemon has sent."""
    responses = []
    while answer:
        head, _, answer = answer.partition(b"\r\n\r\n")
        length = int(Response(head, b"").header("Content-Length"))
        responses.append(Response(head, answer[:length]))
        answer = answer[length:]
    return responses


def get(*fields, target=b"/allow?key=k", version=b"HTTP/1.1", method=b"GET"):
    return method + b" " + target + b" " + version + b"\r\n" + HOST + b"".join(fields) + b"\r\n"


def post(*fields):
    return get(*fields, method=b"POST")


class Framing(HostileCase):
    """Where one request ends and the next begins."""

    def test_several_content_lengths(self):
        bait = str(len(BAIT)).encode()
        for values in ((b"0", bait), (bait, b"0"), (b"0", b"0"), (b"5", b"5"), (b"0", b"x")):
            for name in (b"Content-Length", b"content-length", b"CONTENT-LENGTH"):
                with self.subTest(values=values, name=name):
                    self.assert_refused(post(b"Content-Length: " + values[0] + b"\r\n",
                                             name + b": " + values[1] + b"\r\n"), 400)

    def test_a_list_of_content_lengths(self):
        for value in (b"0, 0", b"0,0", b"5, 5", b"0 0"):
            with self.subTest(value):
                self.assert_answered(post(b"Content-Length: " + value + b"\r\n"),
                                     "a Content-Length that is no number")

    def test_content_length_with_transfer_encoding(self):
        for fields in ((b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
                       (b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n"),
                       (b"Transfer-Encoding: identity\r\n", b"Content-Length: 0\r\n"),
                       (b"Content-Length: 0\r\n", b"Transfer-Encoding:\r\n")):
            with self.subTest(fields):
                self.assert_answered(post(*fields) + b"0\r\n\r\n",
                                     "a Content-Length beside a Transfer-Encoding")

    def test_any_transfer_encoding_but_chunked(self):
        for value in (b"identity", b"", b"gzip", b"gzip, chunked", b"chunked, chunked", b",chunked",
                      b"chunked,", b"chunked, identity", b"xchunked", b"chunked ", b"chunked\t",
                      b"\x0bchunked", b'"chunked"', b"chunked;a=b", b"chunke", b"chunkedd"):
            for make in (get, post):
                with self.subTest(value=value, make=make.__name__):
                    self.assert_answered(
                        make(b"Transfer-Encoding: " + value + b"\r\n") + b"0\r\n\r\n",
                        "a Transfer-Encoding of chunked with a blank behind it"
                        if value.strip(b" \t") == b"chunked" else
                        "a Transfer-Encoding other than chunked")

    def test_several_transfer_encodings(self):
        for first, second in ((b"chunked", b"chunked"), (b"chunked", b"identity"),
                              (b"gzip", b"chunked"), (b"", b"chunked")):
            with self.subTest(first=first, second=second):
                self.assert_answered(
                    post(b"Transfer-Encoding: " + first + b"\r\n",
                         b"transfer-encoding: " + second + b"\r\n") + b"0\r\n\r\n",
                    "400" if first == b"chunked" else "a Transfer-Encoding other than chunked")

    def test_transfer_encoding_in_http_1_0(self):
        for host in (HOST, b""):
            with self.subTest(host):
                self.assert_refused(b"POST /allow?key=k HTTP/1.0\r\n" + host +
                                    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)

    def test_content_length_beyond_all_bounds(self):
        values = dict.fromkeys((4097, 2**31, 2**32, 2**63 - 1, 2**63), "413")
        values[2**64 - 1] = "a Content-Length of 2^64-1"
        for number in (2**64, 2**64 + 5, 10**100 - 1):
            values[number] = "a Content-Length of 2^64 and more"
        for number, expected in values.items():
            with self.subTest(number):
                self.assert_answered(post(b"Content-Length: %d\r\n" % number), expected)

    def test_content_length_that_is_no_number(self):
        for value in (b"-1", b"+3", b"0x3", b"", b" ", b"3 3", b"1e1", b"3.0", b"a", b"3a", b"''",
                      b"-0", b"+0", b"\xb2"):
            with self.subTest(value):
                self.assert_answered(post(b"Content-Length: " + value + b"\r\n"),
                                     "a Content-Length that is no number")

    def test_folded_lines(self):
        """A line that goes on after a blank hides, or glues together, what others see."""
        for fields in ((b"X: a\r\n b\r\n",), (b"X: a\r\n\tb\r\n",), (b"X: a\r\n \r\n",),
                       (b"X:\r\n a\r\n",),
                       (b"X: a\r\n Content-Length: 70\r\n",),
                       (b"X: a\r\n Transfer-Encoding: chunked\r\n",),
                       (b"Content-Length:\r\n 70\r\n",),
                       (b"Content-Length: 7\r\n 0\r\n",),
                       (b"Content-Length: 0\r\n 70\r\n",),
                       (b"Transfer-Encoding:\r\n chunked\r\n",),
                       (b"X: a\n b\r\n",), (b"X: a\n b\n",), (b"X: a\r\n b: c\r\n",)):
            with self.subTest(fields):
                self.assert_answered(post(*fields),
                                     "a line that goes on after a line end and a blank")
        for field in (b"Content\r\n -Length: 70\r\n", b"Content-Length\r\n : 70\r\n",
                      b"Transfer\r\n -Encoding: chunked\r\n",
                      b"Transfer-Encoding\r\n : chunked\r\n"):
            with self.subTest(field):
                self.assert_answered(post(field), "a field without a colon in its line")

    def test_folded_first_and_host_lines(self):
        folds = "a line that goes on after a line end and a blank"
        for fields, expected in (
                (b" X: a\r\nHost: a\r\n", "a blank before the colon, or before the name"),
                (b" Host: a\r\n", "a blank before the colon, or before the name"),
                (b"Host: a\r\n b\r\n", folds),
                (b"X: a\r\n Host: b\r\n", folds),
                (b"Ho\r\n st: a\r\n", "a field without a colon in its line")):
            with self.subTest(fields):
                self.assert_answered(b"GET /allow?key=k HTTP/1.1\r\n" + fields + b"\r\n",
                                     expected)

    def test_blank_before_the_colon(self):
        for field in (b"Content-Length : 70\r\n", b"Content-Length\t: 70\r\n",
                      b"Transfer-Encoding : chunked\r\n", b"X : a\r\n", b" X: a\r\n",
                      b"X Y: a\r\n"):
            with self.subTest(field):
                self.assert_answered(post(field), "a blank before the colon, or before the name")

    def test_nul(self):
        for expected, requests in {
                "a NUL in the method or target": (
                    get(target=b"/allow?key=k\0"), get(target=b"/allow?key=k\0&tokens=5"),
                    get(target=b"/allow\0?key=k"), get(target=b"/\0allow?key=k"),
                    get(target=b"\0/allow?key=k"), get(target=b"/allow?key=k&\0"),
                    get(method=b"GET\0"), get(method=b"GE\0T")),
                "a NUL first of all, or in the version": (
                    get(version=b"HTTP/1.1\0"), get(version=b"HTTP/1\0.1"), get(method=b"\0GET"),
                    get(method=b"\0")),
                "a NUL in a field's value, or first in its line": (
                    get(b"X: a\0b\r\n"), get(b"X: a\0\r\n"), get(b"X: \0\r\n"),
                    get(b"\0X: a\r\n"), get(b"\0\r\n"), get(b"\0: a\r\n"),
                    get(b"X: a\r\n\0Y: b\r\n"), get(b"X: a\0\r\nY: b\r\n"),
                    post(b"Content-Length: 0\0" + b"70\r\n"), post(b"Content-Length: 70\0\r\n")),
                "a NUL in a field's name": (
                    get(b"X\0: a\r\n"), get(b"X\0Y: a\r\n"), post(b"Content-Length\0: 70\r\n"),
                    post(b"Content-Length\0X: 70\r\n"),
                    post(b"Transfer-Encoding\0: chunked\r\n"),
                    post(b"X\0: a\r\nTransfer-Encoding: chunked\r\n"))}.items():
            for raw in requests:
                with self.subTest(raw):
                    self.assert_answered(raw, expected)

    def test_a_bare_carriage_return(self):
        """To some it ends a line and to some it does not: it must not pass."""
        for fields in ((b"X: a\rY: b\r\n",), (b"X: a\rContent-Length: 70\r\n",),
                       (b"X: a\rTransfer-Encoding: chunked\r\n",), (b"X: a\r\r\n",),
                       (b"X\r: a\r\n",), (b"X:\ra\r\n",), (b"\rX: a\r\n",)):
            with self.subTest(fields):
                self.assert_answered(post(*fields), "a bare CR")
        # The empty line forged: what follows would be the next request.
        for raw in (b"GET /status?key=k HTTP/1.1\r\nHost: a\r\nX: a\r\r",
                    b"GET /status?key=k HTTP/1.1\r\nHost: a\r\r",
                    b"GET /status?key=k HTTP/1.1\rHost: a\r\r"):
            with self.subTest(raw):
                self.assert_answered(raw, "a bare CR")
        for raw in (b"GET /status?key=k HTTP/1.1\r\nHost: a\r\n\r", post(b"X: a\r")):
            with self.subTest(raw):
                self.assert_answered(raw, "a field without a colon in its line")

    def test_a_bare_line_feed_ends_a_line_everywhere(self):
        """Or nowhere: RFC 9112, 2.2 leaves that to the server."""
        comes_in = "a bare LF at the end of a line"
        requests = [b"GET /allow?key=lf HTTP/1.1\nHost: a\n\n",
                    b"GET /allow?key=lf HTTP/1.1\r\nHost: a\n\r\n",
                    b"GET /allow?key=lf HTTP/1.1\nHost: a\r\n\n",
                    b"POST /allow HTTP/1.1\nHost: a\nContent-Length: 6\n"
                    b"Content-Type: application/x-www-form-urlencoded\n\nkey=lf"]
        for raw in requests:
            with self.subTest(raw):
                self.assert_answered(raw, comes_in)
        self.assert_answered(
            b"".join(requests), {"200, goes on": "200, 200, 200, 200, goes on",
                                 "400 HTML": "400 HTML"}[libraries.answer(self.daemon, comes_in)])
        # And a header seen behind one is a header to the gate, too.
        for fields in (b"X: a\nTransfer-Encoding: gzip\n",
                       b"X: a\nContent-Length: 0\nContent-Length: 0\n"):
            with self.subTest(fields):
                self.assert_answered(post(fields), "a bare LF at the end of a line, and a fault")

    def test_a_body_is_taken_to_its_last_byte(self):
        """A body that looks like a request is not one."""
        for method, status in (("GET", 200), ("POST", 415), ("DELETE", 405)):
            with self.subTest(method):
                before = self.counters()
                connection = self.connect()
                connection.send(request_bytes(method, "/allow?key=outer", (), BAIT) + BAIT)
                responses = connection.receive_all()
                self.assertEqual([r.status for r in responses], [status, 200])
                self.assertEqual(self.ran(before), {"allowed": 2 if status == 200 else 1})

    def test_get_with_a_large_body(self):
        self.assert_refused(get(b"Content-Length: 5000\r\n") + b"a" * 5000, 413)
        self.assert_refused(get(b"Content-Length: 2000000\r\n") + b"a" * 2_000_000, 413)

    def test_expect_continue_gets_a_final_answer_only_when_whole(self):
        before = self.counters()
        connection = self.connect()
        connection.send(b"POST /allow HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                        b"Content-Type: application/x-www-form-urlencoded\r\n"
                        b"Content-Length: 8\r\n\r\n")
        while b"\r\n\r\n" not in connection.unread:
            self.assertTrue(connection._more())
        self.assertEqual(connection.unread, b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.unread = b""
        self.assertEqual(self.ran(before), {})
        connection.send(b"key=cont")
        self.assertEqual(connection.receive().json()["key"], "cont")
        self.assertEqual(self.ran(before), {"allowed": 1})


class RequestLines(HostileCase):
    def test_hosts(self):
        for raw in (b"GET /allow?key=k HTTP/1.1\r\n\r\n",
                    b"GET /allow?key=k HTTP/1.1\r\nX-Host: a\r\n\r\n"):
            with self.subTest(raw):
                self.assert_answered(raw, "HTTP/1.1 without a Host")
        for raw in (get(HOST), get(b"host: a\r\n"), get(b"HOST: b\r\n"), get(b"Host:\r\n"),
                    get(HOST, version=b"HTTP/1.0"), get(b"Host:\r\n", version=b"HTTP/1.0"),
                    get(HOST, version=b"HTTP/1.2")):
            with self.subTest(raw):
                self.assert_refused(raw, 400)

    def test_hosts_that_are_none(self):
        for value in (b"a b", b"a/b", b"a@b", b"u:p@b", b"a:b", b"a:80:80", b"[::1", b"[::1]a",
                      b"[]", b"[g::1]", b"::1", b"a%", b"a%2", b"a%zz", b"a\\b", b"a?b", b"a#b",
                      b"<a>", b'"a"', b"a\tb", b"\xc3\xa9", b"http://a"):
            for version in (b"HTTP/1.1", b"HTTP/1.0"):
                with self.subTest(value=value, version=version):
                    self.assert_refused(b"GET /allow?key=k " + version + b"\r\nHost: " + value +
                                        b"\r\n\r\n", 400)

    def test_bad_header_names(self):
        for field in (b"X(: a\r\n", b"X/Y: a\r\n", b'"X": a\r\n',
                      b"X\x80: a\r\n", b"\xc3\xa9: a\r\n", b"X\x01: a\r\n", b"X\x7f: a\r\n",
                      b"[X]: a\r\n", b"X@: a\r\n"):
            with self.subTest(field):
                self.assert_refused(get(field), 400)
        self.assert_answered(get(b": a\r\n"), "a field without a name")
        self.assert_answered(get(b"nocolon\r\n"), "a field without a colon in its line")

    def test_control_characters_in_a_header(self):
        for code in [*range(0x01, 0x09), 0x0b, 0x0c, *range(0x0e, 0x20), 0x7f]:
            with self.subTest(code):
                self.assert_refused(get(b"X: a" + bytes([code]) + b"b\r\n"), 400)
        for value in (b"a\tb", b"\xff\xfe", b"caf\xc3\xa9", b""):
            with self.subTest(value):
                before = self.counters()
                self.assertEqual(self.status_of(self.talk(get(b"X: " + value + b"\r\n",
                                                              b"Connection: close\r\n"))), 200)
                self.assertEqual(self.ran(before), {"allowed": 1})

    def test_versions(self):
        for version in (b"HTTP/0.9", b"HTTP/0.0", b"HTTP/2.0", b"HTTP/3.0"):
            with self.subTest(version):
                self.assert_answered(get(version=version), "HTTP/0, HTTP/2 and beyond")
        for version in (b"http/1.1", b"HTTP/1.1x", b"HTTP/1.10", b"HTTP/01.1", b"HTTP/1.",
                        b"HTTP/1", b"HTTP/", b"HTTP", b"FOO/1.1", b"HTTP/-1.1", b"HTTP/1,1"):
            with self.subTest(version):
                self.assert_answered(get(version=version),
                                     "a first line without a version, or with one that is none")

    def test_old_and_new_protocols(self):
        for raw in (b"GET /allow?key=k\r\n", b"GET /allow?key=k\r\n\r\n"):
            with self.subTest(raw):
                self.assert_answered(raw,
                                     "a first line without a version, or with one that is none")
        self.assert_answered(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0",
                             "HTTP/0, HTTP/2 and beyond")

    def test_not_http_at_all(self):
        for raw in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(14, 200)) +
                    b"\r\n\r\n", b"\xff\xff\xff\xff \xff\xff\r\n\r\n"):
            with self.subTest(raw):
                self.assert_answered(raw, "bytes that are no HTTP at all")
        for raw in (b"SSH-2.0-x\r\n\r\n", b"GET\r\n\r\n"):
            with self.subTest(raw):
                self.assert_answered(raw, "a line without a method and a target")

    def test_empty_lines_before_a_request(self):
        self.assert_answered(b"\r\n" + get(), "200, goes on")
        self.assert_answered(b"\r\n\r\n" + get(), "two empty lines before a request")

    def test_upgrades_are_not_taken(self):
        before = self.counters()
        answer = self.talk(get(b"Connection: Upgrade, HTTP2-Settings, close\r\n",
                               b"Upgrade: h2c\r\n", b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n"))
        self.assertEqual(self.status_of(answer), 200)
        self.assertEqual(self.ran(before), {"allowed": 1})

    def test_methods(self):
        for method in (b"CONNECT", b"TRACE", b"OPTIONS", b"PUT", b"G@T", b"get", b"GETT", b"GE",
                       b"x" * 1000, b"{", b"GET/"):
            with self.subTest(method):
                self.assert_refused_alone(get(method=method), 405)

    def test_head_takes_no_token(self):
        before = self.counters()
        connection = self.connect()
        connection.send(get(method=b"HEAD") + BAIT)
        response = connection.receive(to_head=True)
        self.assertEqual((response.status, response.header("Allow")), (405, "GET, POST"))
        self.assertEqual(connection.receive().json()["key"], "bait")
        self.assertEqual(self.ran(before), {"allowed": 1})

    def test_targets(self):
        for target in (b"*", b"allow?key=k", b"?key=k", b"allow", b"a:80", b"%2Fallow?key=k",
                       b"\\allow?key=k"):
            with self.subTest(target):
                self.assert_refused_alone(get(target=target), 400)
        for target in (b"/allow%zz?key=k", b"/allow%?key=k", b"/allow%00?key=k",
                       b"/allow%0d%0a?key=k", b"/%ff?key=k", b"/allow?key=\xc3\xa9",
                       b"/allow?key=a\x01", b"/allow?key=a\x7f", b"/allow?key=a\tb"):
            with self.subTest(target):
                self.assert_refused_alone(get(target=target), 400)
        for target in (b"/allow?key=a b", b"/allow ?key=a", b"/allow?key=a "):
            with self.subTest(target):
                self.assert_answered(get(target=target), "a blank in the target")
        for target in (b"/allow?key=a\x0bb", b"/allow\x0c?key=a"):
            with self.subTest(target):
                self.assert_answered(get(target=target),
                                     "a vertical tab or form feed in the target")

    def test_a_fragment_is_no_part_of_a_target(self):
        self.assert_refused_alone(get(target=b"/allow?key=k#f"), 400)
        self.assert_refused_alone(get(target=b"/allow#f?key=k"), 400)

    def test_an_empty_target(self):
        self.assert_answered(b"GET  HTTP/1.1\r\nHost: a\r\n\r\n", "an empty target")
        self.assert_answered(b"GET HTTP/1.1\r\nHost: a\r\n\r\n",
                             "a first line without a version, or with one that is none")

    def test_tabs_do_not_separate(self):
        for raw, expected in (
                (b"GET\t/allow?key=k\tHTTP/1.1\r\n" + HOST + b"\r\n",
                 "a tab in place of the first blank"),
                (b"GET /allow?key=k\tHTTP/1.1\r\n" + HOST + b"\r\n",
                 "a first line without a version, or with one that is none")):
            with self.subTest(raw):
                self.assert_answered(raw, expected)

    def test_too_large(self):
        for fields in ((b"X: " + b"a" * 40_000 + b"\r\n",), (b"X" * 40_000 + b": a\r\n",),
                       [b"X%d: a\r\n" % i for i in range(3000)], [b"A:\r\n"] * 3000,
                       (b"Cookie: " + b"a=b;" * 9_000 + b"\r\n",)):
            with self.subTest(fields[0][:20]):
                self.assert_answered(get(*fields),
                                     "a header that does not fit into a connection's memory")
        for target in (b"/allow?key=k&x=" + b"a" * 40_000, b"/allow?" + b"&" * 20_000):
            with self.subTest(target[:20]):
                self.assert_answered(get(target=target),
                                     "a target that does not fit into a connection's memory")
        self.assert_refused(get(target=b"/allow?key=k&x=" + b"a" * 8_000), 414)

    def test_the_edge_of_too_large(self):
        """Up to a size all is served, and from there on nothing is, in any shape, and each hears why; but
        libmicrohttpd may be left with no memory for cookies, and closes. Whatever is not served
        takes no token."""
        body = b"x" * 4000
        shapes = {
            "cookie": lambda n: get(b"Cookie: " + b"a" * n + b"\r\n"),
            "cookies": lambda n: get(b"Cookie: " + b"a=b;" * (n // 40) + b"\r\n"),
            "cookie fields": lambda n: get(b"Cookie: a=b\r\n" * (n // 40)),
            "field": lambda n: get(b"X-Forwarded-For: " + b"a" * n + b"\r\n"),
            "fields": lambda n: get(b"X: a\r\n" * (n // 40)),
            "field, body": lambda n: get(b"Content-Length: 4000\r\n",
                                         b"X: " + b"a" * n + b"\r\n") + body,
            "cookie, body": lambda n: get(b"Content-Length: 4000\r\n",
                                          b"Cookie: " + b"a" * n + b"\r\n") + body,
            "cookie, pipeline": lambda n: get(b"Cookie: " + b"a" * n + b"\r\n") +
                                          request_bytes("GET", "/nosuch") * 60,
        }
        for name, make in shapes.items():
            with self.subTest(name):
                statuses = []
                for size in range(1000, 50_000, 197):
                    before = self.counters()
                    connection = self.connect()
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        connection.send(make(size))
                    while connection._more() and b"\r\n\r\n" not in connection.unread:
                        pass
                    answer = connection.unread
                    status = self.status_of(answer) if answer else None
                    statuses.append(status)
                    self.assertEqual(self.ran(before), {"allowed": 1} if status == 200 else {})
                    if status == 431 and statuses.count(431) == 1:
                        self.assertIn(b"Content-Type: application/problem+json", answer)
                    connection.close()
                served = statuses.count(200)
                self.assertGreater(served, 5)
                self.assertEqual(statuses[:served], [200] * served)
                self.assertEqual(statuses[served], 431)
                self.assertLessEqual(set(statuses[served:]),
                                     {431, None} if name.startswith("cookie") else {431})
                self.assertEqual(statuses[-1], 431)

class Keys(HostileCase):
    def refused(self, query, detail=None):
        before = self.counters()
        for response in (self.call("GET", "/allow?" + query),
                         self.call("POST", "/allow", [FORM], query.encode("utf-8"))):
            self.assert_problem(response, 400, detail)
        self.assertEqual(self.ran(before), {})

    def taken(self, query, key):
        """The query is accepted and names exactly this key."""
        response = self.call("GET", "/allow?" + query)
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.json()["key"], key)
        response = self.call("POST", "/allow", [FORM], query.encode("utf-8"))
        self.assertEqual(response.json()["key"], key)
        return response.json()["remaining"]

    def test_empty_missing_twice(self):
        for query in ("key=", "key", "tokens=1", "key=a&key=a", "key=a&key=b", "key=&key=a",
                      "key=a&key=", "key=a&k%65y=b"):
            with self.subTest(query):
                self.refused(query)

    def test_control_characters(self):
        for code in [*range(0x00, 0x20), *range(0x7f, 0xa0)]:
            escaped = "".join(f"%{byte:02X}" for byte in chr(code).encode())
            for query in (f"key={escaped}", f"key=a{escaped}b", f"key=a{escaped}"):
                with self.subTest(query):
                    self.refused(query, "control")

    def test_raw_nul_in_a_form(self):
        for body in (b"key=a\0b", b"key=\0", b"key=a\0", b"\0key=a", b"key=a&\0", b"key\0=a"):
            with self.subTest(body):
                before = self.counters()
                response = self.call("POST", "/allow", [FORM], body)
                self.assert_problem(response, 400)
                self.assertEqual(self.ran(before), {})

    def test_a_line_end_never_reaches_a_header_or_the_log(self):
        mark = self.daemon.mark()
        for target in ("/allow?key=a%0d%0aX-Forged:%201", "/allow?key=a%0aallowd:+forged",
                       "/allow?key=a&limit=x%0d%0aX-Forged:%201", "/allow?a%0d%0aX-Forged:1=1",
                       "/allow%0d%0aX-Forged:1", "/allow?key=a&tokens=1%0d%0aX-Forged:1"):
            with self.subTest(target):
                response = self.call("GET", target)
                self.assert_problem(response, response.status)
                self.assertIn(response.status, (400, 404))
                self.assertIsNone(response.header("X-Forged"))
                self.assertNotIn(b"\r", response.body)
                self.assertEqual(response.body.count(b"\n"), 1)
        self.assertEqual([line for line in self.daemon.log()[mark:] if "orged" in line], [])

    def test_length(self):
        for size, character in ((255, "a"), (254, "é"), (255, "€"), (252, "𝄞")):
            key = character * (size // len(character.encode()))
            self.assertLessEqual(len(key.encode()), 255)
            escaped = "".join(f"%{byte:02x}" for byte in key.encode())
            with self.subTest(size=size, character=character):
                self.taken("key=" + escaped, key)
                self.refused("key=" + escaped + escaped[:12] * 2, "255 bytes|UTF-8")
        self.refused("key=" + "a" * 256, "255 bytes")
        self.refused("key=" + "a" * 3000, "255 bytes")

    def test_keys_are_never_cut(self):
        """Two keys of 255 bytes that differ in the last one are two keys."""
        self.assertEqual(self.taken("key=" + "c" * 254 + "a", "c" * 254 + "a"), 998)
        self.assertEqual(self.taken("key=" + "c" * 254 + "b", "c" * 254 + "b"), 998)

    def test_bad_escapes(self):
        for query in ("key=%zz", "key=%", "key=%4", "key=a%", "key=%4g", "key=%g4", "key=%%41",
                      "key=% 1", "key=%u0041", "key=%-1", "key=%+1", "%zz=a", "key=a&tokens=%zz",
                      "key=a&limit=%zz", "key=%0x"):
            with self.subTest(query):
                if " " in query:
                    response = self.call("POST", "/allow", [FORM], query.encode())
                    self.assert_problem(response, 400)
                else:
                    self.refused(query)

    def test_not_utf8(self):
        for escaped in ("%ff", "%fe", "%80", "%c3", "%c3%28", "%c0%80", "%c1%bf", "%e0%80%80",
                        "%e2%82", "%ed%a0%80", "%ed%bf%bf", "%f0%80%80%80", "%f4%90%80%80",
                        "%f5%80%80%80", "%f0%9d%84", "%e9", "a%c3", "%a0a"):
            with self.subTest(escaped):
                self.refused("key=" + escaped, "UTF-8")
        before = self.counters()
        self.assert_problem(self.call("POST", "/allow", [FORM], b"key=\xff"), 400, "UTF-8")
        self.assertEqual(self.ran(before), {})

    def test_one_documented_form(self):
        self.taken("key=a+b", "a b")
        self.assertEqual(self.taken("key=a%20b", "a b"), 996)
        self.taken("key=a%2Bb", "a+b")
        self.taken("key=a/c", "a/c")
        self.assertEqual(self.taken("key=a%2Fc", "a/c"), 996)
        self.assertEqual(self.taken("key=a%2fc", "a/c"), 994)
        self.taken("key=case", "case")
        self.assertEqual(self.taken("key=Case", "Case"), 998)
        self.taken("key=a=b", "a=b")
        self.taken("key=a%26b%3Dc", "a&b=c")
        self.taken("key=%25", "%")
        self.taken("k%65y=%61", "a")
        self.taken("key=%00"[:4] + "0", "0")
        self.taken("key=*?[]", "*?[]")
        self.taken("key=%5c%22%3c", '\\"<')
        self.taken("key=%F0%9D%84%9E%C2%A0%E2%80%8B", "𝄞\u00a0\u200b")

    def test_normal_forms_are_different_keys(self):
        self.assertEqual(self.taken("key=%C3%A9", "é"), 998)
        self.assertEqual(self.taken("key=e%CC%81", "e\u0301"), 998)


class Numbers(HostileCase):
    def test_refused(self):
        for number in ("-1", "-0", "+1", "1e3", "%201", "1%20", "+", "01", "00", "0x1", "1.0", "1,0",
                       "", "%00", "1%00", "9999999999999999", "18446744073709551615",
                       "18446744073709551616", "18446744073709551617", "9" * 25, "9" * 3000, "NaN",
                       "inf", "1_000", "%D9%A1", "%EF%BC%91", "true", "null", "1;2"):
            with self.subTest(number):
                before = self.counters()
                response = self.call("GET", f"/allow?key=number&tokens={number}")
                self.assert_problem(response, 400, "tokens")
                response = self.call("POST", "/allow", [FORM],
                                     f"key=number&tokens={number}".encode())
                self.assert_problem(response, 400, "tokens")
                self.assertEqual(self.ran(before), {})
        self.assertEqual(self.remaining("number"), 1000)

    def test_accepted(self):
        for number, tokens in (("0", 0), ("1", 1), ("%31", 1), ("1%30", 10), ("999", 999)):
            with self.subTest(number):
                key = self.key()
                answer = self.allow(key, f"&tokens={number}").json()
                self.assertEqual((answer["tokens"], answer["remaining"]), (tokens, 1000 - tokens))

    def test_above_the_burst_for_ever(self):
        key = self.key()
        for number in (1001, 2**32, 999_999_999_999_999):
            response = self.allow(key, f"&tokens={number}")
            self.assertEqual(response.status, 429)
            self.assertIsNone(response.header("Retry-After"))
            self.assertEqual(response.header("X-Should-Retry"), "false")
            self.assertIsNone(response.json()["retry_after_ms"])
        self.assertEqual(self.remaining(key), 1000)


class Rates(Case):
    """1 token a day and 10^9 a second, side by side."""

    config = """
tick: 100ms
limits:
  - {name: rare, burst: 1, rate: 1/d}
  - {name: vast, burst: 1000000000, rate: 1000000000/s}
  - {name: quick, burst: 10, rate: 30/s}
  - {name: default, burst: 10, rate: 1/s}
"""

    def test_one_a_day(self):
        key = self.key()
        self.assertEqual(self.allow(key, "&limit=rare").status, 200)
        response = self.allow(key, "&limit=rare")
        self.assertEqual(response.status, 429)
        self.assertGreater(response.json()["retry_after_ms"], 86_400_000 - 60_000)
        self.assertLessEqual(response.json()["retry_after_ms"], 86_400_000)

    def test_ten_to_the_ninth_a_second(self):
        key = self.key()
        response = self.allow(key, "&limit=vast&tokens=1000000000")
        self.assertEqual(response.status, 200)
        self.assertEqual((response.json()["remaining"], response.json()["reset_after_ms"]),
                         (0, 1000))
        self.assertEqual(response.header("RateLimit-Policy"), '"vast";q=1000000000;w=1')

    def test_retry_after_is_rounded_up_and_at_least_one(self):
        """Ten tokens in a third of a second: less than one second is still one."""
        seen = 0
        for _ in range(100):
            response = self.allow("hasty", "&limit=quick&tokens=4")
            if response.status == 429:
                seen += 1
                self.assertEqual(response.header("Retry-After"), "1")
                self.assertIn(response.json()["retry_after_ms"], (100, 200))
        self.assertGreater(seen, 0)


if __name__ == "__main__":
    unittest.main()
