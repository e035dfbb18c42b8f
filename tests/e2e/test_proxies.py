#!/usr/bin/python3 -B
"""
The recipes of etc/examples, each with the real proxy: nginx, Caddy, HAProxy.

A recipe runs as it stands but for ports and paths, which are replaced in its
text, and each replacement must find what it replaces. Around it: a client on
loopback, an application that says what has reached it, and allowd with the
configuration of the recipes, whose rate is made so low that none of its tokens
come back in time.

A proxy that is not installed is skipped, but never in CI (CI=true).
"""
import contextlib
import hashlib
import http.client
import http.server
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import ENDS_WITH_US, PATIENCE_S, TOP, Daemon, wait_until

EXAMPLES = TOP / "etc" / "examples"
BURST, REQUESTS = 20, 100

# The addresses of the recipes, as they are written in them.
ALLOWD_ADDRESS, APP_ADDRESS = "127.0.0.1:10429", "127.0.0.1:8080"


def free_port():
    """A port below those that Linux gives to outgoing connections, which might take it
    before the proxy does."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


def find_program(name):
    """Where a server is installed; it may not be on the path of a plain user."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def replaced(text, replacements):
    for old, new in replacements:
        if old not in text:
            raise AssertionError(f"the recipe no longer holds {old!r}")
        text = text.replace(old, new)
    return text


# ---- the application ----

class App:
    """An application that answers with what has reached it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self):
            with contextlib.suppress(ConnectionResetError):  # by a proxy that is being stopped
                super().handle()

        def read_chunks(self):
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def answer(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b"".join(self.read_chunks())
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen = f"{self.command} {self.path} {hashlib.sha256(body).hexdigest()}".encode()
            self.send_response(403 if self.path == "/forbidden" else 200)
            self.send_header("Content-Length", str(len(seen)))
            self.send_header("X-App", "yes")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(seen)

        do_GET = do_HEAD = do_POST = answer

        def log_message(self, *_):
            pass

    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App.Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


# ---- the proxy ----

class Proxy:
    """A proxy's process in a directory of its own."""

    def __init__(self, directory, command):
        self.log_path = directory / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*ENDS_WITH_US, *command], cwd=directory, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(directory),
                     "XDG_CONFIG_HOME": str(directory)})

    def wait_for_port(self, port):
        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"the proxy has ended: {self.log()}")
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                return True
            return False
        wait_until(answers, "the proxy listens")

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="backslashreplace")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Recipe:
    """What each proxy's tests are made of; the subclasses say how theirs runs."""

    program = None
    fails_open = None  # when allowd is down, with the recipe as it stands
    closed_status = None  # what clients get when it fails closed
    stalled_status = None  # and when allowd is there but does not answer
    switch = None  # what to write in place of what for the other way

    @classmethod
    def setUpClass(cls):
        cls.path = find_program(cls.program)
        if cls.path is None:
            if os.environ.get("CI") == "true":
                raise AssertionError(f"{cls.program} is not installed, and CI must test its recipe")
            raise unittest.SkipTest(f"{cls.program} is not installed")

    def setUp(self):
        self.app = App()
        self.addCleanup(self.app.stop)
        self.allowd_port = free_port()
        self.daemon = self.start_allowd()
        self.addCleanup(lambda: self.daemon.stop())
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        os.chmod(self.directory, 0o755)  # a proxy's worker may be another user

    # -- starting --

    def start_allowd(self):
        config = replaced((EXAMPLES / "allowd-checks.yaml").read_text(encoding="utf-8"), [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"),
            ("rate: 10/s", "rate: 1/d"),
        ])
        return Daemon(config, listen=())

    def write(self, name, replacements):
        """A file of the recipe, with this test's ports and paths."""
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        (self.directory / name).write_text(replaced(text, replacements), encoding="utf-8")

    def start_proxy(self, switched=False):
        self.port = free_port()
        self.write_recipe(self.switch if switched else [])
        proxy = Proxy(self.directory, self.command())
        self.addCleanup(proxy.stop)
        proxy.wait_for_port(self.port)

    # -- asking --

    def ask(self, source="127.0.0.1", method="GET", path="/a?b=c", headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S,
                                                source_address=(source, 0))
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            response.body = response.read()
            return response

    def drain(self, source):
        """Takes what a client may have, and one more that it does not get."""
        statuses = [self.ask(source).status for _ in range(BURST + 1)]
        self.assertEqual(statuses, [200] * BURST + [429])

    def assert_denied(self, response):
        self.assertEqual(response.status, 429, response.body)
        self.assertGreaterEqual(int(response.headers["Retry-After"]), 1)
        self.assertRegex(response.headers["RateLimit"], r'^"per-client";r=0;t=\d+$')
        self.assertRegex(response.headers["RateLimit-Policy"], rf'^"per-client";q={BURST};w=\d+$')
        self.assertEqual(response.headers["Content-Type"], "application/problem+json")
        self.assertIsNone(response.headers["X-App"])

    # -- tests --

    def test_exactly_the_burst_passes(self):
        self.start_proxy()
        answers = [self.ask() for _ in range(REQUESTS)]
        for number, answer in enumerate(answers[:BURST]):
            self.assertEqual(answer.status, 200, number)
            self.assertRegex(answer.headers["RateLimit"],
                             rf'^"per-client";r={BURST - 1 - number};t=\d+$')
            self.assertRegex(answer.headers["RateLimit-Policy"],
                             rf'^"per-client";q={BURST};w=\d+$')
            self.assertIsNone(answer.headers["Retry-After"])
        for answer in answers[BURST:]:
            self.assert_denied(answer)
        self.assertEqual(self.ask("127.0.0.2").status, 200)  # another client

    def test_a_client_cannot_choose_its_key(self):
        self.start_proxy()
        self.drain("127.0.0.3")
        for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded", "Client-IP"):
            for value in ("198.51.100.7", "127.0.0.4", "for=198.51.100.7", "unknown", ""):
                self.assert_denied(self.ask("127.0.0.3", headers={name: value}))
        self.assert_denied(self.ask("127.0.0.3", headers={
            "X-Forwarded-Host": "forged.test", "X-Forwarded-Uri": "/forged",
            "X-Original-URI": "/forged", "X-Forwarded-Method": "PUT", "Connection": "close"}))
        # Nor spend what is another's.
        answer = self.ask("127.0.0.4", headers={"X-Forwarded-For": "127.0.0.5"})
        self.assertRegex(answer.headers["RateLimit"], rf";r={BURST - 1};")
        answer = self.ask("127.0.0.5")
        self.assertRegex(answer.headers["RateLimit"], rf";r={BURST - 1};")

    def test_requests_pass_through_whole(self):
        self.start_proxy()
        body = os.urandom(200000)
        seen = f"POST /a%20b?c=%2F {hashlib.sha256(body).hexdigest()}"
        answer = self.ask(method="POST", path="/a%20b?c=%2F", body=body)
        self.assertEqual((answer.status, answer.body.decode()), (200, seen))
        answer = self.ask(method="POST", path="/a%20b?c=%2F", body=iter([body]))  # in chunks
        self.assertEqual((answer.status, answer.body.decode()), (200, seen))
        answer = self.ask(method="HEAD")
        self.assertEqual((answer.status, answer.body, answer.headers["X-App"]), (200, b"", "yes"))
        # What the application refuses is its own answer.
        answer = self.ask(path="/forbidden")
        self.assertEqual((answer.status, answer.headers["X-App"]), (403, "yes"))

    def test_denied_requests_of_any_kind(self):
        self.start_proxy()
        self.drain("127.0.0.6")
        self.assert_denied(self.ask("127.0.0.6", method="POST", body=bytes(1000)))
        answer = self.ask("127.0.0.6", method="HEAD")
        self.assert_denied(answer)
        self.assertEqual(answer.body, b"")

    def test_large_requests(self):
        self.start_proxy()
        answer = self.ask(path="/" + "a" * 6000,
                          headers={"Cookie": "a=" + "b" * 6000, "Authorization": "c" * 2000})
        self.assertEqual(answer.status, 200, answer.body[:200])

    def check_down(self, fails_open):
        """Stops allowd, sees what clients get, starts it again, and sees it limit."""
        self.drain("127.0.0.7")
        self.daemon.stop()
        expected = 200 if fails_open else self.closed_status
        wait_until(lambda: self.ask("127.0.0.7").status == expected, "the proxy has noticed")
        body = os.urandom(200000)
        for _ in range(BURST + 5):
            answer = self.ask("127.0.0.7", method="POST", body=body)
            self.assertEqual(answer.status, expected)
            self.assertIsNone(answer.headers["RateLimit"])
            self.assertEqual(hashlib.sha256(body).hexdigest() in answer.body.decode(), fails_open)
        self.daemon = self.start_allowd()
        wait_until(lambda: self.ask("127.0.0.8").headers["RateLimit"] is not None,
                   "the proxy has noticed that allowd is back")
        self.drain("127.0.0.9")

    def test_allowd_down(self):
        self.start_proxy()
        self.check_down(self.fails_open)

    def test_allowd_down_switched(self):
        self.start_proxy(switched=True)
        self.check_down(not self.fails_open)

    def test_allowd_stalled(self):
        self.start_proxy()
        self.ask("127.0.0.10")  # nginx has a connection to keep
        self.daemon.signal(signal.SIGSTOP)
        self.addCleanup(lambda: self.daemon.signal(signal.SIGCONT))
        took_s = []
        for _ in range(3):
            began = time.monotonic()
            status = self.ask("127.0.0.10").status
            took_s.append(time.monotonic() - began)
            self.assertEqual(status, 200 if self.fails_open else self.stalled_status)
        self.assertLess(min(took_s), 1)  # the recipes say half a second; the rest is the machine's


# ---- one class a proxy ----

class Nginx(Recipe, unittest.TestCase):
    program = "nginx"
    fails_open = True
    closed_status = stalled_status = 500
    switch = [("return 204;", "return 500;")]

    # What Debian's nginx.conf puts around it, with paths that need no root.
    around = """
daemon off;
pid nginx.pid;
error_log stderr;
events {{
}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include {directory}/nginx.conf;
}}
"""

    def write_recipe(self, switch):
        self.write("nginx.conf", [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"),
            (APP_ADDRESS, f"127.0.0.1:{self.app.port}"),
            ("listen 80;", f"listen {self.port};"),
        ] + switch)
        (self.directory / "around.conf").write_text(self.around.format(directory=self.directory),
                                                    encoding="utf-8")

    def command(self):
        return [self.path, "-p", str(self.directory), "-e", "stderr", "-c",
                str(self.directory / "around.conf")]


class Caddy(Recipe, unittest.TestCase):
    program = "caddy"
    fails_open = False
    closed_status = 502
    stalled_status = 504
    switch = [("\n\t#", "\n\t")]

    def write_recipe(self, switch):
        self.write("Caddyfile", [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"),
            (APP_ADDRESS, f"127.0.0.1:{self.app.port}"),
            ("\n:80 {", f"\n:{self.port} {{"),
            ("localhost:2019", f"127.0.0.1:{free_port()}"),
        ] + switch)

    def command(self):
        return [self.path, "run", "--config", str(self.directory / "Caddyfile"), "--adapter",
                "caddyfile"]


class Haproxy(Recipe, unittest.TestCase):
    program = "haproxy"
    fails_open = True
    closed_status = stalled_status = 503
    switch = [("\n    #http-request", "\n    http-request")]

    def write_recipe(self, switch):
        self.write("allowd.lua", [(ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}")])
        self.write("haproxy.cfg", [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"),
            (APP_ADDRESS, f"127.0.0.1:{self.app.port}"),
            ("bind :80\n", f"bind :{self.port}\n"),
            ("/etc/haproxy/", f"{self.directory}/"),
        ] + switch)

    def command(self):
        return [self.path, "-db", "-f", str(self.directory / "haproxy.cfg")]


if __name__ == "__main__":
    unittest.main()
