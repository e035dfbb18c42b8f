#!/usr/bin/python3 -B
"""
What watches allowd: Prometheus, which reads its metrics, and the examples: alerts that go off when they
should, and a dashboard, of metrics that exist.
"""
import contextlib
import json
import os
import re
import socket
import subprocess
import tempfile
import unittest
import urllib.request

from harness import ENDS_WITH_US, PATIENCE_S, TOP, Case, Connection, Daemon, request_bytes, wait_until
from metrics import Metrics, need
from share import load_tests  # which unittest calls
from test_metrics import CONFIG

EXAMPLES = TOP / "etc" / "examples"
RULES = EXAMPLES / "allowd.rules.yml"
DASHBOARD = EXAMPLES / "grafana-dashboard.json"

METRIC = re.compile(r"\b(?:allowd|process)_[a-z_]+\b")


def dashboard():
    return json.loads(DASHBOARD.read_text(encoding="utf-8"))


def expressions():
    """What the dashboard asks of Prometheus, its variables put in."""
    for panel in dashboard()["panels"]:
        for target in panel["targets"]:
            yield target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")


def promtool(*arguments):
    path, = need("promtool")
    return subprocess.run([path, *arguments], capture_output=True, text=True, timeout=PATIENCE_S,
                          check=False)


class Promtool(unittest.TestCase):
    def check(self, *arguments):
        done = promtool(*arguments)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_rules_are_rules(self):
        self.check("check", "rules", str(RULES))

    def test_the_configuration_is_one(self):
        self.check("check", "config", str(EXAMPLES / "prometheus.yml"))

    def test_each_alert_goes_off_when_it_should(self):
        self.check("test", "rules", str(TOP / "tests" / "alerts" / "alerts.yml"))

    def test_each_alert_has_a_test(self):
        tests = (TOP / "tests" / "alerts" / "alerts.yml").read_text(encoding="utf-8")
        alerts = re.findall(r"alert: (\w+)", RULES.read_text(encoding="utf-8"))
        self.assertGreaterEqual(len(alerts), 6)
        for alert in alerts:
            self.assertRegex(tests, rf"- alertname: {alert}\n")  # one that goes off
            self.assertRegex(tests, rf"alertname: {alert}, .*exp_alerts: \[\]")  # and does not

    def test_the_dashboard_asks_in_the_language_of_prometheus(self):
        rules = [{"record": f"panel:{i}", "expr": text} for i, text in enumerate(expressions())]
        self.assertGreater(len(rules), 10)
        with tempfile.NamedTemporaryFile("w", suffix=".yml", prefix="allowd-e2e-") as file:
            json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
            file.flush()
            self.check("check", "rules", file.name)


class Text(Case):
    """What /metrics says, with names that have to be quoted."""

    config = CONFIG

    def test_promtool_has_nothing_to_say(self):
        promtool, = need("promtool")
        for i in range(30):
            self.allow(f"busy{i % 7}")
        body = self.call("GET", "/metrics").body
        done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True,
                              timeout=PATIENCE_S, check=False)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


class RealPrometheus(unittest.TestCase):
    """Prometheus, with nothing but a target: one scrape, then asked what it knows."""

    def prometheus(self, target):
        program, = need("prometheus")
        directory = tempfile.TemporaryDirectory(prefix="allowd-e2e-")
        self.addCleanup(directory.cleanup)
        config = os.path.join(directory.name, "prometheus.yml")
        with open(config, "w", encoding="ascii") as file:
            json.dump({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
                       "scrape_configs": [{"job_name": "allowd",
                                           "static_configs": [{"targets": [target]}]}]}, file)
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            [*ENDS_WITH_US, program, f"--config.file={config}", f"--storage.tsdb.path={directory.name}/data",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        return f"http://127.0.0.1:{port}"

    def test_it_scrapes(self):
        with Daemon(CONFIG) as daemon:
            url = self.prometheus("%s:%d" % daemon.address)
            with Connection(daemon.address) as connection:
                for _ in range(5):
                    connection.send(request_bytes("GET", "/allow?key=a"))
                    connection.receive()

            def query(expression):
                with contextlib.suppress(OSError), urllib.request.urlopen(
                        f"{url}/api/v1/query?query={urllib.request.quote(expression)}",
                        timeout=PATIENCE_S) as answer:
                    return [sample["value"][1]
                            for sample in json.load(answer)["data"]["result"]]
                return []

            wait_until(lambda: query("up") == ["1"], "Prometheus has scraped")
            wait_until(lambda: query('allowd_decisions_total{limit="default",result="denied"}') == ["2"],
                       "it has the decisions")
            self.assertEqual(query("scrape_samples_scraped > 50")[:1] != [], True)
            self.assertEqual(query("count(allowd_build_info)"), ["1"])


class Names(Case):
    """A daemon that has something to tell of each family."""

    config = ("fleet: {name: test, store: ['unix:/nowhere/at.all']}\n"
              "limits:\n  - {name: default, burst: 3, rate: 1/d}\n  - {name: shared, match: 'shared:*', burst: 3, rate: 1/d, scope: fleet}\n")

    def scrape(self):
        with Connection(self.daemon.address) as connection:
            for _ in range(5):
                connection.send(request_bytes("GET", "/allow?key=a"))
                connection.receive()
            connection.send(request_bytes("GET", "/metrics"))
            return Metrics(connection.receive().body.decode("utf-8"))

    def test_every_metric_exists(self):
        names = self.scrape().names()
        for path in (RULES, DASHBOARD):
            used = set(METRIC.findall(path.read_text(encoding="utf-8")))
            self.assertGreater(len(used), 5)
            self.assertEqual(used - names, set(), path.name)

    def test_every_metric_of_ours_is_on_the_dashboard(self):
        """Each in a panel that names it, but a plain counter may be in the table of all."""
        used = set(METRIC.findall(DASHBOARD.read_text(encoding="utf-8")))
        metrics = self.scrape()
        ours = {name for name in metrics.types if name.startswith("allowd_")}
        plain = {name for name in ours
                 if metrics.types[name] == "counter" and (name, frozenset()) in metrics.samples}
        self.assertEqual({name for name in ours - plain
                          if not any(metric.startswith(name) for metric in used)}, set())
        table, = (text for text in expressions() if "__name__" in text)
        asked, = re.findall(r'__name__=~"([^"]+)"', table)
        left_out, = re.findall(r'__name__!~"([^"]+)"', table)
        self.assertEqual({name for name in plain if not re.fullmatch(asked, name) or
                          re.fullmatch(left_out, name)}, set())

    def test_every_label_value_exists(self):
        text = RULES.read_text(encoding="utf-8") + "\n".join(expressions())
        known = self.scrape().label_values()
        for values in re.findall(r'(?:result|kind)=~?\\?"([a-z_|]+)\\?"', text):
            self.assertLessEqual(set(values.split("|")), known)


class Panels(unittest.TestCase):
    def test_no_two_are_in_each_others_place(self):
        places = set()
        panels = dashboard()["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        for panel in panels:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24)
            squares = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                       for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(places & squares, panel["title"])
            places |= squares


if __name__ == "__main__":
    unittest.main()
