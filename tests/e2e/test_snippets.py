#!/usr/bin/python3 -B
"""
The code of etc/examples/README.md that asks allowd, run as it stands but for the port: it goes on
while there are tokens, then does not, and goes on when allowd is down. Go's is not run. And what
settles what a call came to; with the calls of the README for that, and for a job runner.
"""
import json
import os
import re
import subprocess
import sys
import unittest

from harness import PATIENCE_S, TOP, Connection, Daemon, request_bytes
from recipes import ALLOWD_ADDRESS, EXAMPLES, free_port, replaced, require_program
from share import load_tests  # which unittest calls

BURST = 3
CONFIG = """
listen: ["%s"]
limits:
  - {name: default, burst: %d, rate: 1/d}
"""
# A key that would break a URL that is put together carelessly.
KEY = "a b&c=d/%e?f"


def snippet(language, title="## Calling it from a program"):
    """The only block of that language in a chapter of the README."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    chapter = readme[readme.index(title):].partition("\n## ")[0]
    block, = re.findall(rf"^```{language}\n(.*?)^```$", chapter, re.M | re.S)
    return block


class Snippet:
    language = program = None

    def command(self, code):
        raise NotImplementedError

    def goes_on(self, code):
        done = subprocess.run(self.command(code), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE_S, check=False, env={**os.environ, "USER": KEY})
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn(done.stdout.strip(), ("go on", ""))
        return done.stdout.strip() == "go on"

    def test_it_does_what_it_says(self):
        require_program(self.program)
        address = f"127.0.0.1:{free_port()}"
        code = replaced(snippet(self.language), [(ALLOWD_ADDRESS, address)])
        with Daemon(CONFIG % (address, BURST), listen=()) as daemon:
            self.assertEqual([self.goes_on(code) for _ in range(BURST + 2)],
                             [True] * BURST + [False] * 2)
            with Connection(daemon.address) as connection:
                connection.send(request_bytes("GET", "/keys"))
                keys = connection.receive().json()["keys"]
            self.assertEqual([key["key"] for key in keys], [KEY])
        self.assertTrue(self.goes_on(code))


class Shell(Snippet, unittest.TestCase):
    language, program = "sh", "curl"

    def command(self, code):
        return ["sh", "-c", code]


class Python(Snippet, unittest.TestCase):
    language, program = "python", "python3"

    def command(self, code):
        return [sys.executable, "-c", f"{code}\nprint('go on' if allow({KEY!r}) else '')"]


class Node(Snippet, unittest.TestCase):
    language, program = "js", "node"

    def command(self, code):
        return ["node", "-e", f"{code}\nallow({KEY!r}).then((on) => console.log(on ? 'go on' : ''))"]


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
        with Connection(self.daemon.address) as connection:
            connection.send(request_bytes("GET", f"/status?key=llm:{user}"))
            answer = connection.receive().json()
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
        with Connection(self.daemon.address) as connection:
            connection.send(request_bytes("GET", "/metrics"))
            self.assertIn(b"\nallowd_forgiven_tokens_total 40000\n", connection.receive().body)

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
            with Connection(daemon.address) as connection:
                connection.send(request_bytes("GET", "/keys"))
                self.keys = connection.receive().json()["keys"]
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
