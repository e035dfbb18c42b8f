#!/usr/bin/python3 -B
"""
Gateways that send allowd what their clients sent, by no recipe of ours: Caddy's forward_auth as
its manual has it, and HAProxy with allowd as the server behind it.
"""
import hashlib
import os
import unittest

from harness import Daemon, wait_until
from recipes import BURST, ProxyRecipe, free_port, replaced
from share import load_tests  # which unittest calls

# The fields that a browser sends besides its cookies.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "de,en-US;q=0.7,en;q=0.3",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Referer": "https://www.example.com/some/page?with=a&query=of&its=own",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-User": "?1",
    "Priority": "u=0, i",
}


def cookies(number, length):
    """So many cookies of so many bytes each."""
    return "; ".join(f"c{i:03}=".ljust(length, "x") for i in range(number))


class CaddyForwardAuth(ProxyRecipe, unittest.TestCase):
    """It copies every field of the client's, cookies too, and what says how the body comes."""

    program = "caddy"

    def write_recipe(self, _):
        (self.directory / "Caddyfile").write_text(f"""
{{
	admin 127.0.0.1:{free_port()}
}}
:{self.port} {{
	forward_auth 127.0.0.1:{self.allowd_port} {{
		uri /check/edge-429
	}}
	reverse_proxy 127.0.0.1:{self.app.port}
}}
""", encoding="ascii")

    def command(self):
        return [self.path, "run", "--config", f"{self.directory}/Caddyfile", "--adapter",
                "caddyfile"]

    def assert_passes(self, headers):
        answer = self.ask(path="/a", headers=headers)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertEqual(answer.headers["X-App"], "yes")

    def test_what_browsers_send(self):
        self.start_proxy()
        for number, length in ((55, 60), (79, 30), (112, 10), (1, 5000)):
            with self.subTest(cookies=number, length=length):
                self.assert_passes({**BROWSER, "Cookie": cookies(number, length)})
        with self.subTest(fields=100):
            self.assert_passes({**BROWSER, **{f"X-Field-{i:03}": "x" * 27 for i in range(100)}})

    def test_a_cookie_jar_that_needs_more_room(self):
        self.start_proxy()
        headers = {**BROWSER, "Cookie": cookies(300, 60)}
        answer = self.ask(path="/a", headers=headers)  # refused, and so it does not go on
        self.assertEqual((answer.status, answer.headers["X-App"]), (431, None))
        with open(self.daemon.config_path, encoding="utf-8") as file:
            config = file.read()
        self.daemon.stop()
        self.daemon = Daemon(config + "\nheader_room: 65536\n", listen=())
        wait_until(lambda: self.ask(path="/a").status == 200, "Caddy has noticed")
        self.assert_passes(headers)

    def test_bodies_arrive_whole(self):
        self.start_proxy()
        for body in (os.urandom(200000), b""):
            seen = f"POST /a {hashlib.sha256(body).hexdigest()}"
            for sent in (body, iter([body] if body else [])):  # an iterator is sent in chunks
                answer = self.ask(method="POST", path="/a", body=sent)
                self.assertEqual((answer.status, answer.body.decode()), (200, seen))

    def test_denied_in_chunks(self):
        self.start_proxy()
        for _ in range(BURST):
            self.assertEqual(self.ask(method="POST", body=iter([b"some", b"thing"])).status, 200)
        self.assert_denied(self.ask(method="POST", body=iter([b"some", b"thing"])))


class Haproxy(ProxyRecipe):
    program = "haproxy"
    retries = ""

    def write_recipe(self, _):
        (self.directory / "haproxy.cfg").write_text(f"""
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    {self.retries}
frontend web
    bind :{self.port}
    default_backend allowd
backend allowd
    server allowd 127.0.0.1:{self.allowd_port}
""", encoding="ascii")

    def command(self):
        return [self.path, "-db", "-f", f"{self.directory}/haproxy.cfg"]


class HaproxyPassesOn(Haproxy, unittest.TestCase):
    def test_bodies_in_chunks(self):
        self.start_proxy()
        for number in range(BURST):
            answer = self.ask(method="POST", path="/check/edge-429", body=iter([b"x" * 30000] * 3))
            self.assertEqual(answer.status, 200, answer.body)
            self.assertRegex(answer.headers["RateLimit"], rf";r={BURST - 1 - number};")
        self.assert_denied(self.ask(method="POST", path="/check/edge-429", body=iter([b"x" * 30000])))

    def test_forms_and_lists_in_chunks(self):
        self.start_proxy()
        answer = self.ask(method="POST", path="/allow", body=iter([b"key=a", b"lice&tok", b"ens=3"]),
                          headers={"Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn(b'"key":"alice"', answer.body)
        self.assertIn(b'"tokens":3', answer.body)
        answer = self.ask(method="POST", path="/allow",
                          body=iter([b'{"requests":[{"key":', b'"bob"},{"key":"carol"}]}']),
                          headers={"Content-Type": "application/json"})
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn(b'"key":"carol"', answer.body)


class HaproxyRetries(Haproxy, unittest.TestCase):
    """What its recipe warns of."""

    retries = "retry-on 503"

    def start_allowd(self):
        daemon = super().start_allowd()
        with open(daemon.config_path, encoding="utf-8") as file:
            daemon.reload(replaced(file.read(), [("deny_status: 429", "deny_status: 503")]))
        return daemon

    def test_a_no_is_asked_for_four_times(self):
        self.start_proxy()
        for _ in range(BURST):
            self.assertEqual(self.ask(path="/check/edge-429").status, 200)
        self.assertEqual(self.count_questions(), BURST)
        self.assertEqual(self.ask(path="/check/edge-429").status, 503)
        self.assertEqual(self.count_questions(), BURST + 4)


if __name__ == "__main__":
    unittest.main()
