#!/usr/bin/python3 -B
"""
The recipes for those who ask allowd how it is: collectd, Zabbix's agent, monit, check_http, each the real program.
"""
import csv
import re
import shlex
import signal
import socket
import struct
import subprocess
import unittest

from harness import PATIENCE_S, wait_until
from recipes import EXAMPLES, free_port, replaced
from share import load_tests  # which unittest calls
from watchers import HOSTILE_KEYS, PUNCTUATION, Watcher, odd_names


class Polling(Watcher):
    """What holds for each."""

    when_down = when_stuck = None  # what it says

    def look(self):
        """What it makes of allowd: "up", or what it says is wrong."""
        raise NotImplementedError

    def wait_for(self, seen):
        wait_until(lambda: self.look() == seen, f"it says: {seen}; {self.look()}")

    def test_allowd_down(self):
        self.start_program()
        self.wait_for("up")
        self.daemon.stop()
        self.wait_for(self.when_down)
        self.daemon = self.start_allowd()
        self.wait_for("up")
        self.tell("down", self.when_down)

    def test_allowd_stuck(self):
        self.start_program()
        self.wait_for("up")
        self.daemon.signal(signal.SIGSTOP)
        try:
            self.wait_for(self.when_stuck)
        finally:
            self.daemon.signal(signal.SIGCONT)
        self.wait_for("up")
        self.tell("stuck", self.when_stuck)


class Collectd(Polling, unittest.TestCase):
    neighbour = "collectd"
    program = "collectd"
    when_down = when_stuck = "no values"

    # What Debian's collectd.conf puts around it, with paths that need no root.
    around = """
Hostname "localhost"
FQDNLookup false
BaseDir "{directory}"
PIDFile "{directory}/pid"
TypesDB "/usr/share/collectd/types.db"
Interval 1
LoadPlugin logfile
<Plugin logfile>
    File stdout
</Plugin>
LoadPlugin csv
<Plugin csv>
    DataDir "{directory}/csv"
</Plugin>
Include "{directory}/collectd.conf"
"""

    def setUp(self):
        super().setUp()
        self.write_recipe("collectd.conf", [("Interval 10", "Interval 1")])
        (self.directory / "around.conf").write_text(self.around.format(directory=self.directory), encoding="ascii")

    def command(self):
        return [self.path, "-f", "-C", f"{self.directory}/around.conf"]

    def wait_until_it_serves(self):
        wait_until(lambda: self.values("gauge-keys"), "collectd has values")

    def values(self, name):
        found = []
        for path in sorted(self.directory.glob(f"csv/localhost/curl_json-allowd/{name}-2*")):
            with open(path, encoding="ascii") as file:
                found += [float(row[1]) for row in csv.reader(file) if len(row) == 2 and row[0] != "epoch"]
        return found

    def look(self):
        """Whether the last that it says of its question is that it failed; it says once when it can ask again."""
        count = len(self.values("gauge-keys"))
        said = len(self.running.log())
        return wait_until(lambda: "up" if len(self.values("gauge-keys")) > count else
                          "no values" if "curl_easy_perform failed" in self.running.log()[said:] else None,
                          "it asks again")

    def test_counters(self):
        self.start_program()
        for key in HOSTILE_KEYS:
            self.deny(key, 2)
        wait_until(lambda: self.values("gauge-keys")[-1] == len(HOSTILE_KEYS), "it has the keys")
        denied = self.call("GET", "/status").json()["counters"]["denied"]
        self.assertEqual(denied, 2 * len(HOSTILE_KEYS))
        wait_until(lambda: self.values("derive-counters-denied")[-1] == denied, "it has the denials")
        names = {path.name[:-len("-2026-01-02")] for path in self.directory.glob("csv/localhost/curl_json-allowd/derive-*")}
        self.assertEqual(names, {f"derive-counters-{name}" for name in self.call("GET", "/status").json()["counters"]})
        self.tell("reads", "counters")


class ZabbixAgent(Polling, unittest.TestCase):
    neighbour = "zabbix-agent2"
    program = "zabbix_agent2"
    when_down = when_stuck = "0"
    mangled = "!\"#$&'()*;<>?@[\\]`{|}~"  # which the agent refuses, or reads otherwise

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.write_recipe("zabbix-agent2.conf")
        (self.directory / "around.conf").write_text(
            f"Server=127.0.0.1\nListenIP=127.0.0.1\nListenPort={self.port}\nHostname=localhost\nLogType=console\n"
            f"PidFile={self.directory}/pid\nControlSocket={self.directory}/control\nPluginSocket={self.directory}/plugin\n"
            f"Timeout=30\nInclude={self.directory}/zabbix-agent2.conf\n", encoding="ascii")

    def command(self):
        return [self.path, "-f", "-c", f"{self.directory}/around.conf"]

    def get(self, item):
        """What a Zabbix server is told."""
        data = item.encode("ascii")
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S) as client:
            client.sendall(b"ZBXD\1" + struct.pack("<II", len(data), 0) + data)
            with client.makefile("rb") as stream:
                answer = stream.read()
        self.assertEqual(answer[:5], b"ZBXD\1")
        return answer[13:].decode("utf-8")

    def denied(self, name):
        quoted = name.replace('"', '\\"')
        return self.get(f'allowd.denied["{quoted}"]')

    def look(self):
        return {"1": "up"}.get(said := self.get("allowd.ready"), said)

    def test_metrics(self):
        self.start_program()
        for key in HOSTILE_KEYS:
            self.deny(key, 2)
        expected = str(2 * len(HOSTILE_KEYS))
        wait_until(lambda: self.denied("per-client") == expected, "it has the denials")
        self.assertIn(f'\nallowd_decisions_total{{limit="per-client",result="denied"}} {expected}\n',
                      self.get("allowd.metrics"))
        self.tell("reads", "metrics")

    def test_items_while_allowd_is_down(self):
        """No number, so that none is stored."""
        self.start_program()
        self.daemon.stop()
        for value in (self.denied("per-client"), self.get("allowd.metrics")):
            self.assertRegex(value, r"^curl: \(7\) ")
        self.daemon = self.start_allowd()
        self.assertEqual(self.denied("per-client"), "0")

    def test_names_of_limits(self):
        whole, *others = names = odd_names(self.mangled)
        self.reload_with_names(names)
        self.start_program()
        for name in names:
            self.deny("192.0.2.9", limit=name)
        wait_until(lambda: self.denied(whole) == "1", "it has the denial: " + self.denied(whole))
        for name in others:
            self.assertNotEqual(self.denied(name), "1", name)
        self.tell("names", f"not {' '.join(self.mangled)}")


class Monit(Polling, unittest.TestCase):
    neighbour = "monit"
    program = "monit"
    when_down = when_stuck = "Connection failed"

    def setUp(self):
        super().setUp()
        self.write_recipe("monitrc", [("127.0.0.1\n    if failed port 10429", f"127.0.0.1\n    if failed port {self.allowd_port}")])
        path = self.directory / "around.conf"
        path.write_text(
            f"set daemon 1\nset log {self.directory}/monit.log\nset idfile {self.directory}/id\n"
            f"set statefile {self.directory}/state\nset pidfile {self.directory}/pid\n"
            f"set httpd unixsocket {self.directory}/control\n    allow monit:monit\n"
            f"include {self.directory}/monitrc\n", encoding="ascii")
        path.chmod(0o600)
        (self.directory / "monitrc").chmod(0o600)

    def places(self, name):
        return []

    def command(self):
        return [self.path, "-I", "-c", f"{self.directory}/around.conf"]

    def wait_until_it_serves(self):
        wait_until((self.directory / "control").exists, "monit has started")

    def look(self):
        return {"OK": "up"}.get(said := re.search(r"^  status +(.+)$", self.status(), re.M)[1], said)

    def test_what_it_reads(self):
        self.start_program()
        for key in HOSTILE_KEYS:
            self.deny(key, 2)
        wait_until(lambda: re.search(r"^  port response time +\d.*/readyz .*HTTP$", self.status(), re.M),
                   "monit has an answer")
        self.assertEqual(self.look(), "up")
        self.tell("reads", "readiness")

    def status(self):
        return subprocess.run([self.path, "-c", f"{self.directory}/around.conf", "status", "allowd"], check=True,
                              capture_output=True, text=True, timeout=PATIENCE_S).stdout


class CheckHttp(Polling, unittest.TestCase):
    neighbour = "check_http"
    program = "/usr/lib/nagios/plugins/check_http"
    when_down = when_stuck = "CRITICAL"

    def start_program(self):
        """Nothing runs between; it is run each time."""

    def check(self, command):
        """The status, and what it says."""
        text = replaced((EXAMPLES / "nagios.cfg").read_text(encoding="utf-8"), [("-p 10429", f"-p {self.allowd_port}")])
        line = re.search(rf"command_name {command}\n    command_line (.*)\n", text)[1]
        done = subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return {0: "up", 1: "WARNING", 2: "CRITICAL", 3: "UNKNOWN"}[done.returncode]

    def look(self):
        seen = {self.check("allowd_ready"), self.check("allowd_config")}
        return seen.pop() if len(seen) == 1 else None

    def test_a_faulty_configuration(self):
        for key in HOSTILE_KEYS:
            self.deny(key, 2)
        self.reload_with_names([PUNCTUATION.strip()])
        self.assertEqual((self.check("allowd_ready"), self.check("allowd_config")), ("up", "up"))
        self.daemon.reload("nothing: 1\n")
        self.assertEqual((self.check("allowd_ready"), self.check("allowd_config")), ("up", "CRITICAL"))
        self.tell("reads", "readiness, a fault")


if __name__ == "__main__":
    unittest.main()
