#!/usr/bin/python3 -B
"""
The code of etc/examples/README.md that asks allowd, run as it stands but for the port: it goes on
while there are tokens, then does not, and goes on when allowd is down. Go's is not run.
"""
import os
import re
import subprocess
import sys
import unittest

from harness import PATIENCE_S, Connection, Daemon, request_bytes
from recipes import ALLOWD_ADDRESS, EXAMPLES, free_port, replaced, require_program

BURST = 3
CONFIG = """
listen: ["%s"]
limits:
  - {name: default, burst: %d, rate: 1/d}
"""
# A key that would break a URL that is put together carelessly.
KEY = "a b&c=d/%e?f"


def snippet(language):
    """The only block of that language in the last chapter of the README."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    chapter = readme[readme.index("## Calling it from a program"):]
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


if __name__ == "__main__":
    unittest.main()
