#!/usr/bin/python3 -B
"""/healthz and /readyz: what they say, and when the state thread stands still."""
import signal
import time
import unittest

from harness import FORM, Case, Connection, Daemon, request_bytes, wait_until
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
