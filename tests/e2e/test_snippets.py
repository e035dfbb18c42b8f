#!/usr/bin/python3 -B
"""
The clients of etc/examples/clients, in nine languages, as they stand but for the port, and a time-out where a busy machine
could miss it: they go on while there are tokens, then say how long to wait, go on when allowd is down, and ask once. And
what settles what a call came to; with the calls of the README for that, and for a job runner.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from harness import PATIENCE_S, TOP, Daemon
from recipes import ALLOWD_ADDRESS, EXAMPLES, free_port, replaced, require_program
from share import load_tests  # which unittest calls

BURST = 3
CONFIG = """
listen: ["%s"]
limits:
  - {name: default, burst: %d, rate: 1/d, overrides: [{key: "never", action: deny}]}
"""
# A key that would break a URL that is put together carelessly.
KEY = "a b&c=d/%e?f+\N{LATIN SMALL LETTER U WITH DIAERESIS}"


def snippet(language, title="## Calling it from a program"):
    """The only block of that language in a chapter of the README."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    chapter = readme[readme.index(title):].partition("\n## ")[0]
    block, = re.findall(rf"^```{language}\n(.*?)^```$", chapter, re.M | re.S)
    return block


class Server:
    """One that gives each request the same answer, or none, and counts them."""

    def __init__(self, port, answer):
        self.answer, self.count = answer, 0
        self.socket = socket.create_server(("127.0.0.1", port))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError), contextlib.ExitStack() as kept:
            while True:
                connection = kept.enter_context(self.socket.accept()[0])
                if connection.recv(10_000):
                    self.count += 1
                if self.answer is not None:
                    connection.sendall(self.answer)
                    connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()


class Asking:
    """A client in one of the languages."""

    name = None  # of its file
    needs = ()  # the programs that build and run it
    build = None  # the command that makes "ask" of it
    command = ("./ask",)
    patience = None  # its time-out, and one that a busy machine does not miss

    @classmethod
    def setUpClass(cls):
        for program in cls.needs:
            require_program(program)
        folder = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.port = free_port()
        cls.environment = {**os.environ, "GOCACHE": str(folder / "cache"), "GOTOOLCHAIN": "local"}
        cls.hasty, cls.patient = folder / "hasty", folder / "patient"
        text = (EXAMPLES / "clients" / cls.name).read_text(encoding="utf-8")
        for place, changes in ((cls.hasty, []), (cls.patient, [cls.patience])):
            place.mkdir()
            (place / cls.name).write_text(replaced(text, [("10429", str(cls.port)), *changes]), encoding="utf-8")
            if cls.build is not None:
                subprocess.run(cls.build, cwd=place, env=cls.environment, check=True, stdin=subprocess.DEVNULL,
                               timeout=PATIENCE_S)

    def say(self, place, key=KEY):
        done = subprocess.run([*self.command, key], cwd=place, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.removesuffix("\n")

    def test_it_goes_on_then_waits(self):
        with Daemon(CONFIG % (f"127.0.0.1:{self.port}", BURST), listen=()) as daemon:
            said = [self.say(self.patient) for _ in range(BURST + 1)]
            self.assertEqual(said[:BURST], ["go on"] * BURST)
            self.assertEqual(self.say(self.patient, "never"), "never")
            keys = daemon.call("GET", "/keys").json()["keys"]
        self.assertEqual([key["key"] for key in keys], [KEY])
        wait = int(re.fullmatch(r"wait (\d+)", said[BURST])[1])
        self.assertTrue(86400 - PATIENCE_S * BURST <= wait <= 86400, wait)

    def test_it_goes_on_when_allowd_is_down(self):
        self.assertEqual(self.say(self.patient), "go on")

    def test_it_asks_once(self):
        head = b"Content-Length: 2\r\nConnection: close\r\nContent-Type: application/json\r\n"
        for place, answer, words in (
                (self.patient, b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n" + head + b"\r\n{}", "wait 1"),
                (self.patient, b"HTTP/1.1 429 Too Many Requests\r\n" + head + b"\r\n{}", "never"),
                (self.patient, b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\n" + head + b"\r\n{}", "go on"),
                (self.patient, b"", "go on"),  # it closes the connection
                (self.hasty, None, "go on")):
            with self.subTest(answer), Server(self.port, answer) as server:
                self.assertEqual(self.say(place), words)
                # Of its start a hasty one may need all its time on a machine that is very busy.
                self.assertIn(server.count, (1,) if place == self.patient else (0, 1))


class Shell(Asking, unittest.TestCase):
    name, needs, command = "ask.sh", ("curl",), ("sh", "ask.sh")
    patience = ("-m 0.5", "-m 60")


class Python(Asking, unittest.TestCase):
    name, command = "ask.py", (sys.executable, "ask.py")
    patience = ("timeout=0.5", "timeout=60")


class Go(Asking, unittest.TestCase):
    name, needs = "ask.go", ("go",)
    build = ("go", "build", "-o", "ask", "ask.go")
    patience = ("500 * time", "60000 * time")


class Node(Asking, unittest.TestCase):
    name, needs, command = "ask.mjs", ("node",), ("node", "ask.mjs")
    patience = ("timeout(500)", "timeout(60000)")


class Php(Asking, unittest.TestCase):
    name, needs, command = "ask.php", ("php",), ("php", "ask.php")
    patience = ("=> 0.5", "=> 60")


class Ruby(Asking, unittest.TestCase):
    name, needs, command = "ask.rb", ("ruby",), ("ruby", "ask.rb")
    patience = ("= 0.5", "= 60")


class Java(Asking, unittest.TestCase):
    name, needs = "Ask.java", ("javac", "java")
    build, command = ("javac", "Ask.java"), ("java", "Ask")
    patience = ("ofMillis(500)", "ofMillis(60000)")


class Rust(Asking, unittest.TestCase):
    name, needs = "ask.rs", ("rustc",)
    build = ("rustc", "ask.rs")
    patience = ("from_millis(500)", "from_millis(60000)")


class C(Asking, unittest.TestCase):
    name, needs = "ask.c", ("cc",)
    build = ("cc", "-Wall", "-Wextra", "-Werror", "-o", "ask", "ask.c", "-lcurl")
    patience = ("500L", "60000L")


class Settling(unittest.TestCase):
    """An estimate is reserved by /acquire, and settled by /release."""

    title = "## Settling what it came to"
    # No token comes back while the test runs.
    config = snippet("yaml", title).replace("20000/m", "20000/30d")

    def setUp(self):
        address = f"127.0.0.1:{free_port()}"
        self.names = {}
        exec(replaced(snippet("python", self.title), [(ALLOWD_ADDRESS, address)]), self.names)  # noqa: S102
        self.daemon = Daemon(f'tick: 10s\nlisten: ["{address}"]\n' + self.config, listen=())
        self.addCleanup(self.daemon.stop)

    def complete(self, used, estimate=2000, user="alice"):
        return self.names["complete"](user, "Hello", lambda prompt: (prompt + "!", used), estimate)

    def status(self, user="alice"):
        answer = self.daemon.call("GET", f"/status?key=llm:{user}").json()
        return answer["remaining"], answer["owed"]

    def test_less_more_and_just_as_much(self):
        for used, left in ((1500, 18500), (2500, 16000), (2000, 14000), (0, 14000)):
            self.assertEqual((self.complete(used), self.status()), ("Hello!", (left, 0)))

    def test_much_more_is_owed_and_waited_for(self):
        self.assertEqual((self.complete(30000), self.status()), ("Hello!", (0, 10000)))
        self.assertEqual((self.complete(5), self.status()), (None, (0, 10000)))
        self.assertEqual((self.complete(5, user="bob"), self.status("bob")), ("Hello!", (19995, 0)))

    def test_what_is_beyond_the_debt_is_forgiven(self):
        self.assertEqual((self.complete(100_000), self.status()), ("Hello!", (0, 40000)))
        self.assertIn(b"\nallowd_forgiven_tokens_total 40000\n", self.daemon.call("GET", "/metrics").body)

    def test_a_model_that_fails_costs_nothing(self):
        with self.assertRaises(ZeroDivisionError):
            self.names["complete"]("alice", "Hello", lambda prompt: 1 // 0, 2000)
        self.assertEqual(self.status(), (20000, 0))

    def test_it_goes_on_without_allowd(self):
        self.daemon.stop()
        self.assertEqual(self.complete(2500), "Hello!")


class ReadmeCalls(unittest.TestCase):
    """The calls of the README that make and end a lease."""

    config = """
tick: 10s
limits:
  - {name: jobs, match: "jobs:*", concurrent: 1}
  - {name: default, burst: 10, rate: 1/d}
"""

    def answers(self, begins):
        """To the lines of a block, and what the README says of them."""
        require_program("curl")
        readme = (TOP / "README.md").read_text(encoding="utf-8")
        code, = re.findall(rf"^```sh\n(lease=\$\(curl [^\n]*'{begins}.*?)^```$", readme, re.M | re.S)
        address = f"127.0.0.1:{free_port()}"
        with Daemon(f'listen: ["{address}"]\n{self.config}', listen=()) as daemon:
            script = code.replace(ALLOWD_ADDRESS, address).replace("curl ", "curl -s ")
            done = subprocess.run(["sh", "-euc", script], capture_output=True, text=True,
                                  timeout=PATIENCE_S, check=True)
            self.keys = daemon.call("GET", "/keys").json()["keys"]
        return [json.loads(line) for line in done.stdout.splitlines()], re.findall(r"# .*?: (\{.*)", code)

    def assert_said(self, said, answer):
        written = json.dumps(answer, separators=(",", ":"))
        for part in re.split(r"\.\.\.", said):
            self.assertIn(part.strip(","), written)

    def test_a_job_runner(self):
        (renewed, released), (said,) = self.answers("key=jobs:all")
        self.assertEqual((renewed["state"], renewed["slots"], self.keys), ("held", 1, []))
        self.assert_said(said, released)

    def test_a_gateway(self):
        (released, charged), (said_of_release, said_of_charge) = self.answers("key=llm:alice")
        self.assert_said(said_of_release, released)
        self.assert_said(said_of_charge, charged)


if __name__ == "__main__":
    unittest.main()
