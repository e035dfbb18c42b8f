#!/usr/bin/python3 -B
"""
allowctl top on a terminal, which is tmux: what it shows of a daemon, and of keys that a terminal would
act on; its keys; other sizes; a server that goes away.
"""
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer

from harness import Daemon, wait_until
from test_allowctl import ALLOWCTL, DONE, ENVIRONMENT, LIMITS, UNREACHABLE


class Terminal:
    """A terminal of its own, in which a command runs."""

    def __init__(self, *command, columns=100, rows=30, term="tmux-256color"):
        self.directory = tempfile.mkdtemp(prefix="allowctl-top-")
        self.status_path = os.path.join(self.directory, "status")
        self.socket = os.path.join(self.directory, "tmux")
        script = os.path.join(self.directory, "script")
        with open(script, "w", encoding="utf-8") as file:
            words = " ".join(shlex.quote(str(word)) for word in command)
            file.write(f"trap : INT\nTERM={term} {words}\necho $? >{self.status_path}\nread end\n")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows), f"sh {script}")

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *arguments], env=ENVIRONMENT | {"TERM": "xterm"},
                              capture_output=True, text=True, check=True).stdout

    def screen(self):
        return self.tmux("capture-pane", "-p")

    def press(self, key):
        self.tmux("send-keys", key)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def wait_for(self, pattern):
        """The match of a pattern on the screen, once it is there."""
        screens = [""]

        def look():
            screens[0] = self.screen()
            return re.search(pattern, screens[0], re.M)

        try:
            return wait_until(look, pattern, 30)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{screens[0]}") from None

    def status(self):
        wait_until(lambda: os.path.exists(self.status_path) and os.path.getsize(self.status_path), "it has ended")
        with open(self.status_path, encoding="ascii") as file:
            return int(file.read())

    def title(self):
        return self.tmux("display-message", "-p", "#{pane_title}").strip()

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, check=False)
        shutil.rmtree(self.directory)


# Where a change is judged, its absence is a failure.
@unittest.skipUnless(shutil.which("tmux") or os.environ.get("CI") == "true", "tmux is not installed")
class Top(unittest.TestCase):
    def start(self, config=LIMITS):
        daemon = Daemon(config)
        self.addCleanup(daemon.stop)
        return daemon

    def top(self, server, *options, **size):
        terminal = Terminal(ALLOWCTL, "top", "-s", server, "-i", "200ms", *options, **size)
        self.addCleanup(terminal.close)
        return terminal

    def ask(self, daemon, key, tokens=1):
        return daemon.call("GET", f"/allow?key={key}&tokens={tokens}").status

    def test_it_shows_what_goes_on(self):
        daemon = self.start()
        terminal = self.top("%s:%d" % daemon.address)
        terminal.wait_for(r"^allowd \d+\.\d+\.\d+ at 127\.0\.0\.1:\d+, up ")
        terminal.wait_for(r"^LIMIT +MATCH +BURST +RATE +ALLOWED/s +DENIED/s")
        self.ask(daemon, "login:alice", 4)
        for _ in range(3):
            self.assertEqual(self.ask(daemon, "login:alice", 2), 429)
        terminal.wait_for(r"^ +3  \[##\.{8}\] +1 +5 +\S+ \S+ \S+ \S+ +login +login:alice$")
        terminal.wait_for(r"^keys 1 of 1,000,000   leases 0   waiting 0   connections \d+   memory [\d.]+ MiB")

        def busy():
            self.ask(daemon, "login:alice")
            self.ask(daemon, "other", 0)
            return re.search(r"^login .* +[1-9][\d.]*$", terminal.screen(), re.M)
        wait_until(busy, "denials a second are shown")
        terminal.wait_for(r"^decisions [\d.,]+/s   allowed [\d.,]+/s   denied [\d.,]+/s")
        terminal.press("q")
        self.assertEqual(terminal.status(), DONE)

    def test_its_keys(self):
        daemon = self.start()
        terminal = self.top("%s:%d" % daemon.address)
        terminal.wait_for("DENIED MOST")
        self.assertIn("EMPTIEST", terminal.screen())
        terminal.press("s")
        wait_until(lambda: "EMPTIEST" not in terminal.screen(), "one list alone")
        self.assertIn("DENIED MOST", terminal.screen())
        terminal.press("s")
        wait_until(lambda: "DENIED MOST" not in terminal.screen(), "the other list alone")
        terminal.press("Space")
        terminal.wait_for(" - paused$")
        self.ask(daemon, "login:paused")
        terminal.press("s")
        terminal.wait_for("DENIED MOST")
        self.assertNotIn("login:paused", terminal.screen())
        terminal.press("Space")
        terminal.wait_for("login:paused$")
        self.assertNotIn("paused\n", terminal.screen().splitlines()[0] + "\n")
        terminal.press("x")  # nothing
        terminal.press("C-c")
        self.assertEqual(terminal.status(), DONE)

    def test_it_fits_any_terminal(self):
        daemon = self.start()
        self.ask(daemon, "login:alice")
        terminal = self.top("%s:%d" % daemon.address, columns=30, rows=6)
        terminal.wait_for("^allowd ")
        for columns, rows in ((10, 3), (200, 50), (80, 8), (40, 24)):
            terminal.resize(columns, rows)
            terminal.wait_for("^allowd")
            wait_until(lambda: len(terminal.screen().rstrip("\n").splitlines()) <= rows, "it fits")
        terminal.resize(120, 40)
        terminal.wait_for("login:alice$")
        terminal.press("q")
        self.assertEqual(terminal.status(), DONE)

    def test_a_plain_terminal(self):
        daemon = self.start()
        terminal = self.top("%s:%d" % daemon.address, term="vt100")
        terminal.wait_for("DENIED MOST")
        terminal.press("q")
        self.assertEqual(terminal.status(), DONE)

    def test_the_server_goes_away_and_comes_back(self):
        daemon = self.start()
        port = daemon.address[1]
        terminal = self.top(f"127.0.0.1:{port}")
        terminal.wait_for("DENIED MOST")
        daemon.stop()
        terminal.wait_for("^no answer: Failed to connect")
        again = Daemon(LIMITS, (f"127.0.0.1:{port}",))
        self.addCleanup(again.stop)
        terminal.wait_for("^q quit")
        terminal.press("q")
        self.assertEqual(terminal.status(), DONE)

    def test_nobody_is_there(self):
        terminal = self.top("unix:/nonexistent/socket")
        self.assertEqual(terminal.status(), UNREACHABLE)
        self.assertIn("no answer from unix:/nonexistent/socket", terminal.screen())


EVIL = "evil\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\u200b\r\n\x7f\u6f22"
SHOWN = "evil\\u001b]0;owned\\u0007\\u001b[2J\\u009b31m\\u202e\\u200b\\u000d\\u000a\\u007f\u6f22"


class Evil(BaseHTTPRequestHandler):
    """Answers as an allowd would whose names and keys are all that a terminal acts on."""

    def do_GET(self):
        key = {"key": EVIL, "limit": EVIL, "remaining": 1, "burst": 2, "denied": 3, "reset_after_ms": 4000}
        told = {
            "/status": json.dumps({"version": EVIL, "uptime_s": 1, "limits": [{"name": "n" + EVIL, "rate": "r" + EVIL}]}),
            "/keys": json.dumps({"keys": [key]}),
            "/metrics": f'allowd_decisions_total{{limit="{EVIL}",result="{EVIL}"}} 1\n',
        }[self.path.partition("?")[0]].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format, *arguments):
        pass


@unittest.skipUnless(shutil.which("tmux") or os.environ.get("CI") == "true", "tmux is not installed")
class Escapes(unittest.TestCase):
    def test_they_are_shown_and_never_run(self):
        server = HTTPServer(("127.0.0.1", 0), Evil)
        self.addCleanup(server.server_close)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        terminal = Terminal(ALLOWCTL, "top", "-s", "127.0.0.1:%d" % server.server_address[1], columns=400, rows=30)
        self.addCleanup(terminal.close)
        terminal.wait_for("EMPTIEST")
        screen = terminal.wait_for(r"(?s)EMPTIEST.*evil") and terminal.screen()
        self.assertEqual(screen.count(SHOWN), 7, screen)  # version, name, rate, and limit and key of two lists
        self.assertNotEqual(terminal.title(), "owned")
        self.assertNotRegex(screen, "[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\u200b]")
        terminal.press("q")
        self.assertEqual(terminal.status(), DONE)


if __name__ == "__main__":
    unittest.main()
