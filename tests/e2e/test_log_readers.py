#!/usr/bin/python3 -B
"""
The recipes for those who read allowd's log: fail2ban, CrowdSec, lnav, rsyslog, syslog-ng, each the real program.
"""
import contextlib
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import unittest

from harness import PATIENCE_S, Connection, request_bytes, wait_until
from recipes import EXAMPLES, free_port, replaced, unpack
from share import load_tests  # which unittest calls
from watchers import BURST, HOSTILE_KEYS, LogReader, lines_of_json, odd_names

MAX_RETRY = 50  # of the recipes


class Reading(LogReader):
    """What holds for every reader."""

    mangled = ""  # what it reads otherwise than allowd means it, in the name of a limit

    def reads_name(self, name):
        """Whether it knows, of a denial by a limit, the limit's name."""
        raise NotImplementedError

    def test_names_of_limits(self):
        names = odd_names(self.mangled)
        self.reload_with_names(names)
        self.start_program()
        for name in names:
            self.deny("192.0.2.9", limit=name)
            self.assertEqual(self.reads_name(name), name == names[0], name)
        self.tell("names", f"not {' '.join(self.mangled)}" if self.mangled else "all")


class Banning(Reading):
    """One that bans."""

    def banned(self):
        raise NotImplementedError

    def wait_for_bans(self, keys):
        wait_until(lambda: len(self.banned()) >= len(keys), f"{len(keys)} are banned")
        self.assertEqual(self.banned(), keys)

    def test_who_is_denied_over_and_over(self):
        self.start_program()
        self.deny("192.0.2.1", MAX_RETRY - 10)
        self.deny("2001:db8::1", MAX_RETRY + 5)
        self.deny("192.0.2.2", MAX_RETRY + 5)
        self.wait_for_bans({"2001:db8::1", "192.0.2.2"})
        self.tell("reads", "denials")

    def test_hostile_keys(self):
        """None of them bans anybody, nor keeps others from being banned."""
        self.reload_with_names(["per-user"])
        self.start_program()
        for key in HOSTILE_KEYS:
            self.deny(key, MAX_RETRY + 5)
        self.deny("192.0.2.3", MAX_RETRY + 5, "per-user")  # where callers may choose the key
        self.deny("192.0.2.4", MAX_RETRY + 5)
        self.wait_for_bans({"192.0.2.4"})
        self.tell("hostile keys", "none matters")

    def test_allowd_down(self):
        """It says nothing of that, and reads on when allowd is back."""
        self.start_program()
        self.deny("192.0.2.5", MAX_RETRY // 2)
        self.daemon.stop()
        self.daemon = self.start_allowd()
        self.deny("192.0.2.5", MAX_RETRY // 2 + 5)
        self.wait_for_bans({"192.0.2.5"})
        self.assertNotIn("stopped", self.running.log())
        self.tell("down", "unseen")

    def test_allowd_stuck(self):
        """It has nothing to read then, and says nothing of that."""
        self.start_program()
        self.daemon.signal(signal.SIGSTOP)
        self.addCleanup(lambda: self.daemon.signal(signal.SIGCONT))
        said = self.running.log()
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        line = json.dumps({"time": now, "level": "info", "message": "denied", "key": "192.0.2.6", "limit": "per-client",
                           "tokens": 1}, separators=(",", ":"))
        with open(self.log_path, "a", encoding="ascii") as file:  # by another allowd, say
            file.write(f"{line}\n" * (MAX_RETRY + 5))
        self.wait_for_bans({"192.0.2.6"})
        self.assertNotRegex(self.running.log()[len(said):], r"(?i)error|warning")
        self.tell("stuck", "unseen")


class Fail2ban(Banning, unittest.TestCase):
    neighbour = "fail2ban"
    program = "fail2ban-server"
    # In the filter; "." and "|" match other names as well.
    mangled = '"$%()*+.?[\\^|'

    # What is /etc/fail2ban, with an action that only records.
    around = {
        "fail2ban.conf": """[Definition]
loglevel = INFO
logtarget = STDOUT
syslogsocket = auto
socket = {directory}/socket
pidfile = {directory}/pid
dbfile = None
dbpurgeage = 1d
""",
        "jail.conf": """[DEFAULT]
action = record
usedns = no
""",
        "action.d/record.conf": """[Definition]
actionban = echo <ip> >>{directory}/banned
""",
    }

    def setUp(self):
        super().setUp()
        self.write_recipe("fail2ban-jail.conf")
        self.write("fail2ban-filter.conf", [])
        etc = self.directory / "fail2ban"
        for name, text in self.around.items():
            (etc / name).parent.mkdir(parents=True, exist_ok=True)
            (etc / name).write_text(text.format(directory=self.directory), encoding="utf-8")
        for name, place in (("jail", "jail.d"), ("filter", "filter.d")):
            (etc / place).mkdir()
            (self.directory / f"fail2ban-{name}.conf").rename(etc / place / "allowd.conf")

    def command(self):
        return [self.path, "-xf", "-c", f"{self.directory}/fail2ban", "start"]

    def wait_until_it_serves(self):
        wait_until(lambda: "Jail 'allowd' started" in self.running.log(), "fail2ban has started")

    def banned(self):
        path = self.directory / "banned"
        return set(path.read_text(encoding="ascii").split()) if path.exists() else set()

    def matches(self, name, logged, written=None):
        """Whether a filter with a name in it, or with what is written for it, takes a line with another one for its."""
        path = self.directory / "filter.conf"
        path.write_text(replaced((EXAMPLES / "fail2ban-filter.conf").read_text(encoding="utf-8"), [
            ('"limit":"per-client"', f'"limit":"{written or name}"')]), encoding="utf-8")
        line = wait_until(lambda: [text for text in self.log_path.read_text(encoding="utf-8").splitlines()
                                   if json.loads(text).get("limit") == name], "the denial is logged")[-1]
        (self.directory / "line").write_text(line.replace(json.dumps(name), json.dumps(logged)) + "\n", encoding="utf-8")
        done = subprocess.run(["fail2ban-regex", "-o", "ip", f"{self.directory}/line", path], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
        return "192.0.2.9" in done.stdout

    def reads_name(self, name):
        return self.matches(name, name) and not self.matches(name, "a") and not self.matches(name, "axb")

    def test_a_name_that_is_escaped(self):
        self.reload_with_names(["a.b%c"])
        self.deny("192.0.2.9", limit="a.b%c")
        self.assertTrue(self.matches("a.b%c", "a.b%c", r"a\.b%%c"))
        self.assertFalse(self.matches("a.b%c", "axb%c", r"a\.b%%c"))

    def ask_check(self, client):
        with Connection(("127.0.0.1", self.allowd_port)) as connection:
            connection.send(request_bytes("GET", "/check/edge-403", [("X-Forwarded-For", client)]))
            return connection.receive().status

    def test_clients_of_a_proxy(self):
        self.start_program()
        for _ in range(BURST + MAX_RETRY + 5):
            for client in ("192.0.2.1", "2001:db8:1:2:3:4:5:6"):
                self.ask_check(client)
        self.wait_for_bans({"192.0.2.1", "2001:db8:1:2:3:4:5:6"})

    def test_clients_by_their_network(self):
        """What is banned is an address that nobody has."""
        with open(self.daemon.config_path, encoding="utf-8") as file:
            config = file.read()
        self.daemon.reload(replaced(config, [('key: "{client_ip}"', 'key: "{client_ip/64}"')]))
        self.start_program()
        for _ in range(BURST + MAX_RETRY + 5):
            self.ask_check("2001:db8:1:2:3:4:5:6")
        self.wait_for_bans({"2001:db8:1:2::"})


class CrowdSec(Banning, unittest.TestCase):
    """Its package reports to its makers when it is installed, so it is unpacked."""

    neighbour = "CrowdSec"
    mangled = "'\"\\"  # in the scenario

    @classmethod
    def setUpClass(cls):
        cls.root = unpack("crowdsec", cls)
        cls.path = str(cls.root / "usr" / "bin" / "crowdsec")

    def setUp(self):
        super().setUp()
        self.port = free_port()
        etc, data = self.directory / "crowdsec", self.directory / "data"
        shutil.copytree(self.root / "etc" / "crowdsec", etc)
        data.mkdir()
        hub = self.root / "usr" / "share" / "crowdsec" / "hub"
        shutil.copytree(hub, self.directory / "hub")
        config = replaced((etc / "config.yaml").read_text(encoding="utf-8"), [
            ("daemonize: true", "daemonize: false"), ("log_media: file", "log_media: stdout"),
            ("/var/lib/crowdsec/data", str(data)), ("/var/lib/crowdsec/hub", str(self.directory / "hub")),
            ("/etc/crowdsec", str(etc)), ("127.0.0.1:8080", f"127.0.0.1:{self.port}"),
            ("/usr/lib/crowdsec/plugins/", f"{self.directory}/plugins/"),
            ("    online_client: # Central API credentials (to push signals and receive bad IPs)\n"
             "      credentials_path: /etc/crowdsec/online_api_credentials.yaml\n".replace("/etc/crowdsec", str(etc)), ""),
            ("enabled: true\n  level: full", "enabled: false\n  level: full")])
        (etc / "config.yaml").write_text(config, encoding="utf-8")
        (etc / "acquis.yaml").write_text("", encoding="utf-8")
        (etc / "local_api_credentials.yaml").write_text("", encoding="ascii")
        (self.directory / "plugins").mkdir()
        self.write_recipe("crowdsec-acquis.yaml")
        self.write("crowdsec-parser.yaml", [])
        self.write("crowdsec-scenario.yaml", [])
        for name, place in (("acquis", "acquis.d"), ("parser", "parsers/s01-parse"), ("scenario", "scenarios")):
            (etc / place).mkdir(parents=True)
            (self.directory / f"crowdsec-{name}.yaml").rename(etc / place / "allowd.yaml")
        for name, place in (("syslog-logs", "s00-raw"), ("dateparse-enrich", "s02-enrich")):
            (etc / "parsers" / place).mkdir()
            os.symlink(self.directory / "hub" / "parsers" / place / "crowdsecurity" / f"{name}.yaml",
                       etc / "parsers" / place / f"{name}.yaml")
        self.cscli("machines", "add", "-a", "-f", str(etc / "local_api_credentials.yaml"))

    def cscli(self, *arguments):
        return subprocess.run([self.root / "usr" / "bin" / "cscli", "-c", f"{self.directory}/crowdsec/config.yaml",
                               *arguments], check=True, capture_output=True, text=True, timeout=PATIENCE_S,
                              cwd=self.directory).stdout

    def command(self):
        return [self.path, "-c", f"{self.directory}/crowdsec/config.yaml"]

    def wait_until_it_serves(self):
        """It reads only what comes once it has gone to the end of the log."""
        self.running.wait_for_port(self.port)
        wait_until(self.is_at_the_end, "it follows the log")

    def is_at_the_end(self):
        process = pathlib.Path("/proc", str(self.running.process.pid))
        for descriptor in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if os.readlink(descriptor) == str(self.log_path):
                    at = re.search(r"^pos:\s*(\d+)", (process / "fdinfo" / descriptor.name).read_text(), re.M)
                    return int(at[1]) == self.log_path.stat().st_size
        return False

    def banned(self):
        alerts = json.loads(self.cscli("decisions", "list", "-o", "json")) or []
        return {decision["value"] for alert in alerts for decision in alert["decisions"]}

    def reads_name(self, name):
        """Whether its scenario, with that name in it, goes off when it reads the whole log at once."""
        self.running.stop()
        self.deny("192.0.2.9", MAX_RETRY + 5, name)
        scenario = self.directory / "crowdsec" / "scenarios" / "allowd.yaml"
        scenario.write_text(replaced((EXAMPLES / "crowdsec-scenario.yaml").read_text(encoding="utf-8"), [
            ("'per-client'", f"'{name}'")]), encoding="utf-8")
        subprocess.run([*self.command(), "-dsn", f"file://{self.log_path}", "-type", "allowd"], cwd=self.directory,
                       capture_output=True, timeout=PATIENCE_S, check=False)
        with contextlib.closing(sqlite3.connect(self.directory / "data" / "crowdsec.db")) as database:
            values = [value for value, in database.execute("DELETE FROM decisions RETURNING value")]
            database.commit()
        return values == ["192.0.2.9"]


class Taking(Reading):
    """One that reads each line, and says what is in it."""

    def denials(self):
        """Those that it knows of, in order, each as a pair of the key and the limit."""
        raise NotImplementedError

    def faults(self):
        """The messages of what it knows to be wrong, in order."""
        raise NotImplementedError

    def wait_for_denials(self, denials):
        wait_until(lambda: len(self.denials()) >= len(denials), f"{len(denials)} denials are read")
        self.assertEqual(self.denials(), denials)

    def reads_name(self, name):
        self.wait_for_denials([("192.0.2.9", name)])
        return True

    def test_denials_and_faults(self):
        self.start_program()
        self.deny("192.0.2.1", 2)
        mark = self.daemon.mark()
        self.daemon.write_config("nothing: 1\n")
        self.daemon.signal(signal.SIGHUP)
        self.daemon.wait_for_line(r"is faulty", after=mark)
        self.deny("2001:db8::1")
        self.wait_for_denials([("192.0.2.1", "per-client")] * 2 + [("2001:db8::1", "per-client")])
        wait_until(lambda: len(self.faults()) >= 2, "the fault is read")
        faults = self.faults()
        self.assertEqual(len(faults), 2, faults)
        self.assertRegex(faults[0], r":1:1: ")
        self.assertRegex(faults[1], r" is faulty; ")
        self.tell("reads", "denials, faults")

    def test_hostile_keys(self):
        self.start_program()
        for key in HOSTILE_KEYS:
            self.deny(key)
        self.wait_for_denials([(key, "per-client") for key in HOSTILE_KEYS])
        self.assertEqual(self.faults(), [])
        self.tell("hostile keys", "read as they are")

    def test_allowd_down(self):
        """It reads on when allowd is back."""
        self.start_program()
        self.deny("192.0.2.5")
        self.daemon.stop()
        self.daemon = self.start_allowd()
        self.deny("192.0.2.6")
        self.wait_for_denials([("192.0.2.5", "per-client"), ("192.0.2.6", "per-client")])
        self.assertEqual(self.faults(), [])  # to stop is none
        self.tell("down", "unseen")

    def test_allowd_stuck(self):
        self.start_program()
        self.deny("192.0.2.5")
        self.wait_for_denials([("192.0.2.5", "per-client")])
        self.daemon.signal(signal.SIGSTOP)
        self.addCleanup(lambda: self.daemon.signal(signal.SIGCONT))
        with open(self.log_path, "a", encoding="ascii") as file:  # by another allowd, say
            file.write('{"time":"2026-01-02T03:04:05.678Z","level":"info","message":"denied","key":"a","limit":"b"}\n')
        self.wait_for_denials([("192.0.2.5", "per-client"), ("a", "b")])
        self.assertEqual(self.faults(), [])
        self.tell("stuck", "unseen")


class Forwarding(Taking):
    def denials(self):
        return [(line["key"], line["limit"]) for line in lines_of_json(self.directory / "allowd-denied.log")]

    def faults(self):
        return [line["message"] for line in lines_of_json(self.directory / "allowd-faults.log")]


class Rsyslog(Forwarding, unittest.TestCase):
    neighbour = "rsyslog"
    program = "rsyslogd"

    def setUp(self):
        super().setUp()
        self.write_recipe("rsyslog.conf")
        (self.directory / "around.conf").write_text(
            f'global(workDirectory="{self.directory}")\ninclude(file="{self.directory}/rsyslog.conf")\n', encoding="ascii")

    def command(self):
        return [self.path, "-n", "-f", f"{self.directory}/around.conf", "-i", f"{self.directory}/pid"]

    def wait_until_it_serves(self):
        """It reads the log from its beginning."""


class SyslogNg(Forwarding, unittest.TestCase):
    """Debian installs none beside rsyslog, so it is unpacked."""

    neighbour = "syslog-ng"

    @classmethod
    def setUpClass(cls):
        root = unpack("syslog-ng-core", cls)
        cls.path = str(root / "usr" / "sbin" / "syslog-ng")
        cls.libraries = root / "usr" / "lib" / "syslog-ng"
        cls.environment = {"LD_LIBRARY_PATH": str(cls.libraries)}

    def setUp(self):
        super().setUp()
        self.write_recipe("syslog-ng.conf")
        (self.directory / "around.conf").write_text(
            f'@version: 3.38\n@include "{self.directory}/syslog-ng.conf"\n', encoding="ascii")

    def command(self):
        return [self.path, "-F", "-e", "-f", f"{self.directory}/around.conf", f"--module-path={self.libraries}/3.38",
                "-R", f"{self.directory}/persist", "-p", f"{self.directory}/pid", "-c", f"{self.directory}/control",
                "--no-caps"]

    def wait_until_it_serves(self):
        wait_until(lambda: "starting up" in self.running.log(), "syslog-ng has started")


class Lnav(Taking, unittest.TestCase):
    """It reads the whole log each time that it is asked."""

    neighbour = "lnav"
    program = "lnav"

    def setUp(self):
        super().setUp()
        formats = self.directory / "lnav" / "formats" / "installed"
        formats.mkdir(parents=True)
        self.write("lnav-format.json", [])
        (self.directory / "lnav-format.json").rename(formats / "allowd.json")
        self.ask("-C")  # whether the format is one

    def start_program(self):
        """Nothing runs between."""

    def ask(self, *arguments):
        return subprocess.run([self.path, *arguments], check=True, capture_output=True, text=True, timeout=PATIENCE_S,
                              stdin=subprocess.DEVNULL,
                              env={**os.environ, "HOME": str(self.directory), "XDG_CONFIG_HOME": str(self.directory),
                                   "TERM": "dumb"}).stdout

    def select(self, what, where):
        said = self.ask("-n", "-c", f";SELECT {what} FROM allowd_log WHERE {where}", "-c", ":write-json-to -",
                        str(self.log_path))
        return json.loads(said) if said.strip() else []

    def denials(self):
        return [(row["key"], row["name"]) for row in
                self.select("key, json_extract(log_raw_text, '$.limit') AS name", "log_body = 'denied'")]

    def faults(self):
        return [row["log_body"] for row in self.select("log_body", "log_level IN ('warning', 'error')")]


if __name__ == "__main__":
    unittest.main()
