#!/usr/bin/python3 -B
"""
The recipe for Squid, with the real proxy, its clients, and a site that they visit.
"""
import http.client
import unittest
from concurrent.futures import ThreadPoolExecutor

from callers import ADDRESSES, BURST, SwitchedCaller
from harness import PATIENCE_S
from recipes import App
from share import load_tests  # which unittest calls


class Squid(SwitchedCaller, unittest.TestCase):
    neighbour = "Squid"
    program = "squid"
    fails_open = stuck_opens = True
    stuck_s = 0.5
    patience = [("timeout => 0.5", "timeout => 60")]
    switch = [(" : 'OK'", " : 'ERR'")]

    # What Debian's squid.conf puts around it, with paths that need no root.
    around = """
http_port 127.0.0.1:{port}
visible_hostname localhost
pid_filename none
access_log none
cache_log /dev/stderr
cache deny all
netdb_filename none
pinger_enable off
coredump_dir {directory}
shutdown_lifetime 0
include {directory}/squid.conf
http_access allow all
"""

    def setUp(self):
        self.site = App()
        self.addCleanup(self.site.stop)
        super().setUp()

    def start(self):
        helper = self.directory / "allowd-squid"
        self.write_recipe("allowd-squid")
        helper.chmod(0o755)
        self.write("squid.conf", [("/usr/local/lib/allowd-squid", str(helper))])
        (self.directory / "around.conf").write_text(self.around.format(
            directory=self.directory, port=self.port), encoding="utf-8")
        self.start_program()

    def command(self):
        return [self.path, "-N", "-f", f"{self.directory}/around.conf"]

    def ask(self, user):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S,
                                                source_address=(ADDRESSES[user], 0))
        connection.request("GET", f"http://127.0.0.1:{self.site.port}/")
        response = connection.getresponse()
        response.read()
        connection.close()
        return response

    def enter(self, user):
        response = self.ask(user)
        self.assertIn(response.status, (200, 429))
        return response.status == 200, response.headers["Retry-After"]

    def assert_told(self, text):
        self.assertGreaterEqual(int(text), 1)

    def test_requests_that_come_at_once(self):
        with ThreadPoolExecutor(30) as clients:
            statuses = list(clients.map(lambda _: self.ask("alice").status, range(30)))
        self.assertEqual(sorted(statuses), [200] * BURST + [429] * (30 - BURST))

if __name__ == "__main__":
    unittest.main()
