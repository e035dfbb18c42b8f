#!/usr/bin/python3 -B
"""
The recipe for nginx in sites that redirect inside, refuse by themselves, or ask for passwords; and
with the lines that have requests wait.

nginx begins anew after each redirect inside. Whatever a site does, one request is to be one
question to allowd, and what nginx itself refuses stays refused as it was.
"""
import base64
import concurrent.futures
import signal
import socket
import struct
import time
import unittest

from harness import wait_until
from metrics import Metrics
from recipes import BURST, NGINX_WAITS, NginxRecipe, free_port
from share import load_tests  # which unittest calls

# What the recipe does with a request that may go on.
PASSES_ON = """\
        proxy_pass http://app;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
"""
BESIDE = """
    location @app {{
        proxy_pass http://app;
    }}
    location /files/ {{
        internal;
        alias {site}/;
    }}
    location /closed/ {{
        deny all;
    }}
"""


class Site(NginxRecipe):
    """The recipe with a site of its own in place of the application."""

    does = PASSES_ON  # in place of that
    asks_in_server = False  # whether the lines that ask stand in the server, not in the location

    def setUp(self):
        super().setUp()
        self.site = self.directory / "site"
        (self.site / "empty").mkdir(parents=True)
        for name in ("index.html", "missing.html", "page"):
            (self.site / name).write_text(name, encoding="ascii")

    def write_recipe(self, switch):
        does = self.does.replace("root site;", f"root {self.site};")
        beside = BESIDE.format(site=self.site)
        if self.asks_in_server:
            own = [("    location / {\n", ""),
                   (PASSES_ON + "    }\n", f"location / {{\n{does}\n}}\n{beside}")]
        else:
            own = [(PASSES_ON + "    }\n", f"{does}\n}}\n{beside}")]
        super().write_recipe(own + switch)


# ---- redirects inside ----

class Redirects:
    target = "/nothing"
    answer = None  # status and body
    is_told = True  # whether the location that answers has the recipe's add_header lines

    def assert_answered(self, response):
        status, body = self.answer
        self.assertEqual((response.status, response.body[:len(body)]), (status, body))
        self.assertIsNone(response.headers["Retry-After"])

    def test_exactly_the_burst_passes(self):
        self.start_proxy()
        for number in range(BURST):
            response = self.ask(path=self.target)
            self.assert_answered(response)
            if self.is_told:
                self.assertRegex(response.headers["RateLimit"],
                                 rf'^"per-client";r={BURST - 1 - number};t=\d+$')
                self.assertRegex(response.headers["RateLimit-Policy"],
                                 rf'^"per-client";q={BURST};w=\d+$')
        for _ in range(5):
            self.assert_denied(self.ask(path=self.target))
        self.assertEqual(self.count_questions(), BURST + 5)

    def test_allowd_down(self):
        self.start_proxy()
        self.daemon.stop()
        for _ in range(BURST + 5):
            response = self.ask(path=self.target)
            self.assert_answered(response)
            self.assertIsNone(response.headers["RateLimit"])

    def test_allowd_down_switched(self):
        self.start_proxy(switched=True)
        self.daemon.stop()
        response = self.ask(path=self.target)
        self.assertEqual(response.status, 500)
        self.assertNotIn(self.answer[1], response.body)

    def test_nothing_is_logged(self):
        self.start_proxy()
        for _ in range(BURST):
            self.ask(path=self.target)
        self.assertNotRegex(self.running.log(), r"\[(warn|crit|alert|emerg)\]")


class PlainFiles(Redirects, Site, unittest.TestCase):
    does, target, answer = "root site;", "/page", (200, b"page")


class Index(Redirects, Site, unittest.TestCase):
    does, target, answer = "root site; index none.html index.html;", "/", (200, b"index.html")


class TryFiles(Redirects, Site, unittest.TestCase):
    does, answer = "root site; try_files $uri $uri/ /index.html;", (200, b"index.html")


class TryFilesOfAFolder(TryFiles):
    target = "/"


class TryFilesByName(Redirects, Site, unittest.TestCase):
    does, answer = "root site; try_files $uri @app;", (200, b"GET /nothing")
    is_told = False


class TryFilesByNameAskedInServer(TryFilesByName):
    asks_in_server = is_told = True


class ErrorPage(Redirects, Site, unittest.TestCase):
    does, answer = "root site; error_page 404 /missing.html;", (404, b"missing.html")


class ErrorPageByName(Redirects, Site, unittest.TestCase):
    does, answer = "root site; error_page 404 = @app;", (200, b"GET /nothing")
    is_told = False


class Rewrite(Redirects, Site, unittest.TestCase):
    does, answer = "root site; rewrite ^/nothing$ /page last;", (200, b"page")


class AccelRedirect(Redirects, Site, unittest.TestCase):
    """The application sends whoever asks for /file to /files/page."""

    asks_in_server, target, answer = True, "/file", (200, b"page")


# ---- what nginx itself refuses ----

class Refusals:
    def assert_refused(self, response):
        self.assertEqual((response.status, response.headers["Retry-After"]), (403, None))
        self.assertIn(b"403 Forbidden", response.body)

    def test_before_allowd_is_asked(self):
        self.start_proxy()
        for _ in range(BURST + 5):
            response = self.ask("127.0.0.2", path="/page")
            self.assert_refused(response)
            self.assertIsNone(response.headers["RateLimit"])
        self.assertEqual(self.count_questions(), 0)

    def test_after_a_yes(self):
        """A folder that may not be listed, which nginx finds out last."""
        self.start_proxy()
        for _ in range(BURST):
            self.assert_refused(self.ask(path="/empty/"))
        for _ in range(5):
            self.assert_denied(self.ask(path="/empty/"))
        self.assertEqual(self.count_questions(), BURST + 5)

    def test_when_allowd_is_down(self):
        self.start_proxy()
        self.daemon.stop()
        for _ in range(BURST + 5):
            self.assert_refused(self.ask("127.0.0.2", path="/page"))
            self.assert_refused(self.ask(path="/empty/"))
            self.assertEqual(self.ask(path="/page").status, 200)

    def test_without_header_fields(self):
        self.start_proxy()
        with open(self.daemon.config_path, encoding="utf-8") as file:
            self.daemon.reload(file.read() + "\nheaders: none\n")
        for _ in range(BURST):
            self.assert_refused(self.ask(path="/empty/"))
        response = self.ask(path="/empty/")
        self.assertEqual((response.status, response.headers["RateLimit"]), (429, None))
        self.assertGreaterEqual(int(response.headers["Retry-After"]), 1)


class Refuses(Refusals, Site, unittest.TestCase):
    does = "root site; deny 127.0.0.2;"


class RefusesAskedInServer(Refusals, Site, unittest.TestCase):
    does = "root site; deny 127.0.0.2;"
    asks_in_server = True


# ---- what the recipe warns of: a second server that is asked after the no of the first ----

class NextUpstream(Site, unittest.TestCase):
    does = "root site;"

    def write_recipe(self, switch):
        server = f"server 127.0.0.1:{self.allowd_port};"
        super().write_recipe([
            (server, server + server),
            ("proxy_http_version 1.1;", "proxy_http_version 1.1; proxy_next_upstream http_403;"),
        ] + switch)

    def test_a_no_is_asked_for_twice(self):
        self.start_proxy()
        for _ in range(BURST):
            self.assertEqual(self.ask(path="/page").status, 200)
        self.assertEqual(self.count_questions(), BURST)
        self.assert_denied(self.ask(path="/page"))
        self.assertEqual(self.count_questions(), BURST + 2)


# ---- passwords ----

def password(text):
    return {"Authorization": "Basic " + base64.b64encode(f"alice:{text}".encode()).decode()}


class Passwords(Site):
    def setUp(self):
        super().setUp()
        (self.directory / "passwords").write_text("alice:{PLAIN}right\n", encoding="ascii")

    @property
    def basic(self):
        return f"auth_basic users; auth_basic_user_file {self.directory}/passwords;"


class PasswordsBehind(Passwords, unittest.TestCase):
    """The way that the recipe shows: it stands in front, and another server asks for the password."""

    def write_recipe(self, switch):
        behind = free_port()
        super().write_recipe([(f"127.0.0.1:{self.app.port}", f"127.0.0.1:{behind}")] + switch)
        with open(self.directory / "nginx.conf", "a", encoding="utf-8") as file:
            file.write(f"server {{ listen 127.0.0.1:{behind}; root {self.site}; {self.basic} }}\n")

    def test_guessing_is_limited(self):
        self.start_proxy()
        for number in range(BURST):
            response = self.ask(path="/page", headers=password(f"wrong{number}"))
            self.assertEqual((response.status, response.headers["WWW-Authenticate"]),
                             (401, 'Basic realm="users"'))
        self.assert_denied(self.ask(path="/page", headers=password("wrong")))
        self.assert_denied(self.ask(path="/page", headers=password("right")))
        response = self.ask("127.0.0.2", path="/page", headers=password("right"))
        self.assertEqual((response.status, response.body), (200, b"page"))


class PasswordsBeside(Passwords, unittest.TestCase):
    """What the recipe warns of."""

    @property
    def does(self):
        return f"root site; {self.basic}"

    def test_guessing_is_not_limited(self):
        self.start_proxy()
        for number in range(BURST + 5):
            response = self.ask(path="/page", headers=password(f"wrong{number}"))
            self.assertEqual(response.status, 401)
        self.assertEqual(self.count_questions(), 0)


class SatisfyAny(Passwords, unittest.TestCase):
    """And of this, where a yes of allowd is enough."""

    @property
    def does(self):
        return f"root site; satisfy any; {self.basic}"

    def test_a_yes_opens_what_a_password_guards(self):
        self.start_proxy()
        self.assertEqual(self.ask(path="/page", headers=password("wrong")).status, 200)


# ---- uploads ----

class Uploads(Site, unittest.TestCase):
    """A site that takes larger bodies than nginx takes elsewhere, and asks about them all the same."""

    does = "client_max_body_size 3m;" + PASSES_ON

    def test_as_large_as_the_site_takes(self):
        self.start_proxy()
        for size, status in ((3 << 20, 200), ((3 << 20) + 1, 413)):
            self.assertEqual(self.ask(method="POST", body=bytes(size)).status, status)
        self.assertEqual(self.count_questions(), 1)


# ---- requests that wait ----

class Waits(NginxRecipe):
    waits_instead = NGINX_WAITS
    patience = [*NginxRecipe.patience, ("proxy_read_timeout 2500ms;", "proxy_read_timeout 60s;")]

    def metrics(self):
        return Metrics(self.daemon.call("GET", "/metrics").body.decode("utf-8"))

    def wait_for_waiting(self, count):
        wait_until(lambda: self.metrics().value("allowd_waiting") == count, f"{count} wait")


class InTheirTurn(Waits, unittest.TestCase):
    slowed = ("wait: 2s", "wait: 30s")  # no busy machine makes it 429
    rate_s, tick_s = 10, 0.1
    over = 15

    def test_a_burst_is_let_through_at_the_rate(self):
        self.start_proxy()
        began_s = time.monotonic()

        def ask(_):
            return self.ask().status, time.monotonic() - began_s

        with concurrent.futures.ThreadPoolExecutor(BURST + self.over) as pool:
            answers = list(pool.map(ask, range(BURST + self.over)))
        self.assertEqual({status for status, _ in answers}, {200})
        for number, after_s in enumerate(sorted(after_s for _, after_s in answers), 1):
            self.assertLessEqual(number, BURST + (after_s + self.tick_s) * self.rate_s)
        # On a busy machine some ask so late that they find what the bucket has regained by then.
        self.assertIn(self.metrics().value("allowd_wait_duration_seconds_count"), range(1, self.over + 1))


class WhoLeaves(Waits):
    """A client that gives up while its request waits. nginx leaves too, so what it was promised comes back."""

    slowed = ("rate: 10/s", "rate: 1/20s")

    def configure_allowd(self, config):
        return config.replace("wait: 2s", "wait: 25s")

    def setUp(self):
        super().setUp()
        self.start_proxy()
        for _ in range(BURST):
            self.assertEqual(self.ask().status, 200)

    def send(self, data, waiting=1):
        client = socket.create_connection(("127.0.0.1", self.port))
        self.addCleanup(client.close)
        client.sendall(data)
        self.wait_for_waiting(waiting)
        return client

    GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


class Leaves(WhoLeaves, unittest.TestCase):
    def check_gone(self):
        self.wait_for_waiting(0)
        self.assertEqual(self.metrics().value("allowd_wait_duration_seconds_count"), 0)
        self.assertEqual(self.count_questions(), BURST)  # neither allowed nor denied

    def test_it_closes(self):
        self.send(self.GET).close()
        self.check_gone()

    def test_it_resets(self):
        client = self.send(self.GET)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        self.check_gone()

    def test_it_half_closes(self):
        """To nginx that is leaving, so there is no answer."""
        client = self.send(self.GET)
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(client.recv(100), b"")
        self.check_gone()

    def test_it_has_sent_more(self):
        """Another request, or a body, which nginx has not read yet."""
        client = self.send(self.GET)
        client.sendall(self.GET)
        client.close()
        self.check_gone()
        self.send(self.POST % 50000 + bytes(50000)).close()
        self.check_gone()
        self.send(self.POST % 50000 + bytes(1000)).close()
        self.check_gone()


class LeavesOverHttp2(WhoLeaves, unittest.TestCase):
    """It cancels this one request, and keeps the connection."""

    HEADERS, RST_STREAM, SETTINGS = 1, 3, 4
    END_STREAM, END_HEADERS = 1, 4
    CANCEL = (8).to_bytes(4, "big")
    GET = bytes([0x82, 0x86, 0x84, 0x41, 1]) + b"a"  # method, scheme, path and authority, by HPACK

    def write_recipe(self, switch):
        self.port2 = free_port()
        listen = f"listen {self.port};"
        super().write_recipe([(listen, f"{listen} listen {self.port2} http2;")])

    def frame(self, kind, flags, stream, data=b""):
        return len(data).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + data

    def test_it_cancels(self):
        with socket.create_connection(("127.0.0.1", self.port2)) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(self.SETTINGS, 0, 0))
            client.sendall(self.frame(self.HEADERS, self.END_STREAM | self.END_HEADERS, 1, self.GET))
            self.wait_for_waiting(1)
            client.sendall(self.frame(self.RST_STREAM, 0, 1, self.CANCEL))
            self.wait_for_waiting(0)
            self.assertEqual(self.metrics().value("allowd_waits_ended_total", result="left"), 1)


class LeavesALargeBody(WhoLeaves, unittest.TestCase):
    """Its end comes behind a body that the kernel does not send on before nginx reads it."""

    slowed = ("rate: 10/s", "rate: 1/12s")  # so that two may wait

    def write_recipe(self, switch):
        listen = f"listen {self.port};"
        super().write_recipe([(listen, listen + " client_max_body_size 0;")])

    def test_it_closes(self):
        client = self.send(self.POST % 1_000_000_000)
        client.setblocking(False)
        with self.assertRaises(BlockingIOError):
            while True:
                client.send(bytes(1 << 20))
        client.close()
        other = self.send(self.GET, waiting=2)
        other.close()
        self.wait_for_waiting(1)  # for nobody


class Trouble(Waits, unittest.TestCase):
    """allowd ends, or stands still, while a request waits."""

    slowed = ("rate: 10/s", "rate: 1/20s")

    def configure_allowd(self, config):
        return config.replace("wait: 2s", "wait: 25s")

    def ask_and(self, trouble, **start):
        self.start_proxy(**start)
        for _ in range(BURST):
            self.assertEqual(self.ask().status, 200)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(self.ask)
            self.wait_for_waiting(1)
            trouble()
            return asked.result().status

    def test_allowd_ends(self):
        self.assertEqual(self.ask_and(self.daemon.stop), 200)

    def test_allowd_ends_switched(self):
        self.assertEqual(self.ask_and(self.daemon.stop, switched=True), 500)

    def test_nginx_waits_too_short(self):
        """What the recipe warns of: 2.5 s are less than 25 s, so nginx takes allowd for down."""
        self.assertEqual(self.ask_and(lambda: None, is_patient=False), 200)
        self.wait_for_waiting(0)
        self.assertEqual(self.metrics().value("allowd_waits_ended_total", result="left"), 1)

    def test_allowd_stands_still(self):
        self.addCleanup(lambda: self.daemon.signal(signal.SIGCONT))
        self.assertEqual(self.ask_and(lambda: self.daemon.signal(signal.SIGSTOP), is_patient=False), 200)


if __name__ == "__main__":
    unittest.main()
