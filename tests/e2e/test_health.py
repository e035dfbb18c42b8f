#!/usr/bin/python3 -B
"""/healthz and /readyz: what they say, and when the state thread stands still; and allowd --health, which asks for them."""
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import ALLOWD, FORM, PATIENCE_S, Case, Connection, Daemon, request_bytes, run_allowd, wait_until
from stall import stalled

STALL_S = 1  # after which health is red

# One of its own, wherever this runs.
STATE_THREAD = "threads: 1\nlimits:\n  - {name: default, burst: 10, rate: 1/s}\n"


class Health(Case):
    def test_healthy(self):
        for path, status in (("/healthz", "alive"), ("/readyz", "ready")):
            with self.subTest(path):
                response = self.call("GET", path)
                self.assertEqual(response.status, 200)
                self.assertEqual(response.header("Content-Type"), "application/json")
                self.assertEqual(response.header("Cache-Control"), "no-store")
                body = response.json()
                self.assertEqual(list(body), ["status", "state_answered_ms"])
                self.assertEqual(body["status"], status)
                self.assertLess(body["state_answered_ms"], 1000 * STALL_S)

    def test_head(self):
        for path in ("/healthz", "/readyz"):
            response = self.call("HEAD", path)
            self.assertEqual((response.status, response.body), (200, b""))
            # Not a GET's to the byte: each tells how long its own answer took.
            self.assertGreater(int(response.header("Content-Length")), 0)

    def test_other_methods(self):
        for path in ("/healthz", "/readyz"):
            for method in ("POST", "DELETE", "PUT", "OPTIONS"):
                response = self.call(method, path)
                self.assert_problem(response, 405)
                self.assertEqual(response.header("Allow"), "GET, HEAD")

    def test_no_parameters(self):
        for target in ("/healthz?key=a", "/readyz?verbose", "/healthz?limit=default"):
            self.assert_problem(self.call("GET", target), 400, "takes no parameters")
        self.assert_problem(self.call("GET", "/healthz/"), 404)
        self.assert_problem(self.call("GET", "/Healthz"), 404)

    def test_charges_and_counts_nothing(self):
        before = self.counters()
        for path in ("/healthz", "/readyz"):
            self.call("GET", path)
        self.assertEqual(self.counters(), before)

    def test_keeps_the_connection(self):
        connection = self.connect()
        connection.send(request_bytes("GET", "/healthz") * 20)
        self.assertEqual([connection.receive().status for _ in range(20)], [200] * 20)


class Stalled(Case):
    """Each test stops the state thread, and has it run again. The variants of each are in
    tests/unit/test_stalls.c, where a stall takes no time."""

    config = STATE_THREAD

    def ask(self, *requests):
        connection = self.connect()
        connection.send(b"".join(requests))
        return connection

    def wait_for_recovery(self):
        wait_until(lambda: self.call("GET", "/healthz").status == 200, "it is alive again")

    def assert_red(self, response):
        self.assert_problem(response, 503, r"^stalled: .* was asked \d+ ms ago and has not answered")
        self.assertEqual(response.header("Connection"), "close")

    def test_health_is_red_and_recovers(self):
        with stalled(self.daemon):
            for path in ("/healthz", "/readyz"):
                began = time.monotonic()
                self.assert_red(self.call("GET", path))
                self.assertLess(time.monotonic() - began, 30 * STALL_S)
            response = self.call("HEAD", "/healthz")
            self.assertEqual((response.status, response.body), (503, b""))
        self.wait_for_recovery()
        self.assertEqual(self.call("GET", "/readyz").status, 200)

    def test_what_was_asked_before_is_answered_once(self):
        key = self.key()
        with stalled(self.daemon):
            asked = [self.ask(request_bytes("GET", f"/allow?key={key}")) for _ in range(5)]
            self.assert_red(self.call("GET", "/healthz"))
            late = self.ask(request_bytes("POST", "/allow", [FORM], b"key=" + key.encode()))
            self.assert_red(self.call("GET", "/healthz"))
        left = sorted(connection.receive().json()["remaining"] for connection in asked + [late])
        self.assertEqual(left, [4, 5, 6, 7, 8, 9])

    def test_clients_that_leave_meanwhile(self):
        """Their messages are away: nothing may be freed or used again before they are back."""
        key, body = self.key(), b'{"requests":[{"key":"x"}],"mode":"each"' + b" " * 8000 + b"}"
        batch = request_bytes("POST", "/allow", [("Content-Type", "application/json")], body)
        allowed = self.counters()["allowed"]
        with stalled(self.daemon):
            with stalled(self.daemon, "front"):  # so that they all go over together
                leaving = [self.ask(request_bytes("GET", f"/allow?key={key}")) for _ in range(10)]
                leaving += [self.ask(batch) for _ in range(10)]
            self.assert_red(self.call("GET", "/healthz"))
            for connection in leaving:
                connection.reset()
            for _ in range(30):
                self.assert_red(self.call("GET", "/healthz"))
        self.wait_for_recovery()
        taken = 10 - self.remaining(key)
        self.assertGreater(taken, 1)
        self.assertGreaterEqual(self.counters()["allowed"] - allowed, taken)
        for _ in range(50):
            self.assertEqual(self.remaining(key), 10 - taken)


class Life(unittest.TestCase):
    def test_draining(self):
        with Daemon() as daemon:
            with Connection(daemon.address) as alive, Connection(daemon.address) as ready:
                alive.send(request_bytes("GET", "/healthz"))
                ready.send(request_bytes("GET", "/readyz"))
                self.assertEqual((alive.receive().status, ready.receive().status), (200, 200))
                alive.send(request_bytes("GET", "/healthz")[:-2])
                ready.send(request_bytes("GET", "/readyz")[:-2])
                # One that is under way is waited for: by then the daemon is draining.
                wait_until(lambda: _received_all(alive) and _received_all(ready), "it has arrived")
                daemon.signal(signal.SIGTERM)
                daemon.wait_for_line("draining")
                wait_until(lambda: not _accepts(daemon.address), "listeners are closed")
                alive.send(b"\r\n")
                ready.send(b"\r\n")
                self.assertEqual(alive.receive().json()["status"], "alive")
                response = ready.receive()
                self.assertEqual(response.status, 503)
                self.assertRegex(response.json()["detail"], "^draining: ")
            self.assertEqual(daemon.wait(), 0)

    def test_unix_socket_too(self):
        with Daemon(listen=("127.0.0.1:0", "unix:{directory}/s")) as daemon:
            for address in daemon.addresses():
                with Connection(address) as connection:
                    connection.send(request_bytes("GET", "/healthz") +
                                    request_bytes("GET", "/readyz"))
                    self.assertEqual([connection.receive().status for _ in range(2)], [200, 200])

    def test_ending_when_a_stall_has_passed(self):
        """Told to end while it stands still, it answers everybody once it can, and ends."""
        with Daemon(STATE_THREAD) as daemon:
            with stalled(daemon):
                with Connection(daemon.address) as waiting, Connection(daemon.address) as health:
                    waiting.send(request_bytes("GET", "/allow?key=a"))
                    health.send(request_bytes("GET", "/healthz"))
                    self.assertEqual(health.receive().status, 503)
                    daemon.signal(signal.SIGTERM)
                    daemon.wait_for_line("draining")
            self.assertEqual(daemon.wait(), 0)


class Command(unittest.TestCase):
    """What allowd --health says of an allowd that runs."""

    def check(self, *arguments):
        status, out, error = run_allowd("--health", *arguments)
        self.assertEqual(len((out + error).splitlines()), 1, (out, error))
        return status, out + error

    def wait_for(self, status, words, *arguments):
        wait_until(lambda: words in self.check(*arguments)[1], f"it says {words!r}")
        said = self.check(*arguments)
        self.assertEqual(said[0], status, said)

    def test_each_kind_of_listener(self):
        with Daemon(listen=("127.0.0.1:0", "[::1]:0", "unix:{directory}/s", "0.0.0.0:0", "[::]:0")) as daemon:
            for line in [line for line in daemon.log() if " listening on " in line]:
                address = line.rpartition(" ")[2]
                with self.subTest(address):
                    self.wait_for(0, '{"status":"ready",', "-l", address)
                    self.wait_for(0, '{"status":"alive",', "-l", address, "/healthz")

    def test_the_first_of_the_configuration(self):
        with tempfile.TemporaryDirectory(prefix="allowd-e2e-") as folder:
            config = (f"listen: ['unix:{folder}/s', '127.0.0.1:0']\n"
                      "limits:\n  - {name: default, burst: 1, rate: 1/s}\n"
                      "  - {name: never, match: 'a*', burst: 1, rate: 1/s}\n")  # which it warns of
            with Daemon(config, listen=()) as daemon:
                self.wait_for(0, '{"status":"ready",', "-c", daemon.config_path)

    def test_a_file_that_is_faulty_by_now(self):
        with Daemon("limits:\n  - {name: default, burst: 1, rate: 1/s}\n") as daemon:
            daemon.write_config("limits: none\n")
            address = "%s:%d" % daemon.address
            self.wait_for(0, '{"status":"ready",', "-l", address, "-c", daemon.config_path)
            status, said = self.check("-c", daemon.config_path)
            self.assertEqual(status, 6)
            self.assertIn(f"{daemon.config_path}:1:9: ", said)

    def test_nobody_is_there(self):
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % bound.getsockname()[1]
            self.assertEqual(self.check("-l", address), (
                1, f"allowd: error: {address}: no answer: Connection refused; -l ADDRESS says where to ask\n"))
        status, said = self.check("-l", "unix:/nonexistent/s")
        self.assertEqual(status, 1)
        self.assertIn("unix:/nonexistent/s: no answer: No such file", said)

    def test_one_that_drains(self):
        with Daemon("drain_delay: 1h\nlimits:\n  - {name: default, burst: 1, rate: 1/s}\n") as daemon:
            address = "%s:%d" % daemon.address
            daemon.signal(signal.SIGTERM)
            daemon.wait_for_line("drain")
            self.wait_for(1, "GET /readyz: HTTP/1.1 503: {", "-l", address)
            self.wait_for(1, '"detail":"draining: allowd is about to end', "-l", address)
            self.wait_for(0, '{"status":"alive",', "-l", address, "/healthz")

    def test_one_that_does_not_decide(self):
        with Daemon(STATE_THREAD) as daemon, stalled(daemon):
            self.wait_for(1, '"detail":"stalled: ', "-l", "%s:%d" % daemon.address)

    def test_one_that_stands_still(self):
        with Daemon(listen=("127.0.0.1:0", "unix:{directory}/s")) as daemon:
            daemon.signal(signal.SIGSTOP)
            try:
                for address in ("%s:%d" % daemon.addresses()[0], f"unix:{daemon.addresses()[1]}"):
                    self.assertEqual(self.check("-l", address), (
                        1, f"allowd: error: {address}: no answer: Connection timed out; "
                           "-l ADDRESS says where to ask\n"))
            finally:
                daemon.signal(signal.SIGCONT)

    def test_a_queue_that_is_full(self):
        with tempfile.TemporaryDirectory(prefix="allowd-e2e-") as folder, \
                socket.socket(socket.AF_UNIX) as full, contextlib.ExitStack() as waiting:
            path = os.path.join(folder, "s")
            full.bind(path)
            full.listen(0)
            waiting.enter_context(socket.socket(socket.AF_UNIX)).connect(path)
            status, said = self.check("-l", f"unix:{path}")
            self.assertEqual(status, 1)
            self.assertIn("Connection timed out", said)

    def test_what_is_no_allowd(self):
        for answer in (b"", b"\n", b"\0", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200", b"HTTP/1.0 200 OK\r\n\r\nready",
                       b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"x" * 100_000,
                       b"HTTP/1.1 503 \x1b[31m\r\n\r\n\x1b[31m\nallowd: ready\n",
                       # Others answer 200 to whatever they are asked, and one that is killed sends a part.
                       b"HTTP/1.1 200 OK\r\n\r\n<html>\x1b[31mready</html>", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n",
                       b'HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\n{"status":"ready","state_answ',
                       b'HTTP/1.1 200 OK\r\n\r\n{"status":"'):
            with self.subTest(answer[:60]), socket.create_server(("127.0.0.1", 0)) as server:
                def serve():
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.recv(1000)
                        connection.sendall(answer)
                thread = threading.Thread(target=serve)
                thread.start()
                status, said = self.check("-l", "127.0.0.1:%d" % server.getsockname()[1])
                thread.join()
                self.assertEqual(status, 1, said)
                self.assertNotIn("\x1b", said)

    def test_a_signal_ends_it_as_a_command(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number), socket.create_server(("127.0.0.1", 0)) as server:
                process = subprocess.Popen([ALLOWD, "--health", "-l", "127.0.0.1:%d" % server.getsockname()[1]])
                connection, _ = server.accept()
                with connection:
                    process.send_signal(signal.SIGHUP)
                    process.send_signal(number)
                    self.assertEqual(process.wait(PATIENCE_S), -number)

    def test_usage(self):
        for arguments in (("/status",), ("/readyz", "/healthz"), ("--explain",), ("",)):
            with self.subTest(arguments):
                status, out, error = run_allowd("--health", *arguments)
                self.assertEqual((status, out), (2, ""))
                self.assertIn("allowd: error: ", error)


def _received_all(connection):
    """Whether the peer's kernel has handed over all that was sent."""
    from fcntl import ioctl
    from struct import unpack
    from termios import TIOCOUTQ
    return unpack("i", ioctl(connection.socket, TIOCOUTQ, b"\0" * 4))[0] == 0


def _accepts(address):
    try:
        Connection(address).close()
    except OSError:
        return False
    return True


if __name__ == "__main__":
    unittest.main()
