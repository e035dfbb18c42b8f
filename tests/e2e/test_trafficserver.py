#!/usr/bin/python3 -B
"""
The recipe for Traffic Server, with the real proxy. It passes a denial on whole, and tells of an allowed
request nothing.
"""
import hashlib
import os
import pathlib
import signal
import time
import unittest

from harness import wait_until
from recipes import ALLOWD_ADDRESS, APP_ADDRESS, ProxyRecipe, free_port
from share import load_tests  # which unittest calls

ETC = pathlib.Path("/etc/trafficserver")


class TrafficServer(ProxyRecipe, unittest.TestCase):
    neighbour = "Traffic Server"
    program = "traffic_server"
    patience = [("timeout_out=1", "timeout_out=60"), ("attempts_timeout=1", "attempts_timeout=60")]

    # What Debian's records.config has otherwise.
    records = """
CONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1
CONFIG proxy.config.http.insert_squid_x_forwarded_for INT 1
CONFIG proxy.config.exec_thread.autoconfig INT 0
CONFIG proxy.config.exec_thread.limit INT 1
CONFIG proxy.config.admin.user_id STRING {user}
CONFIG proxy.config.diags.logfile.filename STRING stderr
CONFIG proxy.config.log.logging_enabled INT 0
"""

    def write_recipe(self, switch):
        self.write("trafficserver-remap.config", [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"),
            (APP_ADDRESS, f"127.0.0.1:{self.app.port}"),
            ("/etc/trafficserver/allowd.config", f"{self.directory}/trafficserver-allowd.config"),
            ("10499", str(free_port())),
        ] + self.waits)
        self.write("trafficserver-allowd.config", [])
        etc, run = self.directory / "etc", self.directory / "run"
        for path in (etc, run):
            path.mkdir()
        (self.directory / "trafficserver-remap.config").rename(etc / "remap.config")
        (etc / "records.config").write_text(self.records.format(
            port=self.port, user="nobody" if os.getuid() == 0 else "#-1"), encoding="ascii")
        (etc / "storage.config").write_text(f"{run} 16M\n", encoding="ascii")
        for name in ("ip_allow.yaml", "plugin.config", "logging.yaml"):
            (etc / name).write_bytes((ETC / name).read_bytes())
        for path in (self.directory, run):
            if os.getuid() == 0:
                os.chown(path, 65534, 65534)
        self.environment = {"TS_ROOT": str(self.directory)}
        (self.directory / "runroot.yaml").write_text(f"""
prefix: /usr
exec_prefix: /usr
bindir: /usr/bin
sbindir: /usr/sbin
sysconfdir: {etc}
datadir: {run}
includedir: /usr/include
libdir: /usr/lib/trafficserver
libexecdir: /usr/lib/trafficserver/modules
localstatedir: {run}
runtimedir: {run}
logdir: {run}
cachedir: {run}
""", encoding="ascii")

    def command(self):
        return [self.path, f"--run-root={self.directory}/runroot.yaml"]

    def assert_denied(self, response):
        self.assertEqual((response.status, response.headers["X-App"]), (429, None))
        self.assertGreaterEqual(int(response.headers["Retry-After"]), 1)
        self.assertRegex(response.headers["RateLimit"], r'^"per-client";r=0;t=\d+$')

    def test_exactly_the_burst_passes(self):
        self.start_proxy()
        self.drain("127.0.0.1")
        self.assert_denied(self.ask())
        self.assertEqual(self.ask("127.0.0.2").status, 200)
        self.tell("burst", "exact")

    def test_a_client_cannot_choose_its_key(self):
        self.start_proxy()
        self.assert_keeps_its_key("127.0.0.3")

    def test_requests_pass_through_whole(self):
        self.start_proxy()
        body = os.urandom(200000)
        for sent in (body, iter([body])):  # the second in chunks
            answer = self.ask(method="POST", path="/a%20b?c=%2F", body=sent)
            self.assertEqual((answer.status, answer.body.decode()),
                             (200, f"POST /a%20b?c=%2F {hashlib.sha256(body).hexdigest()}"))
        self.assertEqual(self.count_questions(), 2)

    def test_allowd_down(self):
        self.start_proxy()
        self.drain("127.0.0.7")
        self.daemon.stop()
        for _ in range(3):
            self.assertEqual(self.ask("127.0.0.7").status, 502)
        self.daemon = self.start_allowd()
        wait_until(lambda: self.ask("127.0.0.8").status == 200, "the proxy has noticed that allowd is back")
        self.drain("127.0.0.9")
        self.tell("down", "closed")

    def test_allowd_stuck(self):
        self.start_proxy(is_patient=False)
        self.daemon.signal(signal.SIGSTOP)
        self.addCleanup(lambda: self.daemon.signal(signal.SIGCONT))
        began = time.monotonic()
        status = self.ask("127.0.0.10").status
        took_s = time.monotonic() - began
        self.assertEqual(status, 504)
        self.assertGreater(took_s, 0.9)
        self.assertLess(took_s, 10)  # 2 s, and the machine's
        self.tell("stuck", "closed, 1 to 2 s")

if __name__ == "__main__":
    unittest.main()
