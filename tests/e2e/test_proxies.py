#!/usr/bin/python3 -B
"""
The recipes of etc/examples, each with the real proxy: nginx, Caddy, HAProxy.
"""
import contextlib
import hashlib
import os
import signal
import socket
import threading
import time
import unittest

from harness import Connection, request_bytes, wait_until
from recipes import (ALLOWD_ADDRESS, APP_ADDRESS, BURST, NGINX_WAITS, ApacheRecipe, NginxRecipe, ProxyRecipe,
                     free_port, replaced)
from share import load_tests  # which unittest calls

REQUESTS = 100


class Promises:
    """What README of etc/examples says of every recipe."""

    fails_open = None  # when allowd is down, with the recipe as it stands
    closed_status = None  # what clients get when it fails closed
    stalled_status = None  # and when allowd is there but does not answer
    stalled_s = 0.5  # for so long

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
        self.tell("burst", "exact")

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

    def test_a_denial_that_waiting_never_cures(self):
        """It is no 429, which clients would repeat."""
        with open(self.daemon.config_path, encoding="utf-8") as file:
            config = file.read()
        self.daemon.reload(replaced(config, [("rate: 1/d", """rate: 1/d
    overrides:
      - {key: 127.0.0.11, action: deny}""")]))
        self.start_proxy()
        for method in ("GET", "POST", "HEAD"):
            answer = self.ask("127.0.0.11", method=method)
            self.assertEqual((answer.status, answer.headers["Retry-After"]), (403, None))
            self.assertIsNone(answer.headers["X-App"])
        self.drain("127.0.0.12")

    def start_proxy_with_free_preflights(self):
        with open(self.daemon.config_path, encoding="utf-8") as file:
            config = file.read()
        self.daemon.reload(replaced(config, [("\n#    skip:", "\n    skip:")]))
        self.start_proxy()

    def test_preflights_are_free(self):
        self.start_proxy_with_free_preflights()
        for _ in range(BURST + 5):
            answer = self.ask("127.0.0.13", method="OPTIONS")
            self.assertEqual((answer.status, answer.headers["X-App"]), (200, "yes"))
            self.assertIsNone(answer.headers["RateLimit"])
        self.drain("127.0.0.13")
        self.assertEqual(self.ask("127.0.0.13", method="OPTIONS").status, 200)

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
        self.tell("down", "open" if self.fails_open else "closed")

    def test_allowd_down_switched(self):
        self.start_proxy(switched=True)
        self.check_down(not self.fails_open)

    def test_allowd_stalled(self):
        self.start_proxy(is_patient=False)
        self.ask("127.0.0.10")  # nginx has a connection to keep
        self.daemon.signal(signal.SIGSTOP)
        self.addCleanup(lambda: self.daemon.signal(signal.SIGCONT))
        took_s = []

        def is_in_time():
            began = time.monotonic()
            status = self.ask("127.0.0.10").status
            took_s.append(time.monotonic() - began)
            self.assertEqual(status, 200 if self.fails_open else self.stalled_status)
            return len(took_s) >= 3 and min(took_s) < self.stalled_s + 0.5  # which is the machine's

        wait_until(is_in_time, f"a question takes {self.stalled_s} s at least once")
        self.tell("stuck", f"{'open' if self.fails_open else 'closed'}, {self.stalled_s:g} s")


# ---- one class a proxy ----

class Nginx(Promises, NginxRecipe, unittest.TestCase):
    neighbour = "nginx"
    fails_open = True
    closed_status = stalled_status = 500


class NginxThatWaits(Nginx):
    """With the lines that have requests wait. Where no token comes in time they are denied as ever."""

    neighbour = None
    waits_instead = NGINX_WAITS
    patience = [*Nginx.patience, ("proxy_read_timeout 2500ms;", "proxy_read_timeout 60s;")]
    stalled_s = 2.5


class Caddy(Promises, ProxyRecipe, unittest.TestCase):
    neighbour = "Caddy"
    program = "caddy"
    fails_open = False
    closed_status = 502
    stalled_status = 504
    switch = [("\n\t#", "\n\t")]
    patience = [("timeout 200ms", "timeout 60s"), ("timeout 500ms", "timeout 60s")]

    def write_recipe(self, switch):
        self.write("Caddyfile", [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"),
            (APP_ADDRESS, f"127.0.0.1:{self.app.port}"),
            ("\n:80 {", f"\n:{self.port} {{"),
            ("localhost:2019", f"127.0.0.1:{free_port()}"),
        ] + switch + self.waits)

    def command(self):
        return [self.path, "run", "--config", str(self.directory / "Caddyfile"), "--adapter",
                "caddyfile"]


class Lossy:
    """Stands between a client and allowd, and closes the connection in place of the first so many answers to a POST."""

    def __init__(self, address, losses):
        self.address, self.losses, self.lost = address, losses, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        while True:
            client, _ = self.listener.accept()
            with client, contextlib.suppress(ConnectionError):
                head = b""
                while b"\r\n\r\n" not in head:
                    data = client.recv(1 << 16)
                    if not data:
                        break
                    head += data
                if not head:  # by __exit__
                    return
                with socket.create_connection(self.address) as server:
                    server.sendall(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                    with server.makefile("rb") as stream:
                        answer = stream.read()
                if self.lost < self.losses:
                    self.lost += 1
                else:
                    client.sendall(answer)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        socket.create_connection(("127.0.0.1", self.port)).close()
        self.thread.join()
        self.listener.close()


class Haproxy(Promises, ProxyRecipe, unittest.TestCase):
    neighbour = "HAProxy"
    program = "haproxy"
    fails_open = True
    closed_status = stalled_status = 503
    switch = [("\n    #http-request", "\n    http-request")]
    patience = [("TIMEOUT_MS = 125", "TIMEOUT_MS = 60000")]
    more = []  # to write in place of what else
    asked_port = None  # that the script asks, if it is not allowd's

    def write_recipe(self, switch):
        self.write("allowd.lua", [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.asked_port or self.allowd_port}")] + self.waits)
        self.write("haproxy.cfg", [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"),
            (APP_ADDRESS, f"127.0.0.1:{self.app.port}"),
            ("bind :80\n", f"bind :{self.port}\n"),
            ("/etc/haproxy/", f"{self.directory}/"),
        ] + switch + self.more)

    def command(self):
        return [self.path, "-db", "-f", str(self.directory / "haproxy.cfg")]

    def start_proxy_with_free_preflights(self):
        self.more = [("    #http-request set-var", "    http-request set-var")]
        self.start_proxy()

    def test_a_request_that_is_tried_again_takes_one_token(self):
        """HAProxy's client tries four times. Here allowd decides each time, and three of its answers get lost."""
        with Lossy(self.daemon.address, 3) as between:
            self.asked_port = between.port
            self.start_proxy()
            self.assertEqual(self.ask("127.0.0.14").status, 200)
            self.assertEqual(between.lost, 3)
            with Connection(self.daemon.address) as connection:
                connection.send(request_bytes("GET", "/status?key=127.0.0.14&limit=per-client"))
                self.assertEqual(connection.receive().json()["remaining"], BURST - 1)
                connection.send(request_bytes("GET", "/status"))
                counters = connection.receive().json()["counters"]
        self.assertEqual((counters["allowed"], counters["repeated"]), (1, 3))


class Varnish(Promises, ProxyRecipe, unittest.TestCase):
    neighbour = "Varnish"
    program = "varnishd"
    fails_open = True
    closed_status = stalled_status = 503
    switch = [(" || resp.http.X-Down", "")]
    patience = [("timeout = 0.5s;", "timeout = 60s;")]

    def write_recipe(self, switch):
        self.write("varnish.vcl", [
            ('"10429"', f'"{self.allowd_port}"'), ('"8080"', f'"{self.app.port}"')] + switch + self.waits)

    def command(self):
        return [self.path, "-F", "-j", "none", "-n", f"{self.directory}/varnish", "-a", f"127.0.0.1:{self.port}",
                "-f", f"{self.directory}/varnish.vcl", "-s", "malloc,20M", "-p", "thread_pool_min=10"]

    def test_a_body_that_is_too_large(self):
        self.start_proxy()
        with contextlib.suppress(ConnectionError):  # it does not read the rest
            self.assertEqual(self.ask(method="POST", body=bytes(2000000)).status, 413)
        self.assertEqual(self.count_questions(), 0)


class Apache(Promises, ApacheRecipe, unittest.TestCase):
    neighbour = "Apache httpd"
    fails_open = True
    closed_status = stalled_status = 503
    switch = [("return apache2.DECLINED -- fail open", "return 503 -- fail open")]
    patience = [("TIMEOUT = 0.5", "TIMEOUT = 60")]

    modules = ("lua",)
    site = """
Include {directory}/apache.conf
<Location /closed>
Require all denied
</Location>
"""

    def write_recipe(self, switch):
        self.write("apache.lua", [(ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}")] + switch + self.waits)
        self.write("apache.conf", [("/usr/local/lib/allowd/apache.lua", f"{self.directory}/apache.lua")])
        self.write_around()

    def test_it_asks_before_it_refuses_by_itself(self):
        self.start_proxy()
        for _ in range(BURST):
            self.assertEqual(self.ask(path="/closed").status, 403)
        self.assert_denied(self.ask(path="/closed"))


if __name__ == "__main__":
    unittest.main()
