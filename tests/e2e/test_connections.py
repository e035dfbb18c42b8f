#!/usr/bin/python3 -B
"""Connections: how requests may be cut up, left behind and piled up, and the sockets they come by."""
import contextlib
import os
import resource
import select
import socket
import stat
import tempfile
import time
import unittest

from harness import (FORM, PATIENCE_S, Case, Connection, Daemon, request_bytes, run_allowd,
                     wait_until)

FROZEN = """
tick: 10s
limits:
  - {name: wide, match: "wide:*", burst: 100000, rate: 10/d}
  - {name: default, burst: 10, rate: 1/d}
"""


def ask(address, method, target):
    with Connection(address) as connection:
        connection.send(request_bytes(method, target))
        return connection.receive()


class Streams(Case):
    config = FROZEN

    def test_two_requests_on_one_connection(self):
        key = self.key()
        connection = self.connect()
        for left in (9, 8):
            connection.send(request_bytes("GET", f"/allow?key={key}"))
            response = connection.receive()
            self.assertEqual(response.json()["remaining"], left)
            self.assertIsNone(response.header("Connection"))

    def test_close_when_asked_to(self):
        connection = self.connect()
        connection.send(request_bytes("GET", f"/allow?key={self.key()}", [("Connection", "close")]))
        self.assertEqual(connection.receive().header("Connection"), "close")
        self.assertIsNone(connection.receive())

    def test_http_1_0_closes_unless_asked_to_stay(self):
        for field, stays in (("", False), ("Connection: keep-alive\r\n", True)):
            with self.subTest(field):
                connection = self.connect()
                raw = f"GET /status HTTP/1.0\r\nHost: localhost\r\n{field}\r\n".encode()
                connection.send(raw)
                self.assertEqual(connection.receive().status, 200)
                if stays:
                    connection.send(raw)
                    self.assertEqual(connection.receive().status, 200)
                else:
                    self.assertIsNone(connection.receive())

    def test_an_idle_connection_ends_after_the_idle_timeout(self):
        """One that is used stays, and so does one of a daemon with a longer time."""
        with Daemon("idle_timeout: 1s\n") as brief, Daemon("idle_timeout: 1h\n") as patient:
            with Connection(brief.address) as idle, Connection(patient.address) as kept:
                ask = request_bytes("GET", "/allow?key=a&tokens=0")
                for connection in (idle, kept):
                    connection.send(ask)
                    self.assertEqual(connection.receive().status, 200)
                since = time.monotonic()
                self.assertIsNone(idle.receive())
                self.assertGreater(time.monotonic() - since, 0.9)
                kept.send(ask)
                self.assertEqual(kept.receive().status, 200)

    def test_a_thousand_pipelined_requests(self):
        """Answered in order, each charged once: the answers count down without a gap."""
        key = self.key("wide:")
        connection = self.connect()
        sent = b"".join(request_bytes("GET", f"/allow?key={key}&tokens={1 + i % 3}")
                        for i in range(1000))
        connection.send(sent)
        left = 100_000
        for i in range(1000):
            tokens = 1 + i % 3
            left -= tokens
            answer = connection.receive().json()
            self.assertEqual((answer["tokens"], answer["remaining"]), (tokens, left))
        self.assertEqual(self.remaining(key), left)

    def test_pipelined_requests_of_every_kind(self):
        key = self.key()
        calls = [("GET", f"/allow?key={key}", 200), ("GET", "/nosuch", 404),
                 ("POST", f"/reset?key={key}", 200), ("GET", f"/allow?key={key}&tokens=11", 429),
                 ("GET", f"/allow?key={key}&tokens=x", 400), ("PUT", "/allow", 405),
                 ("GET", f"/allow?key={key}&tokens=10", 200), ("GET", "/status", 200),
                 ("GET", f"/allow?key={key}", 429), ("DELETE", f"/reset?key={key}", 200)] * 20
        connection = self.connect()
        connection.send(b"".join(request_bytes(method, target) for method, target, _ in calls))
        for method, target, status in calls:
            self.assertEqual(connection.receive().status, status, (method, target))

    def test_split_at_every_byte(self):
        """A request in two pieces, cut at each place in turn, while another one waits behind it."""
        key = self.key("wide:")
        raw = (request_bytes("POST", "/allow", [FORM], f"key={key}&tokens=1".encode()) +
               request_bytes("GET", f"/allow?key={key}"))
        connection = self.connect()
        for cut in range(1, len(raw)):
            connection.send(raw[:cut])
            time.sleep(0.0005)  # no synchronisation: only makes it likelier that they part
            connection.send(raw[cut:])
            for part in (1, 2):
                self.assertEqual(connection.receive().json()["remaining"],
                                 100_000 - 2 * (cut - 1) - part)
        self.assertEqual(self.remaining(key), 100_000 - 2 * (len(raw) - 1))

    def test_one_byte_at_a_time(self):
        key = self.key()
        connection = self.connect()
        for byte in request_bytes("POST", "/allow", [FORM], f"key={key}".encode()):
            connection.send(bytes([byte]))
        self.assertEqual(connection.receive().json()["remaining"], 9)

    def test_nothing_is_charged_before_the_last_byte(self):
        key = self.key()
        raw = request_bytes("POST", f"/allow?key={key}", [FORM], b"tokens=5")
        connection = self.connect()
        connection.send(raw[:-1])
        # Several turns of the daemon go by in between.
        self.assertEqual([self.remaining(key) for _ in range(10)], [10] * 10)
        connection.send(raw[-1:])
        self.assertEqual(connection.receive().json()["remaining"], 5)

    def test_a_half_closed_client_gets_its_answers(self):
        for count in (1, 10, 300):
            for when in ("with the requests", "after the first answer"):
                with self.subTest(count=count, when=when):
                    key = self.key("wide:")
                    connection = self.connect()
                    connection.send(request_bytes("GET", f"/allow?key={key}") * count)
                    answers = []
                    if when == "after the first answer":
                        answers.append(connection.receive())
                    connection.half_close()
                    while len(answers) < count:
                        answers.append(connection.receive())
                    self.assertEqual([answer.json()["remaining"] for answer in answers],
                                     list(range(99_999, 99_999 - count, -1)))

    def test_a_half_closed_connection_ends_after_its_answers(self):
        """Who reads to the end must not wait for an idle timeout to get there."""
        with Daemon("idle_timeout: 1h\n") as daemon:
            for count in (1, 3):
                with self.subTest(count=count), Connection(daemon.address) as connection:
                    connection.send(request_bytes("GET", "/status") * count)
                    connection.half_close()
                    for _ in range(count):
                        self.assertEqual(connection.receive().status, 200)
                    try:
                        self.assertIsNone(connection.receive())
                    except TimeoutError:
                        self.fail("still open after the last answer")

    def test_a_refusal_does_not_take_back_the_answers_before_it(self):
        """A client that reads slowly and is still sending when the daemon closes: all that was
        answered must reach it. Closing on unread input would have the kernel throw it away."""
        for attempt in range(3):
            with self.subTest(attempt):
                key = self.key("wide:")
                with socket.socket() as slow:
                    # Before connecting, so that the window is small from the first byte on.
                    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                    slow.settimeout(PATIENCE_S)
                    slow.connect(self.daemon.address)
                    slow.sendall(request_bytes("GET", f"/allow?key={key}") * 20)
                    with contextlib.suppress(ConnectionError):
                        slow.sendall(request_bytes("POST", "/allow",
                                                   [("Content-Length", "1000000")]))
                        slow.sendall(b"a" * 20_000)
                    wait_until(lambda: self.remaining(key) <= 100_000 - 20,
                               "all are answered, as far as the daemon knows")
                    answers = b""
                    with contextlib.suppress(ConnectionResetError):
                        while data := slow.recv(1 << 16):
                            answers += data
                self.assertEqual(answers.count(b"HTTP/1.1 200 OK"), 20)
                self.assertEqual(answers.count(b"HTTP/1.1 413 "), 1)

    def test_clients_that_leave_before_the_answer(self):
        """The daemon lives, keeps no descriptor, and has charged each request at most once."""
        key = self.key("wide:")
        descriptors = len(self.daemon.descriptors())
        requests = 0
        for i in range(300):
            connection = Connection(self.daemon.address)
            count = 1 + i % 20
            connection.send(request_bytes("GET", f"/allow?key={key}") * count)
            requests += count
            if i % 2:
                connection.reset()
            else:
                connection.close()
        wait_until(lambda: len(self.daemon.descriptors()) <= descriptors + 1,
                   "the connections' descriptors are closed")
        self.assertGreaterEqual(self.remaining(key), 100_000 - requests)
        self.assertEqual(self.allow(self.key()).status, 200)

    def test_who_comes_after_a_client_that_left_pays_only_for_itself(self):
        """Requests abandoned in mid-pipeline must not be carried out in the name of whoever gets
        their place next."""
        key = self.key("wide:")
        for i in range(300):
            leaving = [Connection(self.daemon.address) for _ in range(4)]
            for connection in leaving:
                connection.send(request_bytes("GET", f"/allow?key={key}") * 50)
            for connection in leaving:
                connection.reset()
            newcomers = []
            for j in range(4):
                newcomers.append((f"newcomer-{i}-{j}", Connection(self.daemon.address)))
                newcomers[j][1].send(request_bytes("GET", f"/allow?key={newcomers[j][0]}") * 2)
            for newcomer, connection in newcomers:
                self.assertEqual([connection.receive().json()["remaining"] for _ in range(2)],
                                 [9, 8])
                connection.send(request_bytes("GET", f"/status?key={newcomer}"))
                self.assertEqual(connection.receive().json()["remaining"], 8)
                connection.close()

    def test_clients_that_leave_in_the_middle_of_a_request(self):
        key = self.key()
        raw = request_bytes("POST", f"/allow?key={key}", [FORM], b"tokens=5")
        descriptors = len(self.daemon.descriptors())
        for cut in range(1, len(raw), 3):
            connection = Connection(self.daemon.address)
            connection.send(raw[:cut])
            if cut % 2:
                connection.reset()
            else:
                connection.close()
        wait_until(lambda: len(self.daemon.descriptors()) <= descriptors + 1,
                   "the connections' descriptors are closed")
        self.assertEqual(self.remaining(key), 10)

    def test_a_client_that_does_not_read(self):
        """Its answers pile up against its own socket; nobody else notices."""
        key = self.key("wide:")
        connection = Connection(self.daemon.address)
        self.addCleanup(connection.close)
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.socket.settimeout(1)
        with contextlib.suppress(TimeoutError):
            for _ in range(200):
                connection.send(request_bytes("GET", f"/allow?key={key}") * 1000)
        for _ in range(20):
            self.assertEqual(self.allow(self.key()).status, 200)

        def rests():
            used = self.daemon.cpu_s()
            time.sleep(0.5)
            return self.daemon.cpu_s() - used < 0.1

        wait_until(rests, "the daemon rests while it waits for that client")

    def test_300_connections_at_once(self):
        keys = [self.key() for _ in range(300)]
        connections = [self.connect() for _ in keys]
        for turn in range(3):
            for connection, key in zip(connections, keys):
                connection.send(request_bytes("GET", f"/allow?key={key}"))
            for connection, key in zip(connections, keys):
                answer = connection.receive().json()
                self.assertEqual((answer["key"], answer["remaining"]), (key, 9 - turn))


class Listeners(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="allowd-e2e-")
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "s")

    def assert_serves(self, address):
        self.assertEqual(ask(address, "GET", "/allow?key=a&tokens=0").status, 200)

    def test_ipv4_ipv6_and_unix_together(self):
        with Daemon(FROZEN, ("127.0.0.1:0", "[::1]:0", "unix:" + self.path)) as daemon:
            addresses = daemon.addresses()
            self.assertEqual(len(addresses), 3)
            self.assertEqual(addresses[1][0], "::1")
            self.assertEqual(addresses[2], self.path)
            left = [ask(address, "GET", "/allow?key=k").json()["remaining"]
                    for address in addresses * 2]
            self.assertEqual(left, [9, 8, 7, 6, 5, 4])

    def test_many_listeners_and_threads(self):
        listen = tuple(f"unix:{self.path}{i}" for i in range(40)) + ("127.0.0.1:0",) * 24
        with Daemon("threads: 4\n" + FROZEN, listen) as daemon:
            for address in daemon.addresses():
                self.assert_serves(address)

    def test_the_configuration_says_where(self):
        with Daemon(f"listen: ['unix:{self.path}', '127.0.0.1:0']\n" + FROZEN, ()) as daemon:
            self.assertEqual(len(daemon.addresses()), 2)
            for address in daemon.addresses():
                self.assert_serves(address)

    def test_an_option_replaces_the_configuration(self):
        with Daemon(f"listen: ['unix:{self.path}']\n" + FROZEN) as daemon:
            self.assertEqual(len(daemon.addresses()), 1)
            self.assertFalse(os.path.lexists(self.path))

    def test_the_longest_unix_path(self):
        path = self.path + "x" * (107 - len(self.path))
        with Daemon(FROZEN, ("unix:" + path,)) as daemon:
            self.assertEqual(daemon.address, path)
            self.assert_serves(path)
        self.assertFalse(os.path.lexists(path))
        status, _, error = run_allowd("-l", "unix:" + path + "x")
        self.assertEqual(status, 2, error)

    def test_a_socket_file_goes_at_the_end(self):
        with Daemon(FROZEN, ("unix:" + self.path,)):
            self.assertTrue(stat.S_ISSOCK(os.stat(self.path).st_mode))
        self.assertFalse(os.path.lexists(self.path))

    def test_a_stale_socket_is_replaced(self):
        with Daemon(FROZEN, ("unix:" + self.path,)) as daemon:
            daemon.kill()
        self.assertTrue(os.path.lexists(self.path))
        with Daemon(FROZEN, ("unix:" + self.path,)):
            self.assert_serves(self.path)
        self.assertFalse(os.path.lexists(self.path))

    def test_a_live_socket_is_never_unlinked(self):
        with Daemon(FROZEN, ("unix:" + self.path,)):
            inode = os.stat(self.path).st_ino
            for _ in range(3):
                status, _, error = run_allowd("-l", "unix:" + self.path)
                self.assertEqual(status, 1)
                self.assertIn(f"allowd: error: cannot bind unix:{self.path}: "
                              "Address already in use\n", error)
                self.assertEqual(os.stat(self.path).st_ino, inode)
                self.assert_serves(self.path)
        self.assertFalse(os.path.lexists(self.path))

    def test_a_live_socket_of_another_program_is_never_unlinked(self):
        """One whose backlog is full, too, which refuses to be probed."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen(0)
            waiting = []
            with contextlib.suppress(BlockingIOError):
                for _ in range(10):
                    waiting.append(socket.socket(socket.AF_UNIX))
                    waiting[-1].setblocking(False)
                    waiting[-1].connect(self.path)
            status, _, error = run_allowd("-l", "unix:" + self.path)
            for client in waiting:
                client.close()
            self.assertEqual(status, 1)
            self.assertIn("Address already in use", error)
            self.assertTrue(os.path.lexists(self.path))

    def test_of_many_started_at_once_one_serves(self):
        """However they race for a stale socket, the file never leads to nobody."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
        with contextlib.ExitStack() as stack:
            daemons = []
            for _ in range(8):
                daemon = Daemon(FROZEN, ("unix:" + self.path,), wait=False)
                stack.callback(daemon.kill)
                daemons.append(daemon)
            decided = wait_until(
                lambda: all(any(" ready: " in line or "error: " in line for line in daemon.log())
                            for daemon in daemons), "each daemon serves or has given up")
            self.assertTrue(decided)
            serving = [daemon for daemon in daemons if " ready: " in "\n".join(daemon.log())]
            self.assertEqual(len(serving), 1, [daemon.log() for daemon in daemons])
            self.assert_serves(self.path)

    def test_other_files_stay(self):
        def make_file():
            with open(self.path, "w", encoding="ascii") as file:
                file.write("precious")

        for kind, make in (("file", make_file), ("directory", lambda: os.mkdir(self.path)),
                           ("link to nothing", lambda: os.symlink("nowhere", self.path)),
                           ("FIFO", lambda: os.mkfifo(self.path))):
            with self.subTest(kind):
                make()
                before = os.lstat(self.path)
                status, _, error = run_allowd("-l", "unix:" + self.path)
                self.assertEqual(status, 1)
                self.assertIn(f"cannot bind unix:{self.path}: Address already in use", error)
                after = os.lstat(self.path)
                self.assertEqual((before.st_ino, before.st_size), (after.st_ino, after.st_size))
                os.rename(self.path, self.path + kind[:2])

    def test_a_file_put_in_the_sockets_place_stays(self):
        with Daemon(FROZEN, ("unix:" + self.path, "127.0.0.1:0")) as daemon:
            os.unlink(self.path)
            with open(self.path, "w", encoding="ascii") as file:
                file.write("precious")
            self.assert_serves(daemon.addresses()[1])
        with open(self.path, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")

    def test_a_failed_start_leaves_no_socket_file(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            status, _, _ = run_allowd("-l", "unix:" + self.path, "-l",
                                      "127.0.0.1:%d" % other.getsockname()[1])
            self.assertEqual(status, 1)
            self.assertFalse(os.path.lexists(self.path))

    def test_an_address_in_use(self):
        for family, host, text in ((socket.AF_INET, "127.0.0.1", "127.0.0.1"),
                                   (socket.AF_INET6, "::1", "[::1]")):
            with self.subTest(text), socket.create_server((host, 0), family=family) as other:
                port = other.getsockname()[1]
                status, _, error = run_allowd("-l", f"{text}:{port}")
                self.assertEqual(status, 1)
                self.assertIn(f"allowd: error: cannot bind {text}:{port}: Address already in use\n",
                              error)

    def test_an_address_that_is_let_go_meanwhile(self):
        """As that of a process that was killed, whose sockets the kernel is still closing."""
        others = (socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX))
        others[1].bind(self.path)
        others[1].listen()
        for other, address in zip(others, ("127.0.0.1:%d" % others[0].getsockname()[1],
                                           "unix:" + self.path)):
            with self.subTest(address), Daemon(FROZEN, (address,), wait=False) as daemon:
                time.sleep(0.2)  # it has tried by then, or tries later still
                other.close()
                daemon.wait_for_line(" ready: ")
                self.assert_serves(daemon.address)

    def test_an_address_that_stays_in_use_is_an_error_in_a_second(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            began = time.monotonic()
            status, _, error = run_allowd("-l", "127.0.0.1:%d" % other.getsockname()[1])
            took_s = time.monotonic() - began
            self.assertEqual(status, 1)
            self.assertEqual(error.count("Address already in use"), 1)
            self.assertGreater(took_s, 0.9)
            self.assertLess(took_s, 20)
            status, _, _ = run_allowd("-t", "-l", "127.0.0.1:%d" % other.getsockname()[1])
            self.assertEqual(status, 0)

    def test_the_same_address_twice(self):
        status, _, error = run_allowd("-l", "unix:" + self.path, "-l", "unix:" + self.path)
        self.assertEqual(status, 1)
        self.assertIn("Address already in use", error)
        self.assertFalse(os.path.lexists(self.path))

    def test_an_address_that_cannot_be(self):
        for address, what in (("192.0.2.1:1", "Cannot assign requested address"),
                              ("unix:/nonexistent/s", "No such file or directory")):
            with self.subTest(address):
                status, _, error = run_allowd("-l", address)
                self.assertEqual(status, 1)
                self.assertIn(f"allowd: error: cannot bind {address}: {what}\n", error)

    def test_a_restart_needs_no_wait(self):
        """Connections in TIME_WAIT must not keep the port."""
        with Daemon(FROZEN) as daemon:
            address = daemon.address
            connection = Connection(address)
            connection.send(request_bytes("GET", "/status"))
            self.assertEqual(connection.receive().status, 200)
        connection.close()
        with Daemon(FROZEN, ("%s:%d" % address,)):
            self.assert_serves(address)


class Scarcity(unittest.TestCase):
    """Fewer descriptors than clients."""

    def start(self, descriptors, config=FROZEN):
        """What the daemon finds at its start leaves room for all its connections; then there is less."""
        daemon = Daemon(config, prepare=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (200, 200)))
        self.addCleanup(daemon.stop)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (descriptors, 200))
        return daemon

    def check(self, daemon, clients):
        """Those served stay served, those without room wait, and the daemon rests meanwhile."""
        connections = []
        for i in range(clients):
            connection = Connection(daemon.address)
            self.addCleanup(connection.close)
            connection.send(request_bytes("GET", f"/allow?key=c{i}"))
            connections.append(connection)
        served, waiting = [], list(connections)
        # Whoever has no answer when none has come for a second is waiting for room.
        while answered := self.readable(waiting, 1):
            for connection in answered:
                self.assertEqual(connection.receive().json()["key"],
                                 f"c{connections.index(connection)}")
                served.append(connection)
                waiting.remove(connection)
        self.assertGreater(len(served), 0)
        self.assertGreater(len(waiting), 0)

        used, lines, began = daemon.cpu_s(), len(daemon.log()), time.monotonic()
        answers = 0
        while time.monotonic() - began < 2:
            for connection in served:
                connection.send(request_bytes("GET", "/allow?key=probe&tokens=0"))
                self.assertEqual(connection.receive().status, 200)
                answers += 1
            time.sleep(0.05)
        took = time.monotonic() - began
        self.assertLess(daemon.cpu_s() - used, took / 4, "the daemon spins")
        self.assertLess(len(daemon.log()) - lines, took * 20 + 5, "the daemon floods its log")

        for connection in served:
            connection.close()
        while waiting:
            connection = waiting.pop(0)
            self.assertEqual(connection.receive().status, 200)
            connection.close()
        self.assertEqual(ask(daemon.address, "GET", "/allow?key=after").status, 200)
        daemon.stop()

    @staticmethod
    def readable(connections, wait_s):
        by_socket = {connection.socket: connection for connection in connections}
        return [by_socket[ready] for ready in select.select(list(by_socket), [], [], wait_s)[0]]

    def test_out_of_descriptors_with_two_threads(self):
        daemon = self.start(32, "threads: 2\n" + FROZEN)
        self.check(daemon, 60)

    def test_descriptors_run_out_is_said(self):
        daemon = self.start(30)
        connections = [Connection(daemon.address) for _ in range(30)]
        daemon.wait_for_line(r"warning: accept: Too many open files")
        for connection in connections:
            connection.close()
        daemon.stop()

    def test_too_few_descriptors_to_start(self):
        status, _, error = run_allowd("-l", "127.0.0.1:0", preexec_fn=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (6, 6)))
        self.assertEqual(status, 1)
        self.assertIn("Too many open files", error)


if __name__ == "__main__":
    unittest.main()
