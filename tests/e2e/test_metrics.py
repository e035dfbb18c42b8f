#!/usr/bin/python3 -B
"""GET /metrics: every family, counted right, read by a strict parser."""
import os
import re
import signal
import time
import unittest

from harness import PATIENCE_S, TOP, Case, Connection, Daemon, parse_address, request_bytes, wait_until
from metrics import CONTENT_TYPE, Metrics

TELL_S = 1  # in which a front-end tells what it has counted

CONFIG = """\
tick: 10ms
threads: 2
max_keys: 1000
limits:
  - name: 'a "quoted\\name"'
    match: "q:*"
    burst: 2
    rate: 1/d
  - name: trial
    match: "t:*"
    burst: 1
    rate: 1/d
    shadow: true
  - name: default
    burst: 3
    rate: 1/d
"""

FAMILIES = {
    "allowd_decisions_total": "counter",
    "allowd_requests_total": "counter",
    "allowd_connections": "gauge",
    "allowd_event_readers": "gauge",
    "allowd_connections_shed_total": "counter",
    "allowd_check_proxies_ignored_total": "counter",
    "allowd_resp_commands_total": "counter",
    "allowd_decision_duration_seconds": "histogram",
    "allowd_batch_size": "histogram",
    "allowd_keys": "gauge",
    "allowd_keys_max": "gauge",
    "allowd_evictions_total": "counter",
    "allowd_charges_failed_total": "counter",
    "allowd_forgiven_tokens_total": "counter",
    "allowd_leases": "gauge",
    "allowd_leases_max": "gauge",
    "allowd_leases_granted_total": "counter",
    "allowd_leases_renewed_total": "counter",
    "allowd_leases_ended_total": "counter",
    "allowd_leases_refused_total": "counter",
    "allowd_returned_tokens_total": "counter",
    "allowd_check_skipped_total": "counter",
    "allowd_throttles_total": "counter",
    "allowd_repeated_total": "counter",
    "allowd_waiting": "gauge",
    "allowd_wait_duration_seconds": "histogram",
    "allowd_waits_ended_total": "counter",
    "allowd_waits_refused_total": "counter",
    "allowd_events_total": "counter",
    "allowd_events_lost_total": "counter",
    "allowd_ticks_total": "counter",
    "allowd_tick_lag_seconds": "gauge",
    "allowd_state_degraded": "gauge",
    "allowd_state_restored_keys": "gauge",
    "allowd_state_refused_total": "counter",
    "allowd_state_damaged_total": "counter",
    "allowd_sockets_lost": "gauge",
    "allowd_files_changed": "gauge",
    "allowd_config_reloads_total": "counter",
    "allowd_config_last_reload_successful": "gauge",
    "allowd_config_last_reload_success_timestamp_seconds": "gauge",
    "allowd_config_warnings": "gauge",
    "allowd_log_lines_lost_total": "counter",
    "allowd_build_info": "gauge",
    "process_resident_memory_bytes": "gauge",
    "process_open_fds": "gauge",
    "process_max_fds": "gauge",
    "process_start_time_seconds": "gauge",
    "process_cpu_seconds_total": "counter",
}


def scrape(daemon):
    return Metrics(daemon.call("GET", "/metrics").body.decode("utf-8"))


class Text(Case):
    config = CONFIG

    def test_families(self):
        response = self.call("GET", "/metrics")
        self.assertEqual(response.status, 200)
        self.assertEqual(response.header("Content-Type"), CONTENT_TYPE)
        self.assertEqual(response.header("Cache-Control"), "no-store")
        metrics = Metrics(response.body.decode("utf-8"))
        self.assertEqual(metrics.types, FAMILIES)
        self.assertTrue(all(metrics.helps.values()))

    def test_the_manual_has_each_in_this_order(self):
        page = (TOP / "man" / "allowd-http.7").read_text(encoding="utf-8")
        section = page[page.index("\n.Ss Metrics\n"):].replace("\\\n", "")
        items = re.findall(r"^\.It Cm (.*)$", section[:section.index("\n.Ss ", 1)], re.M)
        told = re.findall(r"\b(?:allowd|process)_\w+", "\n".join(items))
        self.assertEqual(told, list(scrape(self.daemon).types))

    def test_head(self):
        response = self.call("HEAD", "/metrics")
        self.assertEqual((response.status, response.body), (200, b""))
        self.assertEqual(response.header("Content-Type"), CONTENT_TYPE)

    def test_refusals(self):
        self.assert_problem(self.call("POST", "/metrics"), 405)
        self.assert_problem(self.call("GET", "/metrics?key=a"), 400, "takes no parameters")
        self.assert_problem(self.call("GET", "/metrics/"), 404)

    def test_pipelined(self):
        """Large bodies after each other, and something small after them."""
        connection = self.connect()
        connection.send(request_bytes("GET", "/metrics") * 20 +
                        request_bytes("GET", "/allow?key=" + self.key()))
        for _ in range(20):
            Metrics(connection.receive().body.decode("utf-8"))
        self.assertEqual(connection.receive().status, 200)

    def test_no_key_in_it(self):
        """Nor anything else that a caller chose."""
        for target in ("/allow?key=secret-key-1", "/status?key=secret-key-2",
                       "/secret-path", "/allow?key=a&limit=secret-limit",
                       "/check/secret-check", "/allow?secret-parameter=1"):
            self.call("GET", target, [("X-Secret", "secret-field")])
        self.call("SECRET", "/allow")
        wait_until(lambda: scrape(self.daemon).value("allowd_requests_total", route="/allow",
                                                     status="405"), "the last call is told")
        self.assertNotIn(b"secret", self.call("GET", "/metrics").body.lower())

    def test_labels_are_escaped(self):
        name = 'a "quoted\\name"'
        before = scrape(self.daemon)
        self.allow(self.key("q:"))
        after = scrape(self.daemon)
        self.assertEqual(after.value("allowd_decisions_total", limit=name, result="allowed"),
                         before.value("allowd_decisions_total", limit=name, result="allowed") + 1)

    def test_decisions(self):
        before = scrape(self.daemon)
        key = self.key()
        for _ in range(5):
            self.allow(key)
        for _ in range(4):
            self.allow("t:" + key)
        self.batch([{"key": key}, {"key": key + "-2"}])
        after = scrape(self.daemon)

        def counted(limit, result):
            return (after.value("allowd_decisions_total", limit=limit, result=result) -
                    before.value("allowd_decisions_total", limit=limit, result=result))

        self.assertEqual((counted("default", "allowed"), counted("default", "denied")), (4, 3))
        self.assertEqual((counted("trial", "allowed"), counted("trial", "shadow_denied")), (1, 3))
        self.assertEqual(
            sum(value for (name, _), value in after.samples.items()
                if name == "allowd_decisions_total"),
            after.value("allowd_decision_duration_seconds_count"))

    def test_histograms_add_up(self):
        metrics = scrape(self.daemon)
        for name in ("allowd_decision_duration_seconds", "allowd_batch_size"):
            buckets = sorted((float(dict(labels)["le"]), value)
                             for (sample, labels), value in metrics.samples.items()
                             if sample == name + "_bucket")
            counts = [value for _, value in buckets]
            self.assertEqual(counts, sorted(counts))
            self.assertEqual(buckets[-1], (float("inf"), metrics.value(name + "_count")))
        self.assertGreaterEqual(metrics.value("allowd_batch_size_sum"),
                                metrics.value("allowd_batch_size_count"))

    def test_the_process(self):
        metrics = scrape(self.daemon)
        self.assertAlmostEqual(metrics.value("process_open_fds"),
                               len(self.daemon.descriptors()), delta=3)
        self.assertAlmostEqual(metrics.value("process_start_time_seconds"), time.time(),
                               delta=PATIENCE_S)
        self.assertGreater(metrics.value("process_resident_memory_bytes"), 1 << 20)
        self.assertGreater(metrics.value("process_cpu_seconds_total"), 0)
        self.assertEqual(metrics.value("allowd_keys_max"), 1000)


class Counted(unittest.TestCase):
    """Each test has a daemon of its own, so that it knows all that has been counted."""

    def start(self, config=CONFIG):
        daemon = Daemon(config)
        self.addCleanup(daemon.stop)
        return daemon

    def test_requests_of_all_front_ends_are_told_in_time(self):
        """Also of those that answer without asking, and then are idle."""
        daemon = self.start()
        sent = {("/allow", "200"): ("GET", "/allow?key=a&tokens=0"), ("none", "404"): ("GET", "/x"),
                ("/allow", "400"): ("GET", "/allow"), ("/reset", "405"): ("GET", "/reset?key=a")}
        for _ in range(10):
            for method, target in sent.values():
                daemon.call(method, target)
        began = time.monotonic()

        def told():
            metrics = scrape(daemon)
            return all(metrics.value("allowd_requests_total", route=route, status=status) == 10
                       for route, status in sent) and metrics

        metrics = wait_until(told, "every request is told")
        self.assertLess(time.monotonic() - began, TELL_S + 30)
        again = wait_until(told, "and stays so")
        self.assertEqual(metrics.value("allowd_keys"), again.value("allowd_keys"))
        daemon.stop()

    def test_an_idle_daemon_comes_to_rest(self):
        """What was counted is told once, and then nothing wakes it."""
        daemon = self.start("limits:\n  - {name: default, burst: 3, rate: 1/d}\n")
        daemon.call("GET", "/x")

        def switches():
            total = 0
            for task in os.listdir(f"/proc/{daemon.process.pid}/task"):
                with open(f"/proc/{daemon.process.pid}/task/{task}/status", encoding="ascii") as file:
                    lines = file.read().splitlines()
                # The thread sanitizer has one of its own, which wakes all the time; ours have names.
                if task != str(daemon.process.pid) and lines[0].split()[1].startswith("allowd"):
                    continue
                total += sum(int(line.split()[1]) for line in lines if "_ctxt_switches" in line)
            return total

        def rests():
            before = switches()
            time.sleep(2 * TELL_S) # in which nothing must happen
            return switches() == before

        wait_until(rests, "it rests")
        daemon.stop()

    def test_connections(self):
        daemon = self.start()
        held = [Connection(daemon.address) for _ in range(30)]
        for connection in held:
            connection.send(request_bytes("GET", "/x"))
            connection.receive()
        # By one connection: what other threads have seen come and go is told a second later.
        with Connection(daemon.address) as probe:
            def count():
                probe.send(request_bytes("GET", "/metrics"))
                return Metrics(probe.receive().body.decode("utf-8")).value("allowd_connections")

            wait_until(lambda: count() == 31, "30 and the probe's")
            for connection in held:
                connection.close()
            wait_until(lambda: count() == 1, "only the probe's")
        daemon.stop()

    def test_reloads(self):
        daemon = self.start()
        daemon.call("GET", "/allow?key=a")
        first = scrape(daemon)
        daemon.reload("limits: []\n")
        failed = wait_until(lambda: (metrics := scrape(daemon)).value(
            "allowd_config_reloads_total", result="failure") == 1 and metrics, "the failure is told")
        name = "allowd_config_last_reload_success_timestamp_seconds"
        self.assertEqual(failed.value(name), first.value(name))
        self.assertEqual(failed.value("allowd_config_last_reload_successful"), 0)
        daemon.reload(CONFIG.replace("name: trial", "name: other"))
        metrics = scrape(daemon)
        self.assertEqual(metrics.value("allowd_config_reloads_total", result="success"), 1)
        self.assertGreaterEqual(metrics.value(name), first.value(name))
        self.assertEqual(metrics.value("allowd_config_last_reload_successful"), 1)
        self.assertEqual(metrics.value("allowd_decisions_total", limit="default", result="allowed"), 1)
        self.assertNotIn("trial", metrics.label_values())
        self.assertIn("other", metrics.label_values())
        daemon.stop()

    def test_waiting(self):
        """One is let go, one leaves, one is too many, and one waits in vain, because a reload takes what
        it was promised. Those who wait are decided too. No token comes by itself as long as one waits."""
        config = "tick: 10ms\nwaiting_per_key: 2\nlimits:\n  - {name: default, burst: 4, rate: 1/%s}\n"
        daemon = self.start(config % "25s")

        def value(name, **labels):
            return scrape(daemon).value("allowd_" + name, **labels)

        def wait_for(seconds):
            connection = Connection(daemon.address)
            self.addCleanup(connection.close)
            connection.send(request_bytes("GET", f"/allow?key=k&wait={seconds}s"))
            return connection

        daemon.call("GET", "/allow?key=k&tokens=4")
        began = time.monotonic()
        first = wait_for(30)
        wait_until(lambda: value("waiting") == 1, "one waits")
        time.sleep(0.2) # of real time, which is what is measured
        daemon.call("POST", "/refund?key=k&tokens=1")
        self.assertEqual(first.receive().status, 200)
        took_s = time.monotonic() - began
        self.assertLess(0.1, value("wait_duration_seconds_sum"))
        self.assertLessEqual(value("wait_duration_seconds_sum"), took_s)
        self.assertEqual(value("wait_duration_seconds_count"), 1)
        self.assertEqual(value("waiting"), 0)
        daemon.reload(config % "9s")
        denied, leaves = wait_for(30), wait_for(30)
        wait_until(lambda: value("waiting") == 2, "two wait")
        self.assertEqual(wait_for(30).receive().status, 429)
        self.assertEqual(value("waits_refused_total"), 1)
        daemon.wait_for_line("^allowd: warning: as many wait for tokens as may: 1 request was denied; "
                             "raise max_waiting or waiting_per_key$")
        leaves.close()
        wait_until(lambda: value("waiting") == 1, "one has left")
        self.assertEqual(value("waits_ended_total", result="left"), 1)
        daemon.reload(config % "1h")
        self.assertEqual(denied.receive().status, 429)
        metrics = scrape(daemon)
        self.assertEqual(metrics.value("allowd_waits_ended_total", result="denied"), 1)
        self.assertEqual(metrics.value("allowd_waiting"), 0)
        self.assertEqual(metrics.value("allowd_decisions_total", limit="default", result="allowed"), 2)
        self.assertEqual(metrics.value("allowd_decisions_total", limit="default", result="denied"), 2)
        self.assertEqual(metrics.value("allowd_decision_duration_seconds_count"), 4)
        daemon.stop()

    def test_keys_and_evictions(self):
        daemon = self.start(CONFIG.replace("max_keys: 1000", "max_keys: 10"))
        for i in range(14):
            daemon.call("GET", f"/allow?key=k{i}")
        metrics = scrape(daemon)
        self.assertEqual(metrics.value("allowd_keys"), metrics.value("allowd_keys_max"))
        self.assertEqual(metrics.value("allowd_evictions_total", kind="live"),
                         14 - metrics.value("allowd_keys"))
        wait_until(lambda: scrape(daemon).value("allowd_ticks_total") > 0, "a tick is counted")
        daemon.stop()

    def test_a_stall_shows_as_a_late_tick(self):
        daemon = self.start()
        daemon.call("GET", "/allow?key=a")
        daemon.signal(signal.SIGSTOP)
        time.sleep(0.3) # of real time, which is what is measured
        daemon.signal(signal.SIGCONT)
        self.assertGreater(scrape(daemon).value("allowd_tick_lag_seconds"), 0.2)
        daemon.stop()


class Access(unittest.TestCase):
    def test_only_for_admins_where_they_have_an_address(self):
        with Daemon("admin_listen: ['127.0.0.1:0']\n" + CONFIG) as daemon:
            for line, status in ((r"listening on (127\S+)", 403),
                                 (r"listening for admins on (\S+)", 200)):
                address = parse_address(daemon.wait_for_line(line)[1])
                with Connection(address) as connection:
                    connection.send(request_bytes("GET", "/metrics"))
                    self.assertEqual(connection.receive().status, status)


if __name__ == "__main__":
    unittest.main()
