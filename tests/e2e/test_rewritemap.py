#!/usr/bin/python3 -B
"""
The recipe for Apache with RewriteMap, with the real server. It tells a client who is denied when to come again, and no
other number.
"""
import hashlib
import os
import signal
import time
import unittest

from harness import wait_until
from recipes import ALLOWD_ADDRESS, BURST, ApacheRecipe, replaced
from share import load_tests  # which unittest calls


class RewriteMap(ApacheRecipe, unittest.TestCase):
    neighbour = "Apache, RewriteMap"
    switch = [("'open'", "'closed'")]
    patience = [("timeout => 0.5", "timeout => 60")]

    modules = ("alias", "dir", "mime", "headers", "rewrite")
    site = """
Mutex file:{directory} default
TypesConfig /dev/null
DocumentRoot {directory}/site
DirectoryIndex index.html
ErrorDocument 404 /site/missing.html
ProxyPass /site !
Alias /site {directory}/site
Include {directory}/apache-rewrite.conf
"""

    def write_recipe(self, switch):
        helper = self.directory / "allowd-rewrite"
        self.write("allowd-rewrite", [(ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"), *self.waits, *switch])
        helper.chmod(0o755)
        self.write("apache-rewrite.conf", [("/usr/local/lib/allowd-rewrite", str(helper))])
        site = self.directory / "site"
        site.mkdir()
        for name in ("index", "missing"):
            (site / f"{name}.html").write_text(name, encoding="ascii")
        self.write_around()

    def assert_denied(self, response):
        self.assertEqual((response.status, response.headers["X-App"]), (429, None))
        self.assertGreaterEqual(int(response.headers["Retry-After"]), 1)

    def test_exactly_the_burst_passes(self):
        self.start_proxy()
        self.drain("127.0.0.1")
        self.assert_denied(self.ask())
        self.assert_denied(self.ask(method="POST", body=bytes(1000)))
        answer = self.ask("127.0.0.2")
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (200, None))
        self.tell("burst", "exact")

    def test_a_client_cannot_choose_its_key(self):
        self.start_proxy()
        self.assert_keeps_its_key("127.0.0.3")

    def test_each_request_is_one_question(self):
        self.start_proxy()
        body = os.urandom(200000)
        answer = self.ask(method="POST", path="/a%20b?c=%2F", body=body)
        self.assertEqual((answer.status, answer.body.decode()), (200, f"POST /a%20b?c=%2F {hashlib.sha256(body).hexdigest()}"))
        answer = self.ask(path="/site/")
        self.assertEqual((answer.status, answer.body), (200, b"index"))
        self.assertEqual(self.ask(path="/site/nowhere").status, 404)
        self.assertEqual(self.count_questions(), 3)

    def test_a_denial_that_waiting_never_cures(self):
        with open(self.daemon.config_path, encoding="utf-8") as file:
            config = file.read()
        self.daemon.reload(replaced(config, [("rate: 1/d", """rate: 1/d
    overrides:
      - {key: 127.0.0.11, action: deny}""")]))
        self.start_proxy()
        answer = self.ask("127.0.0.11")
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (403, None))

    def check_down(self, status):
        self.drain("127.0.0.7")
        self.daemon.stop()
        for _ in range(BURST + 5):
            self.assertEqual(self.ask("127.0.0.7").status, status)
        self.daemon = self.start_allowd()
        self.drain("127.0.0.9")

    def test_allowd_down(self):
        self.start_proxy()
        self.check_down(200)
        self.tell("down", "open")

    def test_allowd_down_switched(self):
        self.start_proxy(switched=True)
        self.check_down(503)

    def test_allowd_stuck(self):
        self.start_proxy(is_patient=False)
        self.assertEqual(self.ask("127.0.0.10").status, 200)
        self.daemon.signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            self.assertEqual(self.ask("127.0.0.10").status, 200)
            took_s = time.monotonic() - began
        finally:
            self.daemon.signal(signal.SIGCONT)
        self.assertGreater(took_s, 0.45)
        self.assertLess(took_s, 0.5 + 5)  # which are the machine's
        asked = self.count_questions()
        wait_until(lambda: self.ask("127.0.0.12") and self.count_questions() > asked, "allowd is asked again")
        self.tell("stuck", "open, 0.5 s")


if __name__ == "__main__":
    unittest.main()
