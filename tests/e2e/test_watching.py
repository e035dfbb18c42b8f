#!/usr/bin/python3 -B
"""The examples that watch allowd: alerts that go off when they should, and a dashboard, of metrics that exist."""
import json
import re
import subprocess
import tempfile
import unittest

from harness import PATIENCE_S, TOP, Case, Connection, request_bytes
from metrics import Metrics, need

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


class Names(Case):
    """A daemon that has something to tell of each family."""

    config = "limits:\n  - {name: default, burst: 3, rate: 1/d}\n"

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
