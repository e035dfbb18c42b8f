#!/usr/bin/python3 -B
"""What a service manager hears: readiness, reloads, the end and the watchdog, in systemd's and s6's words."""
import os
import signal
import socket
import tempfile
import time
import unittest

from harness import Connection, Daemon, request_bytes, run_allowd, wait_until
from manager import Manager, set_variables

CONFIG = "limits:\n  - {name: api, match: 'api:*', burst: 10, rate: 1/s}\n" \
         "  - {name: default, burst: 10, rate: 1/s}\n"
FAULTY = "limits:\n  - {name: default, burst: 0, rate: 1/s}\n"


def status_of(daemon):
    return daemon.call("GET", "/allow?key=a").status


class Told(unittest.TestCase):
    def manager(self, path=None):
        manager = Manager(path)
        self.addCleanup(manager.close)
        return manager

    def start(self, prepare, config=CONFIG, **options):
        daemon = Daemon(config, prepare=prepare, **options)
        self.addCleanup(daemon.stop)
        return daemon

    def test_a_whole_life(self):
        manager = self.manager()
        daemon = self.start(manager.prepare(), listen=("127.0.0.1:0", "unix:{directory}/s"))
        self.assertEqual(manager.hear(), {"READY": "1", "STATUS": "serving 2 limits on 2 addresses"})
        self.assertEqual(status_of(daemon), 200)

        before_us = time.monotonic_ns() // 1000
        daemon.reload(FAULTY.replace("burst: 0", "burst: 3"))
        message = manager.hear()
        self.assertEqual(list(message), ["RELOADING", "MONOTONIC_USEC", "STATUS"])
        self.assertEqual((message["RELOADING"], message["STATUS"]), ("1", "reloading"))
        self.assertGreaterEqual(int(message["MONOTONIC_USEC"]), before_us)
        self.assertLessEqual(int(message["MONOTONIC_USEC"]), time.monotonic_ns() // 1000)
        self.assertEqual(manager.hear(), {"READY": "1", "STATUS": "serving 1 limit on 2 addresses"})

        daemon.signal(signal.SIGTERM)
        self.assertEqual(manager.hear(), {"STOPPING": "1", "STATUS": "draining"})
        self.assertEqual(daemon.wait(), 0)
        self.assertTrue(manager.hear_silence(0))

    def test_a_delay_before_the_drain(self):
        """Told at once that it stops, and how long that may take: systemd then waits so long."""
        manager = self.manager()
        daemon = self.start(manager.prepare(), "drain_delay: 1m\n" + CONFIG)
        manager.hear()
        daemon.signal(signal.SIGTERM)
        self.assertEqual(manager.hear(), {"STOPPING": "1", "STATUS": "serving, and draining in 1m",
                                          "EXTEND_TIMEOUT_USEC": "70000000"})
        self.assertEqual(status_of(daemon), 200)
        daemon.reload(CONFIG)  # which is not told: the manager has stopped listening for READY
        daemon.signal(signal.SIGTERM)
        self.assertEqual(manager.hear(), {"STOPPING": "1", "STATUS": "draining",
                                          "EXTEND_TIMEOUT_USEC": "10000000"})
        self.assertEqual(daemon.wait(), 0)

    def test_a_path(self):
        with tempfile.TemporaryDirectory() as directory:
            manager = self.manager(os.path.join(directory, "notify"))
            with self.start(manager.prepare()):
                self.assertEqual(manager.hear()["READY"], "1")

    def test_ready_means_that_it_answers(self):
        """Not a word of the log is waited for: what READY says must hold by itself."""
        for threads in (1, 4):
            with self.subTest(threads), tempfile.TemporaryDirectory() as directory:
                manager = self.manager()
                path = os.path.join(directory, "s")
                daemon = self.start(manager.prepare(), f"threads: {threads}\n{CONFIG}",
                                    listen=("unix:" + path,), wait=False)
                self.assertEqual(manager.hear()["READY"], "1")
                with Connection(path) as connection:
                    connection.send(request_bytes("GET", "/allow?key=a"))
                    self.assertEqual(connection.receive().status, 200)
                daemon.stop()

    def test_one_that_cannot_start_is_never_ready(self):
        manager = self.manager()
        with socket.create_server(("127.0.0.1", 0)) as other:
            daemon = self.start(manager.prepare(), wait=False,
                                listen=("127.0.0.1:0", "127.0.0.1:%d" % other.getsockname()[1]))
            self.assertEqual(daemon.wait(), 1)
        self.assertTrue(manager.hear_silence(0))

    def test_a_failed_reload_is_ready_again_and_says_so(self):
        manager = self.manager()
        daemon = self.start(manager.prepare())
        manager.hear()
        daemon.reload(FAULTY)
        self.assertEqual(manager.hear()["RELOADING"], "1")
        self.assertEqual(manager.hear(), {
            "READY": "1",
            "STATUS": "serving 2 limits on 1 address; the last reload failed, the log says why"})
        daemon.reload(CONFIG)
        self.assertEqual(manager.hear()["RELOADING"], "1")
        self.assertEqual(manager.hear(), {"READY": "1", "STATUS": "serving 2 limits on 1 address"})

    def test_nothing_to_reload_is_no_failure(self):
        manager = self.manager()
        daemon = self.start(manager.prepare(), None)
        manager.hear()
        daemon.signal(signal.SIGHUP)
        self.assertEqual(manager.hear()["RELOADING"], "1")
        self.assertEqual(manager.hear(), {"READY": "1", "STATUS": "serving 1 limit on 1 address"})

    def test_a_socket_that_is_none_is_said_once(self):
        long = "/" + "x" * 107
        for address, complaint in (
                ("relative", "NOTIFY_SOCKET is \"relative\", neither "),
                ("@", "NOTIFY_SOCKET is \"@\", neither "),
                ("vsock:2:1234", "NOTIFY_SOCKET is \"vsock:2:1234\", neither "),
                (long, "NOTIFY_SOCKET is \"/xxx"),
                ("/nonexistent/notify", "cannot tell the service manager at NOTIFY_SOCKET: "),
                ("@allowd-nobody", "cannot tell the service manager at NOTIFY_SOCKET: ")):
            with self.subTest(address), \
                    self.start(lambda address=address: set_variables({"NOTIFY_SOCKET": address})) \
                    as daemon:
                daemon.reload(CONFIG)
                self.assertEqual(status_of(daemon), 200)
                daemon.stop()
                warnings = [line for line in daemon.log() if "NOTIFY_SOCKET" in line]
                self.assertEqual(len(warnings), 1, daemon.log())
                self.assertTrue(warnings[0].startswith("allowd: warning: " + complaint), warnings)

    def test_without_one_nothing_is_said(self):
        for address in (None, ""):
            with self.subTest(address), \
                    self.start(lambda address=address: set_variables({"NOTIFY_SOCKET": address,
                                                                      "WATCHDOG_USEC": "1"})) \
                    as daemon:
                daemon.reload(CONFIG)
                self.assertEqual([line for line in daemon.log() if "warning" in line], [])

    def test_one_who_waited_for_ready_alone_is_not_missed(self):
        """start-stop-daemon --notify-await hears READY and goes."""
        manager = self.manager()
        daemon = self.start(manager.prepare())
        self.assertEqual(manager.hear()["READY"], "1")
        manager.close()
        daemon.reload(CONFIG)
        daemon.stop()
        self.assertEqual([line for line in daemon.log() if "warning" in line], [])

    def test_one_who_does_not_read_holds_nothing_up_for_long(self):
        manager = self.manager()
        with self.start(manager.prepare()) as daemon:
            filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.addCleanup(filler.close)
            filler.setblocking(False)
            with self.assertRaises(BlockingIOError):
                while True:
                    filler.sendto(b"x", manager.socket.getsockname())
            daemon.reload(CONFIG)
            self.assertEqual(status_of(daemon), 200)


class Fed(unittest.TestCase):
    """The watchdog of a daemon that is well; for one that is not see test_stall.py."""

    SILENCE_S = 6  # half of which is for a busy machine

    def start(self, **variables):
        self.manager = Manager()
        self.addCleanup(self.manager.close)
        daemon = Daemon(CONFIG, prepare=self.manager.prepare(**variables))
        self.addCleanup(daemon.stop)
        self.assertEqual(self.manager.hear()["READY"], "1")
        return daemon

    def test_fed_in_time(self):
        self.start(WATCHDOG_USEC=self.SILENCE_S * 1000000)
        began = time.monotonic()
        for _ in range(2):
            self.assertEqual(self.manager.hear(self.SILENCE_S), {"WATCHDOG": "1"})
        self.assertLess(time.monotonic() - began, 0.8 * 2 * self.SILENCE_S)

    def test_not_more_often_than_needed(self):
        """An idle daemon sleeps."""
        self.start(WATCHDOG_USEC=40 * 1000000)
        self.assertTrue(self.manager.hear_silence(1))

    def test_fed_while_reloading_and_draining(self):
        daemon = self.start(WATCHDOG_USEC=400000)

        def heard_while_reloading():
            daemon.signal(signal.SIGHUP)
            return self.manager.hear()

        wait_until(lambda: heard_while_reloading() == {"WATCHDOG": "1"}, "it is fed")
        with Connection(daemon.address) as connection:
            connection.send(b"GET /allow?key=a HTTP/1.1\r\n")
            daemon.signal(signal.SIGTERM)
            while self.manager.hear().get("STOPPING") != "1":
                pass
            for _ in range(3):
                self.assertEqual(self.manager.hear(), {"WATCHDOG": "1"})
            connection.send(b"Host: a\r\n\r\n")
            self.assertEqual(connection.receive().status, 200)
        self.assertEqual(daemon.wait(), 0)

    def test_for_its_own_process_only(self):
        def own():
            os.environ["WATCHDOG_PID"] = str(os.getpid())
        for pid, is_fed in ((own, True), (1, False), ("x", False), ("-1", False), ("", False)):
            with self.subTest(pid):
                manager = Manager()
                self.addCleanup(manager.close)
                in_child = manager.prepare(WATCHDOG_USEC=200000,
                                           WATCHDOG_PID=None if callable(pid) else pid)

                def prepare(in_child=in_child, pid=pid):
                    in_child()
                    if callable(pid):
                        pid()

                with Daemon(CONFIG, prepare=prepare):
                    self.assertEqual(manager.hear()["READY"], "1")
                    self.assertEqual(manager.hear_silence(0.5), not is_fed)

    def test_a_silence_that_is_no_number_is_said(self):
        for text in ("", "0", "-1", "1s", "18446744073709551616", " 1"):
            with self.subTest(text):
                daemon = self.start(WATCHDOG_USEC=text)
                daemon.wait_for_line(f'warning: WATCHDOG_USEC is "{text}", which is no number')
                self.assertTrue(self.manager.hear_silence(0.1))
                daemon.stop()


class ReadyFd(unittest.TestCase):
    """s6: a newline on a descriptor, which is then closed."""

    def test_a_newline_and_the_end(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "s")
            reading, writing = os.pipe()
            with open(reading, "rb") as told:
                daemon = Daemon(CONFIG, listen=("unix:" + path,), wait=False,
                                arguments=("--ready-fd", "3"), descriptors=(writing,))
                self.addCleanup(daemon.stop)
                os.close(writing)
                self.assertEqual(told.read(), b"\n")
            with Connection(path) as connection:
                connection.send(request_bytes("GET", "/allow?key=a"))
                self.assertEqual(connection.receive().status, 200)
            daemon.stop()

    def test_one_that_cannot_start_closes_it_untold(self):
        """And not before it has ended: the sysvinit script looks then whether it runs."""
        reading, writing = os.pipe()
        with open(reading, "rb") as told:
            daemon = Daemon(CONFIG, listen=("unix:/nonexistent/s",), wait=False,
                            arguments=("--ready-fd=3",), descriptors=(writing,))
            self.addCleanup(daemon.stop)
            os.close(writing)
            self.assertEqual(told.read(), b"")
            with self.assertRaises(OSError):
                os.readlink(f"/proc/{daemon.process.pid}/exe")
        self.assertEqual(daemon.wait(), 1)

    def test_nobody_reads_any_more(self):
        reading, writing = os.pipe()
        os.close(reading)
        self.addCleanup(os.close, writing)
        with Daemon(CONFIG, arguments=("--ready-fd", "3"), descriptors=(writing,)) as daemon:
            daemon.wait_for_line("warning: cannot tell descriptor 3 of --ready-fd: ")
            self.assertEqual(status_of(daemon), 200)

    def test_what_is_none(self):
        for text in ("", "x", "-1", "0", "1", "2", "03", "3x", "999", "99999999999"):
            with self.subTest(text):
                status, out, error = run_allowd("--ready-fd", text)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(f'--ready-fd: "{text}" is not an open descriptor above 2', error)
        self.assertEqual(run_allowd("--ready-fd")[0], 2)

    def test_one_that_can_only_be_read(self):
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        daemon = Daemon(CONFIG, wait=False, arguments=("--ready-fd", "3"), descriptors=(reading,))
        self.addCleanup(daemon.stop)
        self.assertEqual(daemon.wait(), 2)


if __name__ == "__main__":
    unittest.main()
