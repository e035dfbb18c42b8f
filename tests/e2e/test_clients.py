#!/usr/bin/python3 -B
"""
Clients that retry by themselves, from npm and Debian, as they come.

A service stands between that passes on what allowd answers, and notes when each client came and
what it was told. All clients ask at the same time, each for a key of its own.
"""
import collections
import contextlib
import http.client
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import unittest

import npm_package
from harness import PATIENCE_S, Daemon
from share import load_tests  # which unittest calls

# A token comes back each 2 s: none of these clients would wait so long without being told.
CONFIG = """
listen: ["127.0.0.1:0"]
limits:
  - {name: default, burst: 1, rate: 1/2s}
"""
NODE_CLIENTS = ("undici", "got", "ky", "axios-retry", "retry-axios", "openai", "anthropic", "azure")
CLIENTS = NODE_CLIENTS + ("curl", "urllib3", "requests", "go-retryablehttp")
# A timer may be this much early by the clock of another process.
EARLY_S = 0.05

# It has Debian's urllib3; the Python that runs this may be another.
DEBIAN_PYTHON = "/usr/bin/python3"
URLLIB3 = """
import json, sys, urllib3
answer = urllib3.PoolManager().request("GET", sys.argv[1])
print(json.dumps({"status": answer.status, "body": json.loads(answer.data)}))
"""
# By itself it does not retry: its adapter takes a Retry of urllib3 for that.
REQUESTS = """
import json, sys, requests.adapters, urllib3
session = requests.Session()
session.mount("http://", requests.adapters.HTTPAdapter(max_retries=urllib3.Retry(3)))
answer = session.get(sys.argv[1])
print(json.dumps({"status": answer.status_code, "body": answer.json()}))
"""
# What Debian has of Go's packages, without modules.
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOTOOLCHAIN": "local"}

Visit = collections.namedtuple("Visit", "began_s ended_s status retry_after_s")


class Service:
    """Asks allowd for whoever comes, and tells what it said."""

    def __init__(self, daemon, kept_back=()):
        self.daemon = daemon
        self.kept_back = ("Date", "Connection", *kept_back)
        self.visits = collections.defaultdict(list)
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                service.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def ask(self, target):
        return self.daemon.call("GET", target)

    def answer(self, handler):
        began_s = time.monotonic()
        key = handler.path.partition("key=")[2].partition("&")[0]
        visits = self.visits[key]
        if not visits:
            self.ask(f"/allow?key={key}")  # the only token; the client comes to an empty bucket
        said = self.ask(handler.path)
        retry_after = said.header("Retry-After")
        handler.send_response(said.status)
        for name, value in said.fields:
            if name not in self.kept_back:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(said.body)
        visits.append(Visit(began_s, time.monotonic(), said.status,
                            None if retry_after is None else int(retry_after)))

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def ask_with_all(service, query, clients):
    """What the user of each client is given."""
    url = f"{service.url}/allow?key=KEY{query}"
    commands = {
        "node": ["node", "ask.mjs", url, *(name for name in NODE_CLIENTS if name in clients)],
        "curl": ["curl", "--silent", "--retry", "3", "--output", "curl.json", "--write-out",
                 '{"status": %{http_code}}', url.replace("KEY", "curl")],
        "urllib3": [DEBIAN_PYTHON, "-c", URLLIB3, url.replace("KEY", "urllib3")],
        "requests": [DEBIAN_PYTHON, "-c", REQUESTS, url.replace("KEY", "requests")],
        "go-retryablehttp": ["./ask", url.replace("KEY", "go-retryablehttp")],
    }
    given = {}
    directory = npm_package.install("clients")
    try:
        if "go-retryablehttp" in clients:
            subprocess.run(["go", "build", "-o", "ask", "ask.go"], cwd=directory, check=True, stdin=subprocess.DEVNULL,
                           env={**os.environ, **GO, "GOCACHE": str(directory / "cache")})
        running = {name: subprocess.Popen(command, cwd=directory, stdin=subprocess.DEVNULL,
                                          stdout=subprocess.PIPE, text=True)
                   for name, command in commands.items() if name == "node" or name in clients}
        for name, process in running.items():
            lines, _ = process.communicate(timeout=PATIENCE_S)
            for line in lines.splitlines():
                answer = json.loads(line)
                given[answer.pop("name", name)] = answer
        with contextlib.suppress(FileNotFoundError):
            given["curl"]["body"] = json.loads((directory / "curl.json").read_bytes())
    finally:
        shutil.rmtree(directory)
    return given


class Clients:
    """The subclasses say what is asked, by whom, and what the service does not pass on."""

    query = None
    clients = CLIENTS
    kept_back = ()

    @classmethod
    def setUpClass(cls):
        for command in (["node", "--version"], ["curl", "--version"],
                        [DEBIAN_PYTHON, "-c", "import urllib3, requests"],
                        ["ls", "/usr/share/gocode/src/github.com/hashicorp/go-retryablehttp"], ["go", "version"]):
            try:
                subprocess.run(command, check=True, capture_output=True)
            except (FileNotFoundError, subprocess.CalledProcessError):
                if os.environ.get("CI") == "true":
                    raise
                raise unittest.SkipTest(f"cannot run {command}") from None
        with Daemon(CONFIG, listen=()) as daemon:
            service = Service(daemon, cls.kept_back)
            try:
                cls.given = ask_with_all(service, cls.query, cls.clients)
            finally:
                service.stop()
        cls.visits = service.visits


class Waiting(Clients, unittest.TestCase):
    """Asked as usual, they wait what Retry-After says, and then pass."""

    query = ""

    def test_each_passes_at_the_second_try(self):
        for name in CLIENTS:
            with self.subTest(client=name):
                given = self.given[name]
                self.assertEqual((given.get("error"), given.get("status")), (None, 200))
                self.assertEqual(given["body"]["allowed"], True)
                self.assertEqual([visit.status for visit in self.visits[name]], [429, 200])

    def test_none_comes_before_it_was_told_to(self):
        for name in CLIENTS:
            with self.subTest(client=name):
                first, second = self.visits[name]
                self.assertIn(first.retry_after_s, (1, 2))  # 1 on a machine that took a second
                self.assertGreaterEqual(second.began_s - first.began_s,
                                        first.retry_after_s - EARLY_S)


class Promised(Clients, unittest.TestCase):
    """Asked with a wait, they wait for the answer, and need not come again."""

    query = "&wait=5s"

    def test_each_passes_at_the_first_try(self):
        for name in CLIENTS:
            with self.subTest(client=name):
                given = self.given[name]
                self.assertEqual((given.get("error"), given.get("status")), (None, 200))
                self.assertGreater(given["body"]["waited_ms"], 0)
                (visit,) = self.visits[name]
                self.assertGreaterEqual(visit.ended_s - visit.began_s,
                                        given["body"]["waited_ms"] / 1000 - EARLY_S)


class Denied(Clients, unittest.TestCase):
    """Asked for a denial that is no 429, they hand it on at once."""

    query = "&deny_status=200"

    def test_each_is_given_the_no(self):
        for name in CLIENTS:
            with self.subTest(client=name):
                given = self.given[name]
                self.assertEqual((given.get("error"), given.get("status")), (None, 200))
                self.assertEqual(given["body"]["allowed"], False)
                self.assertEqual([visit.status for visit in self.visits[name]], [200])


class Never(Clients, unittest.TestCase):
    """Told X-Should-Retry: false, a client that knows it does not come again."""

    query = "&tokens=2"
    clients = ("openai",)
    comes = 1

    def test_comes_again_only_if_it_may_help(self):
        self.assertIn("429", self.given["openai"]["error"])
        self.assertEqual([(visit.status, visit.retry_after_s) for visit in self.visits["openai"]],
                         [(429, None)] * self.comes)


class NeverUntold(Never):
    """Not told, it comes again, and sooner than if it had been told to wait."""

    kept_back = ("X-Should-Retry",)
    comes = 3


if __name__ == "__main__":
    unittest.main()
