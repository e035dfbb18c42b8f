#!/usr/bin/python3 -B
"""
How much header there is room for: that of ordinary browsers, and exactly what the manual says.
"""
import contextlib
import signal
import unittest

from harness import Case, Connection, Daemon, request_bytes, run_allowd

CONFIG = """
tick: 10s
limits:
  - {name: default, burst: 100000, rate: 100/s}
checks:
  - {name: keyed, key: "{header:X-Key}"}
"""
# What a browser sends besides cookies, by way of a proxy.
BROWSER = (
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
               "image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"), ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Cache-Control", "max-age=0"), ("If-None-Match", 'W/"5e8f-18c5d5a4f00"'),
    ("If-Modified-Since", "Sun, 06 Nov 1994 08:49:37 GMT"), ("Priority", "u=0, i"),
    ("Referer", "https://shop.example/category/shoes?page=2&sort=price"),
    ("Sec-Ch-Ua", '"Chromium";v="124", "Google Chrome";v="124", "Not-A.Brand";v="99"'),
    ("Sec-Ch-Ua-Mobile", "?0"), ("Sec-Ch-Ua-Platform", '"Linux"'), ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-User", "?1"),
    ("Upgrade-Insecure-Requests", "1"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
                   "Chrome/124.0.0.0 Safari/537.36"),
    ("X-Forwarded-For", "203.0.113.7, 198.51.100.9"), ("X-Forwarded-Host", "shop.example"),
    ("X-Forwarded-Method", "GET"), ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Uri", "/category/shoes?page=3&sort=price"), ("X-Key", "k"),
)
ROOMS = (4096, 8192, 16384, 40000, 65536)
ENTRY = 64


def cookies(count, size):
    """So many cookies of a size each, as one Cookie field."""
    return ("Cookie", "; ".join(f"c{i:03}=".ljust(size - 2, "x") for i in range(count)))


def fields(count, size):
    return [(f"X-Filler-{i:03}", "x" * (size - len("X-Filler-000: \r\n"))) for i in range(count)]


class Browsers(Case):
    """What was 431 in allowd 0.1.0."""

    config = CONFIG

    def assert_served(self, headers):
        for target in ("/check/keyed", f"/allow?key={self.key()}", "/healthz"):
            with self.subTest(target):
                response = self.call("GET", target, headers)
                self.assertEqual(response.status, 200, response)

    def test_a_browser_with_many_cookies(self):
        for count, size in ((55, 66), (60, 60), (79, 36), (80, 30), (112, 16), (100, 30), (1, 5000),
                            (3, 1500), (20, 200)):
            with self.subTest(cookies=count, size=size):
                self.assert_served([*BROWSER, cookies(count, size)])

    def test_a_cookie_of_7_kilobytes(self):
        self.assert_served([("X-Key", "k"), cookies(1, 7000)])

    def test_a_hundred_ordinary_fields(self):
        for count, size in ((100, 40), (120, 40), (100, 50), (140, 40)):
            with self.subTest(fields=count, size=size):
                self.assert_served([("X-Key", "k"), *fields(count, size)])
        self.assert_served([*BROWSER, *fields(100, 40)])

    def test_several_cookie_fields(self):
        """As HTTP/2 splits them; a proxy may pass them on like that."""
        self.assert_served([*BROWSER, *(("Cookie", f"c{i:03}=" + "x" * 20) for i in range(80))])


class Services(unittest.TestCase):
    """Who asks where no proxy passes on what browsers send."""

    CONFIG = "tick: 10s\nlimits: [{name: default, burst: 100000, rate: 100/s}]\n"

    def test_what_the_manual_has_room_for(self):
        with Daemon(self.CONFIG) as daemon, Connection(daemon.address) as connection:
            for target, headers, status in (
                    ("/allow?key=" + "a" * 255, [("Authorization", "x" * 6144), *fields(30, 40)], 200),
                    ("/allow?key=a", [cookies(1, 4096)], 200),
                    ("/" + "a" * 7999, fields(10, 40), 404)):
                connection.send(request_bytes("GET", target, headers))
                self.assertEqual(connection.receive().status, status)

    def test_a_first_check_that_a_reload_brings_waits_for_its_room(self):
        with Daemon(self.CONFIG) as daemon:
            daemon.write_config(CONFIG)
            daemon.signal(signal.SIGHUP)
            daemon.wait_for_line("reloaded")
            self.assertIn("allowd: warning: header_room, which by default is larger if there are checks, has changed; "
                          "it takes effect at the next start", daemon.log())

    def test_the_default_goes_by_whether_there_are_checks(self):
        for config, room in ((self.CONFIG, 10240), (CONFIG, 16384)):
            with self.subTest(room=room), Daemon(config) as daemon:
                self.assertIn(f"header_room: {room}\n", run_allowd("--print-config", "-c", daemon.config_path)[1])
                left = room - Rooms.taken(request_bytes("GET", "/allow?key=a", [("X", "")]))
                for size, status in ((left, 200), (left + 1, 431)):
                    self.assertEqual(daemon.call("GET", "/allow?key=a", [("X", "a" * size)]).status, status)


class Rooms(unittest.TestCase):
    """A header that takes all of the room is served, and one that takes a byte more is 431."""

    def probe(self, daemon, make, cost, room):
        """make(n): a request of n more bytes than make(0), of which each costs so much."""
        base = make(0)
        fitting = (room - self.taken(base)) // cost
        self.assertGreaterEqual(fitting, 0)
        request = make(fitting)
        self.assertLessEqual(self.taken(request), room)
        self.assertGreater(self.taken(make(fitting + 1)), room)
        for size, expected in ((fitting, 200), (fitting + 1, 431)):
            with Connection(daemon.address) as connection:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.send(make(size))
                response = connection.receive()
                self.assertEqual(response.status, expected, (len(make(size)), response))
                if expected == 431:
                    self.assertRegex(response.json()["detail"], "the header is too large; send fewer .* or raise header_room ")
                else:
                    # And again, so that nothing is left of the first.
                    connection.send(make(size))
                    self.assertEqual(connection.receive().status, 200)

    @staticmethod
    def taken(request):
        """What a request takes of the room, as allowd.yaml(5) has it."""
        head = request.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        first, *lines = head[:-4].split(b"\r\n")
        target = first.split(b" ")[1]
        sent = len(head)
        entries = len(lines) + target.count(b"&") + 1
        for line in lines:
            name, _, value = line.partition(b": ")
            if name == b"Cookie":
                sent += len(value)
                entries += value.count(b"=")
        return sent + ENTRY * entries

    def test_each_room_holds_just_what_it_says(self):
        def request(*headers, parameters=""):
            return request_bytes("GET", "/check/keyed?a=b" + parameters, [("X-Key", "k"), *headers])

        for room in ROOMS:
            with Daemon(f"header_room: {room}\n" + CONFIG) as daemon:
                for name, make, cost in (
                        ("a field", lambda n: request(("X", "a" * n)), 1),
                        ("fields of a byte", lambda n: request(*[("X", "")] * n), 5 + ENTRY),
                        ("fields of 40", lambda n: request(*[("X", "a" * 35)] * n), 40 + ENTRY),
                        ("a cookie", lambda n: request(("Cookie", "a=" + "b" * n)), 2),
                        ("cookies of 4", lambda n: request(("Cookie", "a=b;" * n + "a=b")), 8 + ENTRY),
                        ("cookies of 36", lambda n: request(
                            ("Cookie", ("a=" + "b" * 33 + ";") * n + "a=b")), 72 + ENTRY),
                        ("parameters", lambda n: request(parameters="&a=b" * n), 4 + ENTRY)):
                    if name == "parameters" and room > 16384:
                        continue    # 8000 bytes of target are fewer
                    with self.subTest(room=room, shape=name):
                        self.probe(daemon, make, cost, room)

    def test_whoever_sends_more_is_told_so_however_much_it_is(self):
        """Also where libmicrohttpd has no memory left for a reply, between 2 and 4 KB beyond."""
        for room in ROOMS:
            with Daemon(f"header_room: {room}\n" + CONFIG) as daemon:
                for more in range(200, 6000, 61):
                    with Connection(daemon.address) as connection:
                        connection.send(request_bytes("GET", "/check/keyed", [("X-Key", "k"),
                                                                              ("X", "a" * (room + more))]))
                        response = connection.receive()
                        self.assertIsNotNone(response, f"{more} more than {room}")
                        self.assertEqual(response.status, 431)

    def test_what_is_pipelined_behind_takes_nothing_from_it(self):
        behind = request_bytes("GET", "/nosuch") * 60
        for room in ROOMS:
            with Daemon(f"header_room: {room}\n" + CONFIG) as daemon, \
                    Connection(daemon.address) as connection:
                left = room - self.taken(request_bytes("GET", "/check/keyed",
                                                       [("X-Key", "k"), ("X", "")]))
                connection.send(request_bytes("GET", "/check/keyed",
                                              [("X-Key", "k"), ("X", "a" * left)]) + behind)
                self.assertEqual([connection.receive().status for _ in range(61)],
                                 [200] + [404] * 60)

    def test_a_full_room_leaves_room_for_the_longest_reply(self):
        """Every name and number in the header of a reply is as long as it can be."""
        most = 999_999_999_999_999
        name = "'" + '"' * 64 + "'"
        buckets = ", ".join(f"{{name: '{i}{chr(34) * 31}', burst: {most - i}, rate: 317500/s}}"
                            for i in range(4))
        headers = ", ".join(f'"X-{i}: {"v" * 89}"' for i in range(8))
        answer = f'{{headers: [{headers}], type: "text/{"x" * 123}", body: "{"b" * 3072}"}}'
        for dialect, length in (("ietf", 2783), ("ietf-acw", 2855)):
            for room in ROOMS:
                config = (f"tick: 10s\nheaders: {dialect}\nretry_after_ms: true\nheader_room: {room}\n"
                          f"limits: [{{name: {name}, buckets: [{buckets}]}}, {{name: default, burst: 10, rate: 1/s}}]\n"
                          f"checks: [{{name: c, limit: {name}, key: '{{method}}', deny_status: 511,\n"
                          f"  cost: [{{tokens: {most - 3}}}], answers: {{allow: {answer}, deny: {answer}}}}}]\n")
                left = room - self.taken(request_bytes("GET", "/check/c", [("X", "")]))
                request = request_bytes("GET", "/check/c", [("X", "a" * left)])
                with self.subTest(dialect=dialect, room=room), Daemon(config) as daemon, \
                        Connection(daemon.address) as connection:
                    for status in (200, 511, 511):
                        connection.send(request)
                        response = connection.receive()
                        self.assertEqual((response.status, response.body), (status, b"b" * 3072), response)
                    told = sum(len(f"{field}: {value}\r\n") for field, value in response.fields)
                    self.assertGreaterEqual(told, length)

    def test_bodies_are_as_long_in_every_room(self):
        for room in ROOMS:
            with Daemon(f"header_room: {room}\n" + CONFIG) as daemon, \
                    Connection(daemon.address) as connection:
                for size in (4096, 1048576):
                    left = room - self.taken(request_bytes("POST", "/check/keyed", [
                        ("X-Key", "k"), ("X", ""), ("Content-Length", size)]))
                    connection.send(request_bytes("POST", "/check/keyed", [
                        ("X-Key", "k"), ("X", "a" * left)], b"b" * size))
                    self.assertEqual(connection.receive().status, 200)


if __name__ == "__main__":
    unittest.main()
