#!/usr/bin/python3 -B
"""The daemon's life: options, start, reload, drain and end."""
import contextlib
import json
import os
import pathlib
import re
import selectors
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from harness import (ALLOWD, FORM, PATIENCE_S, TOP, Case, Connection, Daemon, request_bytes,
                     run_allowd, wait_until)

JSON = ("Content-Type", "application/json")

# The daemon gives a drain 5 s; the rest is for a busy machine.
DRAIN_S, SLACK_S = 5, 60


def limits(burst, rate="1/d", head="tick: 10s", name="default"):
    text = f"{head}\nlimits:\n  - name: {name}\n    burst: {burst}\n    rate: {rate}\n"
    if name != "default":
        text += "  - name: default\n    burst: 10\n    rate: 1/d\n"
    return text


def remaining(daemon, key, parameters=""):
    return daemon.call("GET", f"/status?key={key}{parameters}").json()["remaining"]


def take(daemon, key, tokens=1, parameters=""):
    return daemon.call("GET", f"/allow?key={key}&tokens={tokens}{parameters}")


class Options(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="allowd-e2e-")
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "allowd.yaml")

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        return self.path

    def test_help(self):
        status, out, error = run_allowd("-h")
        self.assertEqual((status, error), (0, ""))
        self.assertTrue(out.startswith("Usage: allowd "))
        for option in ("-c", "-l", "-t", "-h", "-V"):
            self.assertIn(option, out)
        self.assertLessEqual(max(map(len, out.splitlines())), 100)

    def test_version(self):
        status, out, error = run_allowd("-V")
        self.assertEqual((status, error), (0, ""))
        self.assertRegex(out, r"^allowd \d+\.\d+\.\d+\n$")

    def test_output_that_cannot_be_written(self):
        for option in ("-h", "-V"):
            with self.subTest(option), open("/dev/full", "w", encoding="ascii") as full:
                done = subprocess.run([ALLOWD, option], stdout=full, stderr=subprocess.PIPE,
                                      timeout=PATIENCE_S, check=False)
                self.assertEqual(done.returncode, 1)

    def test_usage_errors(self):
        for arguments in (("-x",), ("extra",), ("-t", "extra"), ("-c",), ("-l",), ("--no-such",),
                          ("--",  "extra"), ("",)):
            with self.subTest(arguments):
                status, out, error = run_allowd(*arguments)
                self.assertEqual((status, out), (2, ""))
                self.assertIn("allowd -h", error)

    def test_addresses_that_are_none(self):
        for address in ("", "localhost:80", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536",
                        "127.0.0.1:-1", "127.0.0.1:080", "127.0.0.1:1x", "127.0.0.256:1", "1.2.3:4",
                        "::1:80", "[::1]", "[::1:80", "::1]:80", "[127.0.0.1]:80", "[]:80",
                        "unix:", "unix:relative", "unix:/" + "x" * 107, "/path", "tcp:127.0.0.1:80",
                        " 127.0.0.1:80", "127.0.0.1 :80", "[::1%lo]:80", "0x7f.1:80"):
            with self.subTest(address):
                status, out, error = run_allowd("-l", address)
                self.assertEqual((status, out), (2, ""))
                self.assertIn(f'"{address}" is not ', error)

    def test_too_many_addresses(self):
        status, _, error = run_allowd(*["-l", "127.0.0.1:0"] * 65)
        self.assertEqual(status, 2)
        self.assertIn("more than 64 addresses", error)

    def test_listen_repeated(self):
        with Daemon(listen=("127.0.0.1:0", "127.0.0.1:0", "[::1]:0")) as daemon:
            self.assertEqual(len(set(daemon.addresses())), 3)

    def test_check_a_good_file(self):
        status, out, error = run_allowd("-t", "-c", self.write(limits(10)))
        self.assertEqual((status, out), (0, ""))
        self.assertEqual(error, "allowd: the configuration is fine\n")

    def test_check_a_file_with_warnings(self):
        """They are told at their place, and the file is fine all the same."""
        path = self.write("limits:\n"
                          "  - {name: all, match: '*', burst: 1, rate: 1/s}\n"
                          "  - {name: api, match: 'api:*', burst: 2, rate: 1/s}\n"
                          "  - {name: default, burst: 1, rate: 1/s}\n")
        warning = f'{path}:3:24: warning: match "api:*" takes no key, because "*" on line 2 takes'
        status, out, error = run_allowd("-t", "-c", path)
        self.assertEqual((status, out), (0, ""))
        told, fine = error.splitlines()
        self.assertTrue(told.startswith(warning), told)
        self.assertEqual(fine, "allowd: the configuration is fine")
        status, out, error = run_allowd("--print-config", "-c", path)
        self.assertEqual((status, error), (0, told + "\n"))

    def test_check_the_defaults(self):
        self.assertEqual(run_allowd("-t")[0], 0)

    def test_check_starts_nothing(self):
        """It can be run beside the real one: it binds no address."""
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = "127.0.0.1:%d" % other.getsockname()[1]
            path = self.write(f"listen: ['{address}']\n" + limits(10))
            self.assertEqual(run_allowd("-t", "-c", path)[0], 0)
            self.assertEqual(run_allowd("-t", "-l", address)[0], 0)

    def test_every_fault_in_one_run(self):
        path = self.write("tick: 20s\n"
                          "treads: 2\n"
                          "limits:\n"
                          "  - name: default\n"
                          "    burst: 0\n"
                          "    rate: 1/fortnight\n")
        for options in (("-t",), ("-l", "127.0.0.1:0")):
            with self.subTest(options):
                status, out, error = run_allowd(*options, "-c", path)
                self.assertEqual((status, out), (6, ""))
                places = re.findall(f"^{re.escape(path)}:(\\d+):(\\d+): \\S",
                                    error, re.MULTILINE)
                self.assertEqual(places, [("1", "7"), ("2", "1"), ("5", "12"), ("6", "11")], error)
                self.assertEqual(len(error.splitlines()), 4)

    def test_a_file_that_cannot_be_read(self):
        for path in ("/nonexistent/allowd.yaml", "/", "/dev/null", "/dev/zero", ""):
            with self.subTest(path):
                status, _, error = run_allowd("-t", "-c", path)
                self.assertEqual(status, 6)
                self.assertTrue(error.startswith(f"{path}: "), error)

    def test_a_fifo_does_not_hang_it(self):
        os.mkfifo(self.path)
        self.assertEqual(run_allowd("-t", "-c", self.path)[0], 6)

    def test_an_empty_file(self):
        for text in ("", "# nothing\n", "---\n", "\n\n"):
            with self.subTest(text):
                status, _, error = run_allowd("-t", "-c", self.write(text))
                self.assertEqual(status, 6, error)

    def test_the_shipped_file_is_the_defaults(self):
        shipped = TOP / "etc" / "allowd.yaml"
        self.assertEqual(run_allowd("-t", "-c", str(shipped))[0], 0)
        answers = []
        for arguments in ((), ("-c", str(shipped))):
            with Daemon(arguments=arguments) as daemon, \
                    Connection(daemon.address) as connection:
                connection.send(request_bytes("GET", "/status"))
                answer = connection.receive().json()
                answer.pop("uptime_s")
                answer.pop("threads")  # how busy they are
                answers.append(answer)
        self.assertEqual(answers[0], answers[1])


class Standard(unittest.TestCase):
    """Descriptors 0 to 2 that are closed at the start are given to nothing else."""

    def test_closed_at_the_start(self):
        for closed in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
            with self.subTest(closed), tempfile.TemporaryDirectory() as directory:
                path = os.path.join(directory, "s")
                daemon = Daemon(limits(10), ("unix:" + path,), wait=False,
                                prepare=lambda closed=closed: [os.close(fd) for fd in closed])
                self.addCleanup(daemon.stop)

                def connected():
                    with contextlib.suppress(OSError):
                        return Connection(path)
                    return None

                with wait_until(connected, "the socket is there") as connection:
                    connection.send(request_bytes("GET", "/allow?key=a"))
                    self.assertEqual(connection.receive().status, 200)
                    for descriptor in closed:
                        self.assertEqual(
                            os.readlink(f"/proc/{daemon.process.pid}/fd/{descriptor}"),
                            "/dev/null")
                    daemon.signal(signal.SIGHUP)
                    connection.send(request_bytes("GET", "/allow?key=a"))
                    response = connection.receive()
                    self.assertEqual(response.status, 200)
                    self.assertEqual(response.json()["key"], "a")
                daemon.stop()

    def test_a_closed_log_does_not_stop_it(self):
        """Whoever read the log has gone: no SIGPIPE, no end."""
        with self.logging_to_a_pipe() as (process, path, reading):
            os.close(reading)
            with Connection(path) as connection:
                for _ in range(3):
                    process.send_signal(signal.SIGHUP)
                    connection.send(request_bytes("GET", "/allow?key=a"))
                    self.assertEqual(connection.receive().status, 200)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(PATIENCE_S), 0)

    def test_a_full_log_does_not_stop_it(self):
        """Whoever should read the log hangs: decisions go on, and so does the wish to end."""
        with self.logging_to_a_pipe() as (process, path, reading):
            # Not by the daemon's own descriptor, whose mode is not ours to change.
            filling = os.open(f"/proc/{process.pid}/fd/2", os.O_WRONLY | os.O_NONBLOCK)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(filling, b"x")
            os.close(filling)
            with Connection(path) as connection:
                for _ in range(3):
                    process.send_signal(signal.SIGHUP)
                    connection.send(request_bytes("GET", "/allow?key=a"))
                    self.assertEqual(connection.receive().status, 200)
            process.send_signal(signal.SIGTERM)
            try:
                self.assertEqual(process.wait(DRAIN_S + SLACK_S), 0)
            except subprocess.TimeoutExpired:
                self.fail("SIGTERM does not end it while its log is full")
            finally:
                os.close(reading)

    @contextlib.contextmanager
    def logging_to_a_pipe(self):
        """A daemon whose log is a pipe that we hold: the process, its socket, our end."""
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "s")
            reading, writing = os.pipe()
            process = subprocess.Popen([ALLOWD, "-l", "unix:" + path], stderr=writing)
            os.close(writing)
            try:
                seen = b""
                while b" ready: " not in seen:
                    data = os.read(reading, 4096)
                    self.assertTrue(data, seen)
                    seen += data
                yield process, path, reading
            finally:
                process.kill()
                process.wait()


class End(unittest.TestCase):
    def start(self, config=limits(10), **options):
        daemon = Daemon(config, **options)
        self.addCleanup(daemon.stop)
        return daemon

    def assert_ends(self, daemon):
        """And does not wait for the deadline of the drain: who does says which requests it cuts off."""
        self.assertEqual(daemon.wait(), 0)
        self.assertFalse([line for line in daemon.log() if "unfinished at the deadline" in line])

    def test_idle(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                daemon = self.start()
                daemon.signal(number)
                self.assert_ends(daemon)
                self.assertIn("allowd: stopped", daemon.log())

    def test_an_idle_connection_does_not_hold_it(self):
        daemon = self.start()
        connections = [Connection(daemon.address) for _ in range(20)]
        for connection in connections[:10]:
            connection.send(request_bytes("GET", "/status"))
            self.assertEqual(connection.receive().status, 200)
        daemon.signal(signal.SIGTERM)
        for connection in connections:
            self.assertIsNone(connection.receive())
            self.assertFalse(connection.was_reset)
            connection.close()
        self.assert_ends(daemon)

    def test_it_accepts_no_more(self):
        daemon = self.start()
        address = daemon.address
        held = Connection(address)
        self.addCleanup(held.close)
        held.send(request_bytes("POST", "/allow", [FORM], b"key=held")[:-1])
        held.send(b"")
        wait_until(lambda: remaining(daemon, "held") == 10, "the half request has arrived")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_line("draining")

        def refused():
            try:
                Connection(address).close()
            except ConnectionError:
                return True
            return False

        wait_until(refused, "new connections are refused")
        held.send(b"d")
        response = held.receive()
        self.assertEqual((response.status, response.header("Connection")), (200, "close"))
        self.assertIsNone(held.receive())
        self.assertEqual(daemon.wait(), 0)

    def test_a_request_that_never_ends_holds_it_so_long_and_no_longer(self):
        daemon = self.start()
        with Connection(daemon.address) as connection:
            connection.send(request_bytes("POST", "/allow", [FORM], b"key=held")[:-3])
            wait_until(lambda: remaining(daemon, "held") == 10, "the half request has arrived")
            began = time.monotonic()
            daemon.signal(signal.SIGTERM)
            self.assertEqual(daemon.wait(), 0)
            took = time.monotonic() - began
            self.assertLess(took, DRAIN_S + SLACK_S)
            self.assertGreater(took, DRAIN_S - 1)
            self.assertIsNone(connection.receive())
        self.assertTrue(any("unfinished" in line for line in daemon.log()))

    def test_a_second_signal_ends_it_at_once(self):
        for second in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(second):
                daemon = self.start()
                with Connection(daemon.address) as connection:
                    connection.send(request_bytes("POST", "/allow", [FORM], b"key=held")[:-3])
                    wait_until(lambda: remaining(daemon, "held") == 10, "the half request is in")
                    daemon.signal(signal.SIGTERM)
                    daemon.wait_for_line("draining")
                    daemon.signal(signal.SIGHUP)
                    daemon.signal(second)
                    self.assert_ends(daemon)
                    self.assertIn("allowd: warning: a second signal: ending at once", daemon.log())

    def test_a_unix_socket_file_goes_at_a_second_signal_too(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "s")
            daemon = self.start(listen=("unix:" + path,))
            with Connection(path) as connection:
                connection.send(b"GET /allow?key=a HTTP/1.1\r\n")
                connection2 = Connection(path)
                connection2.send(request_bytes("GET", "/status"))
                connection2.receive()
                connection2.close()
                daemon.signal(signal.SIGTERM)
                daemon.wait_for_line("draining")
                daemon.signal(signal.SIGTERM)
                self.assertEqual(daemon.wait(), 0)
            self.assertFalse(os.path.lexists(path))

    def test_under_load_every_request_is_answered(self):
        for threads in (1, 2):
            for number in (signal.SIGTERM, signal.SIGINT):
                with self.subTest(threads=threads, signal=number):
                    self.drain_under_load(threads, number)

    def drain_under_load(self, threads, number):
        """16 connections, each with one request outstanding at all times: sent, answered, and
        left unanswered when the daemon closed. Each must have been told before it was closed."""
        daemon = self.start(limits(1000, "10/d", f"tick: 10s\nthreads: {threads}"))
        address = daemon.address
        clients = [Client(address, f"load{i}") for i in range(16)]
        poll = selectors.DefaultSelector()
        for client in clients:
            poll.register(client.connection.socket, selectors.EVENT_READ, client)
            client.ask()
        deadline = time.monotonic() + PATIENCE_S
        signalled = False
        while poll.get_map():
            self.assertLess(time.monotonic(), deadline)
            for key, _ in poll.select(1):
                if not key.data.take_in():
                    poll.unregister(key.fileobj)
            if not signalled and sum(client.answered for client in clients) > 2000:
                daemon.signal(number)
                signalled = True
        self.assertEqual(daemon.wait(), 0)
        for client in clients:
            client.connection.close()
            self.assertGreater(client.answered, 0)
            self.assertEqual(client.sent, client.answered, "a request without an answer")
            self.assertTrue(client.told, "closed without a word")
            self.assertFalse(client.connection.was_reset)
            # As many allowed as its bucket holds, no more and no fewer.
            self.assertEqual(client.allowed, min(client.answered, 1000))

    def test_pipelines_under_way_are_answered_up_to_the_last_one_told(self):
        """The answers end with one that says so; none is missing before it."""
        daemon = self.start(limits(100_000, "100/d"))
        connections = [Connection(daemon.address) for _ in range(8)]
        for connection in connections:
            connection.send(request_bytes("GET", "/allow?key=p") * 50)
        for connection in connections:
            for _ in range(50):
                self.assertEqual(connection.receive().status, 200)
        for connection in connections:
            connection.send(request_bytes("GET", "/allow?key=p") * 200)
        daemon.signal(signal.SIGTERM)
        seen, was_reset = [], False
        for connection in connections:
            answers = []
            # A reset may cut an answer short: how often is for test_connections to say.
            with contextlib.suppress(AssertionError):
                while (answer := connection.receive()) is not None:
                    answers.append(answer)
            seen += [answer.json()["remaining"] for answer in answers]
            if connection.was_reset:
                was_reset = True
            elif len(answers) < 200:
                self.assertEqual(answers[-1].header("Connection"), "close")
            self.assertTrue(all(a.header("Connection") is None for a in answers[:-1]))
            connection.close()
        self.assertEqual(daemon.wait(), 0)
        # Each answer is a token of its own, and no token went without an answer.
        self.assertEqual(len(set(seen)), len(seen))
        if not was_reset:
            self.assertEqual(sorted(seen), list(range(100_000 - 400 - len(seen), 100_000 - 400)))


class Delay(unittest.TestCase):
    """After SIGTERM /readyz is red for a while, and everything is served."""

    @staticmethod
    def head(delay, threads):
        return f"tick: 10s\nthreads: {threads}\ndrain_delay: {delay}"

    def start(self, delay, threads=0):
        daemon = Daemon(limits(100, head=self.head(delay, threads)))
        self.addCleanup(daemon.stop)
        return daemon

    def get(self, connection, target):
        connection.send(request_bytes("GET", target))
        return connection.receive()

    def assert_leaving(self, daemon, kept):
        with Connection(daemon.address) as late:
            for connection in (kept, late):
                response = self.get(connection, "/readyz")
                self.assertEqual(response.status, 503)
                self.assertRegex(response.json()["detail"], "^draining: ")
                for target in ("/allow?key=a", "/healthz", "/status"):
                    response = self.get(connection, target)
                    self.assertEqual((response.status, response.header("Connection")), (200, None))

    def test_all_is_served_until_a_second_signal(self):
        for threads in (0, 1, 3):
            for number in (signal.SIGTERM, signal.SIGINT):
                with self.subTest(threads, number=number):
                    daemon = self.start("1h", threads)
                    with Connection(daemon.address) as kept:
                        self.assertEqual(self.get(kept, "/readyz").status, 200)
                        daemon.signal(number)
                        daemon.wait_for_line(": draining in 1h; a second signal begins it$")
                        wait_until(lambda: self.get(kept, "/readyz").status == 503, "it is red")
                        wait_until(lambda: self.is_red(daemon), "so it is on every thread")
                        self.assert_leaving(daemon, kept)
                        daemon.reload(limits(50, head=self.head("1h", threads)))
                        self.assertEqual(remaining(daemon, "unseen"), 50)
                        self.assert_leaving(daemon, kept)
                        mark = daemon.mark()
                        daemon.signal(number)
                        daemon.wait_for_line(": draining$", mark)
                        self.assertEqual(daemon.wait(), 0)
                        self.assertEqual(daemon.log()[-1], "allowd: stopped")

    def is_red(self, daemon):
        """Ten times in a row, for a connection is whichever thread's that takes it."""
        for _ in range(10):
            with Connection(daemon.address) as connection:
                if self.get(connection, "/readyz").status != 503:
                    return False
        return True

    def test_it_is_over_by_itself(self):
        daemon = self.start("300ms")
        began = time.monotonic()
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_line("the delay is over: draining$")
        self.assertGreaterEqual(time.monotonic() - began, 0.3)
        self.assertEqual(daemon.wait(), 0)

    def test_a_third_signal_ends_it_at_once(self):
        daemon = self.start("1h")
        with Connection(daemon.address) as held:
            held.send(request_bytes("GET", "/allow?key=a"))
            held.receive()
            held.send(b"GET /allow?key=a HTTP/1.1\r\n")
            daemon.signal(signal.SIGTERM)
            daemon.wait_for_line("draining in 1h")
            daemon.signal(signal.SIGTERM)
            daemon.wait_for_line(": draining$")
            daemon.signal(signal.SIGTERM)
            daemon.wait_for_line("a second signal: ending at once")
            self.assertEqual(daemon.wait(), 0)

    def test_a_reload_sets_it(self):
        daemon = self.start("0s")
        daemon.reload(limits(100, head="threads: 0\ndrain_delay: 1h"))
        self.assertEqual([line for line in daemon.log() if "warning" in line], [])
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_line("draining in 1h")
        daemon.reload(limits(100))  # the delay that has begun stays
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)

    def test_what_is_taken_meanwhile_is_kept(self):
        with tempfile.TemporaryDirectory(prefix="allowd-e2e-") as directory:
            config = limits(100, head=f"drain_delay: 1h\nstate: {directory}/state")
            first = Daemon(config)
            self.addCleanup(first.stop)
            first.signal(signal.SIGTERM)
            first.wait_for_line("draining in 1h")
            self.assertEqual(take(first, "a", 60).status, 200)
            second = Daemon(config, wait=False)
            self.addCleanup(second.stop)
            second.wait_for_line("waiting for the process that still has the state")
            self.assertEqual(take(first, "a", 5).status, 200)
            first.signal(signal.SIGTERM)
            self.assertEqual(first.wait(), 0)
            second.wait_for_line(" ready: ")
            self.assertEqual(remaining(second, "a"), 35)
            second.signal(signal.SIGTERM)
            second.signal(signal.SIGINT)
            self.assertEqual(second.wait(), 0)


class Client:
    """Sends a request whenever the one before it is answered, until it is told to stop."""

    def __init__(self, address, key):
        self.connection = Connection(address)
        self.request = request_bytes("GET", f"/allow?key={key}")
        self.sent = self.answered = self.allowed = 0
        self.told = False

    def ask(self):
        self.connection.send(self.request)
        self.sent += 1

    def take_in(self):
        """To be called when there is something to read; False when that was the end."""
        response = self.connection.receive()
        if response is None:
            return False
        self.answered += 1
        self.allowed += response.status == 200
        if response.header("Connection") == "close":
            self.told = True
        else:
            self.ask()
        return True


class Reload(unittest.TestCase):
    def test_limits_change_and_tokens_stay(self):
        """40 of 100 left: a new burst of 200 makes it 40, one of 20 makes it 20."""
        for burst, left in ((200, 40), (20, 20), (40, 40), (41, 40), (39, 39), (100, 40), (1, 1)):
            with self.subTest(burst), Daemon(limits(100)) as daemon:
                self.assertEqual(take(daemon, "a", 60).json()["remaining"], 40)
                daemon.reload(limits(burst))
                self.assertTrue(daemon.log()[-1].endswith(
                    f"reloaded {daemon.config_path}: 1 limit"), daemon.log())
                self.assertEqual(remaining(daemon, "a"), left)
                self.assertEqual(remaining(daemon, "unseen"), burst)
                self.assertEqual(take(daemon, "a", left).status, 200)
                self.assertEqual(take(daemon, "a", 1).status, 429)

    def test_another_rate_or_tick_keeps_the_tokens(self):
        for config in (limits(100, "7/d"), limits(100, "1/d", "tick: 1s"),
                       limits(100, "1000/366d", "tick: 10s"), limits(200, "3/d", "tick: 7s")):
            with self.subTest(config), Daemon(limits(100)) as daemon:
                take(daemon, "a", 60)
                daemon.reload(config)
                self.assertEqual(remaining(daemon, "a"), 40)
                daemon.reload(limits(100))
                self.assertEqual(remaining(daemon, "a"), 40)

    def test_a_limit_comes_and_goes(self):
        """A key falls under whatever limit matches it now; back again, its bucket is full."""
        matched = limits(5, name='api\n    match: "a*"')
        with Daemon(limits(10)) as daemon:
            take(daemon, "a", 10)
            daemon.reload(matched)
            answer = take(daemon, "a", 1).json()
            self.assertEqual((answer["limit"], answer["remaining"]), ("api", 4))
            self.assertEqual(remaining(daemon, "a", "&limit=default"), 0)
            daemon.reload(limits(10))
            answer = take(daemon, "a", 1).json()
            self.assertEqual((answer["limit"], answer["allowed"]), ("default", False))
            self.assertEqual(daemon.call("GET", "/allow?key=a&limit=api").status, 400)

    def test_a_bad_file_changes_nothing(self):
        with Daemon(limits(100)) as daemon:
            take(daemon, "a", 60)
            mark = daemon.mark()
            daemon.reload("tick: 10s\n"
                          "limits:\n"
                          "  - name: default\n"
                          "    burst: 1e3\n"
                          "    rate: 0/s\n")
            path = re.escape(daemon.config_path)
            daemon.wait_for_line(f"^(allowd: error: )?{path}:4:12: ", mark)
            daemon.wait_for_line(f"^(allowd: error: )?{path}:5:11: ", mark)
            daemon.wait_for_line(
                f"^allowd: error: {path} is faulty; the limits stay as they were$", mark)
            self.assertEqual(remaining(daemon, "a"), 40)
            self.assertEqual(remaining(daemon, "unseen"), 100)
            os.unlink(daemon.config_path)
            mark = daemon.mark()
            daemon.signal(signal.SIGHUP)
            daemon.wait_for_line("is faulty; the limits stay as they were", mark)
            self.assertEqual(remaining(daemon, "a"), 40)
            daemon.reload(limits(50))
            self.assertEqual(remaining(daemon, "unseen"), 50)

    def test_without_a_file(self):
        with Daemon() as daemon:
            daemon.signal(signal.SIGHUP)
            daemon.wait_for_line("warning: nothing to reload: started without a configuration file")
            self.assertEqual(take(daemon, "a").json()["remaining"], 9)

    def test_what_needs_a_restart_is_said(self):
        with Daemon(limits(100, head="tick: 10s\nlisten: ['127.0.0.1:0']"), ()) as daemon:
            for name, line in (("listen", "listen: ['127.0.0.1:1']"),
                               ("max_connections", "max_connections: 99"), ("max_keys", "max_keys: 77")):
                with self.subTest(name):
                    mark = daemon.mark()
                    listen = "" if name == "listen" else "listen: ['127.0.0.1:0']\n"
                    daemon.reload(limits(100, head=f"tick: 10s\n{listen}{line}"))
                    warnings = [text for text in daemon.log()[mark:] if "warning" in text]
                    self.assertEqual(warnings, [f"allowd: warning: {name} has changed; it takes "
                                                "effect at the next start"])
            mark = daemon.mark()
            daemon.reload(limits(100, head="tick: 10s\nlisten: ['127.0.0.1:0']"))
            self.assertEqual([text for text in daemon.log()[mark:] if "warning" in text], [])
            self.assertEqual(take(daemon, "a").status, 200)

    def test_listen_from_the_command_line_never_changes(self):
        with Daemon(limits(100)) as daemon:
            daemon.reload(limits(100, head="tick: 10s\nlisten: ['127.0.0.1:1']"))
            self.assertEqual([text for text in daemon.log() if "warning" in text], [])

    def test_when_full_is_reloaded(self):
        with Daemon(limits(10, head="tick: 10s\nmax_keys: 1\nwhen_full: deny")) as daemon:
            self.assertEqual(take(daemon, "a").status, 200)
            response = take(daemon, "b")
            self.assertEqual((response.status, response.json()["reason"]), (429, "table_full"))
            self.assertEqual(response.header("Retry-After"), "1")
            daemon.reload(limits(10, head="tick: 10s\nmax_keys: 1\nwhen_full: allow"))
            response = take(daemon, "b")
            self.assertEqual((response.status, response.json()["reason"]), (200, "table_full"))
            daemon.reload(limits(10, head="tick: 10s\nmax_keys: 1\nwhen_full: evict"))
            response = take(daemon, "b")
            self.assertEqual((response.status, "reason" in response.json()), (200, False))
            self.assertEqual(remaining(daemon, "a"), 10)

    def test_200_in_a_row(self):
        """No descriptor is lost and no token is minted."""
        with Daemon(limits(100)) as daemon:
            descriptors = daemon.descriptors()
            take(daemon, "a", 60)
            take(daemon, "b", 100)
            for i in range(200):
                daemon.reload(limits(100 + i % 2, f"{1 + i % 3}/d"))
                self.assertEqual((remaining(daemon, "a"), remaining(daemon, "b")), (40, 0))
            wait_until(lambda: daemon.descriptors() == descriptors, "no descriptor more than before")
            self.assertEqual(daemon.call("GET", "/status").json()["counters"]["reloads"], 200)

    def test_what_is_told_holds_for_the_next_request(self):
        """Also while the front-end is busy: the log says when the old checks are gone."""
        def config(i):
            return limits(100) + f"checks:\n  - {{name: check{i}, key: '{{method}}'}}\n"

        def keep_busy(connection):
            body = json.dumps({"requests": [{"key": f"k{i}"} for i in range(1000)]}).encode()
            while not enough.is_set():
                connection.send(request_bytes("POST", "/allow", [JSON], body))
                connection.receive()

        enough = threading.Event()
        with Daemon(config(0)) as daemon, contextlib.ExitStack() as cleanup:
            for _ in range(4):
                connection = cleanup.enter_context(Connection(daemon.address))
                busy = threading.Thread(target=keep_busy, args=[connection])
                busy.start()
                cleanup.callback(busy.join)
            cleanup.callback(enough.set)
            asker = cleanup.enter_context(Connection(daemon.address))
            for i in range(1, 31):
                daemon.reload(config(i))
                for name, status in ((f"check{i}", 200), (f"check{i - 1}", 404)):
                    asker.send(request_bytes("GET", f"/check/{name}"))
                    self.assertEqual(asker.receive().status, status, f"reload {i}: {name}")

    def test_hundreds_that_nobody_touches(self):
        """Buckets that are not looked at between reloads pass through every definition."""
        with Daemon(limits(100)) as daemon:
            take(daemon, "a", 60)
            for i in range(100):
                daemon.reload(limits(50 if i == 50 else 100 + i, f"{1 + i % 5}/d"))
            self.assertEqual(remaining(daemon, "a"), 40)

    def test_a_storm_of_signals(self):
        with Daemon(limits(100)) as daemon:
            take(daemon, "a", 60)
            for _ in range(500):
                daemon.signal(signal.SIGHUP)
            daemon.wait_for_line("reloaded")
            self.assertEqual(remaining(daemon, "a"), 40)


class Stopped(Case):
    config = "tick: 100ms\nlimits:\n  - {name: default, burst: 5, rate: 5/s}\n"

    def test_a_stop_mints_no_more_than_the_burst(self):
        key = self.key()
        connection = self.connect()
        connection.send(request_bytes("GET", f"/allow?key={key}&tokens=5"))
        self.assertEqual(connection.receive().status, 200)
        self.daemon.signal(signal.SIGSTOP)
        stopped = time.monotonic()
        connection.send(request_bytes("GET", f"/allow?key={key}") * 100)
        # Long enough for twice the burst; there is nothing to wait for but time.
        while time.monotonic() - stopped < 2.2:
            time.sleep(0.05)
        resumed = time.monotonic()
        self.daemon.signal(signal.SIGCONT)
        answers = [connection.receive() for _ in range(100)]
        took = time.monotonic() - resumed
        allowed = [answer.status for answer in answers].count(200)
        self.assertGreaterEqual(allowed, 5)
        self.assertLessEqual(allowed, 5 + 5 * (took + 0.1))


LIMITED = "limits: [{name: default, burst: 10, rate: 1/s}]\n"


def has_quota():
    """Whether a control group, of version 2, says how much processor time there is for this test."""
    groups = re.findall(r"^0::(/.*)$", pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8"), re.M)
    mount = pathlib.Path("/sys/fs/cgroup")
    folders = [folder for group in groups for folder in (mount / group[1:], *(mount / group[1:]).parents)]
    return any((folder / "cpu.max").exists() and not (folder / "cpu.max").read_text(encoding="ascii").startswith("max")
               for folder in folders)


OF_SANITIZER = b"\0libtsan.so" in pathlib.Path(ALLOWD).read_bytes()  # a thread of its own, without a name


class Threads(unittest.TestCase):
    """Where two threads cannot run at once, one serves and decides."""

    @staticmethod
    def names(config):
        """The daemon's threads, once it has answered."""
        with Daemon(config + LIMITED) as daemon:
            assert daemon.call("GET", "/allow?key=a").status == 200
            pid = daemon.process.pid

            def all_names():
                names = {int(task.name): (task / "comm").read_text(encoding="ascii").strip()
                         for task in pathlib.Path(f"/proc/{pid}/task").iterdir()}
                before = names.pop(pid)  # the main thread's; others have it until they run
                named = [name for name in names.values() if name != before]
                return named if len(named) == len(names) - OF_SANITIZER else None

            return wait_until(all_names, "each thread has its name")

    def on_one_processor(self):
        processors = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(processors)})
        self.addCleanup(os.sched_setaffinity, 0, processors)

    def test_as_asked(self):
        self.assertNotIn("state", self.names("threads: 0\n"))
        self.assertIn("state", self.names("threads: 1\n"))
        self.assertEqual(self.names("threads: 3\n").count("front"), 3)

    def test_as_asked_on_one_processor(self):
        self.on_one_processor()
        self.test_as_asked()

    def test_by_itself_on_one_processor(self):
        self.on_one_processor()
        for config in ("", "threads: auto\n"):
            names = self.names(config)
            self.assertNotIn("state", names)
            self.assertEqual(names.count("front"), 1)

    @unittest.skipIf(len(os.sched_getaffinity(0)) == 1 or has_quota(), "it may use one processor only")
    def test_by_itself_on_several(self):
        names = self.names("")
        self.assertIn("state", names)
        self.assertEqual(names.count("front"), 1)


if __name__ == "__main__":
    unittest.main()
