#!/usr/bin/python3 -B
"""
A long life with everything at once: clients that ask, list, reset, walk and misbehave,
reloads, stops and kills. Descriptors and memory stay as they are, accounts are exact.

ALLOWD_SOAK_S: how long, ten seconds by default. ALLOWD_SEED repeats the dice of each client.
"""
import contextlib
import json
import os
import random
import shutil
import tempfile
import threading
import time
import unittest

from harness import JSON, SANITIZED, Connection, Daemon, request_bytes, wait_until
from metrics import Metrics

SEED = int(os.environ.get("ALLOWD_SEED") or random.randrange(10**9))
SOAK_S = float(os.environ.get("ALLOWD_SOAK_S") or 10)
# In a run of a minute each client thinks between its requests: other tests want the processors, too.
PAUSE_S = 0.002 if SOAK_S <= 60 else 0
LEAVING_S = 1.5        # more than LEAVING_MS of leaving.h
CLIENTS = 4
KEYS = 100             # of each kind
EXACT_BURST = 10000    # and nothing to speak of refilled
PACED_BURST, PACED_RATE, TICK_S = 20, 50, 0.02
GROWTH_MAX = 3 << 20   # bytes of memory after a third of a life
CONFIG = """\
state: %s
tick: 20ms
max_keys: 5000
log: {denials: 5/s}
limits:
  - {name: exact, match: "x:*", burst: 10000, rate: 1/d}
  - {name: paced, match: "p:*", burst: 20, rate: 50/s}
  - {name: other, match: "o:*", burst: %d, rate: 10/s, overrides: [{key: "o:1", action: deny}]}
  - {name: default, burst: 10, rate: 1/s}
"""


class Accounts:
    """What a client was told: tokens it has, and those of which it heard nothing."""

    def __init__(self):
        self.exact = [0] * KEYS
        self.exact_unheard = [0] * KEYS
        self.paced = [0] * KEYS
        self.requests = 0


class Client(threading.Thread):
    def __init__(self, number, address, accounts):
        super().__init__(daemon=True)
        self.dice = random.Random(SEED * 1000 + number)
        self.address, self.accounts = address, accounts
        self.over = threading.Event()
        self.error = None

    def run(self):
        try:
            while not self.over.is_set():
                with contextlib.suppress(ConnectionError), Connection(self.address) as connection:
                    self.converse(connection)
        except Exception as error:  # told by whoever joins
            self.error = error

    def converse(self, connection):
        for _ in range(self.dice.randrange(1, 200)):
            if self.over.wait(PAUSE_S):
                return
            step = self.dice.choices((self.exact, self.paced, self.all, self.others, self.walk,
                                      self.bad, self.leave), (40, 30, 5, 20, 2, 2, 1))[0]
            self.accounts.requests += 1
            if not step(connection):
                return

    def ask(self, connection, *request):
        connection.send(request_bytes(*request))
        return connection.receive()

    def exact(self, connection):
        key = self.dice.randrange(KEYS)
        self.accounts.exact_unheard[key] += 1
        response = self.ask(connection, "GET", f"/allow?key=x:{key}")
        if response is None:
            return False
        self.accounts.exact_unheard[key] -= 1
        self.accounts.exact[key] += response.status == 200
        assert response.status in (200, 429, 503), response
        return response.header("Connection") is None

    def all(self, connection):
        keys = self.dice.sample(range(KEYS), self.dice.randrange(1, 60))
        body = json.dumps({"requests": [{"key": f"x:{key}"} for key in keys], "mode": "all"})
        for key in keys:
            self.accounts.exact_unheard[key] += 1
        response = self.ask(connection, "POST", "/allow", [JSON], body.encode())
        if response is None:
            return False
        for key in keys:
            self.accounts.exact_unheard[key] -= 1
            self.accounts.exact[key] += response.status == 200
        assert response.status in (200, 429, 503), response
        return response.header("Connection") is None

    def paced(self, connection):
        key = self.dice.randrange(KEYS // 10)
        response = self.ask(connection, "GET", f"/allow?key=p:{key}")
        if response is None:
            return False
        self.accounts.paced[key] += response.status == 200
        return response.header("Connection") is None

    def others(self, connection):
        key = self.dice.randrange(KEYS)
        method, target = self.dice.choice((
            ("GET", f"/allow?key=o:{key}&tokens=2"), ("POST", f"/reset?key=o:{key}"),
            ("POST", f"/refund?key=o:{key}"), ("GET", f"/status?key=o:{key}"),
            ("GET", "/status"), ("GET", "/readyz"), ("GET", "/metrics")))
        response = self.ask(connection, method, target)
        return response is not None and response.header("Connection") is None

    def walk(self, connection):
        cursor = ""
        while cursor is not None:
            response = self.ask(connection, "GET", f"/keys?count=50{cursor}")
            if response is None or response.status != 200:
                return False
            cursor = response.json()["cursor"]
            cursor = cursor and "&cursor=" + cursor
        return True

    def bad(self, connection):
        response = self.ask(connection, "GET", self.dice.choice((
            "/allow", "/allow?key=x:1&tokens=-1", "/nothing", "/keys?cursor=1", "/allow?key=%zz")))
        return response is not None and response.header("Connection") is None

    def leave(self, connection):
        connection.send(request_bytes("GET", "/allow?key=o:9")[:self.dice.randrange(1, 40)])
        return False


class Soak(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="allowd-e2e-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.accounts = [Accounts() for _ in range(CLIENTS)]
        self.reloads = 0

    def config(self):
        return CONFIG % (os.path.join(self.directory, "state"), 10 + self.reloads % 3)

    def use(self, daemon):
        """Descriptors and memory, with nobody there but who asks."""
        with Connection(daemon.address) as connection:
            def scrape():
                connection.send(request_bytes("GET", "/metrics"))
                return Metrics(connection.receive().body.decode("utf-8"))

            wait_until(lambda: scrape().value("allowd_connections") == 1, "all have gone")
            descriptors, until = [], time.monotonic() + LEAVING_S
            while time.monotonic() < until: # the sockets of those who left may still be open
                metrics = scrape()
                descriptors.append(metrics.value("process_open_fds"))
                time.sleep(0.05)
            return min(descriptors), metrics.value("process_resident_memory_bytes")

    def load(self, daemon, seconds, end):
        """Clients and reloads for so long; then `end`, with the clients still there."""
        clients = [Client(i, daemon.address, accounts)
                   for i, accounts in enumerate(self.accounts)]
        for client in clients:
            client.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.reloads += 1
            daemon.reload(self.config())
            time.sleep(0.2)
        end()
        for client in clients:
            client.over.set()
        for client in clients:
            client.join()
            if client.error is not None:
                raise client.error

    def live(self, seconds, end):
        """One process: descriptors and memory after a third of its life are those at its end."""
        with contextlib.ExitStack() as stack:
            daemon = Daemon(self.config())
            stack.callback(daemon.kill)
            self.check_accounts(daemon)
            self.load(daemon, seconds / 3, lambda: None)
            began = self.use(daemon)
            self.load(daemon, seconds * 2 / 3, lambda: None)
            ended = self.use(daemon)
            self.assertEqual(began[0], ended[0], "descriptors")
            if not SANITIZED:
                self.assertLess(ended[1] - began[1], GROWTH_MAX, "memory")
            self.load(daemon, 0.5, lambda: end(daemon))
        return ended[1] - began[1]

    def check_accounts(self, daemon):
        with Connection(daemon.address) as connection:
            for key in range(KEYS):
                connection.send(request_bytes("GET", f"/status?key=x:{key}"))
                taken = EXACT_BURST - connection.receive().json()["remaining"]
                told = sum(accounts.exact[key] for accounts in self.accounts)
                unheard = sum(accounts.exact_unheard[key] for accounts in self.accounts)
                self.assertLessEqual(told, taken, f"key {key}, ALLOWD_SEED={SEED}")
                self.assertLessEqual(taken, told + unheard, f"key {key}, ALLOWD_SEED={SEED}")

    def test_soak(self):
        began = time.monotonic()
        grew = []
        for share, end in ((0.4, Daemon.kill), (0.1, Daemon.stop), (0.1, Daemon.kill),
                           (0.4, Daemon.stop)):
            grew.append(self.live(SOAK_S * share, end))
        with Daemon(self.config()) as daemon:
            self.check_accounts(daemon)
        took_s = time.monotonic() - began
        for key in range(KEYS):
            paced = sum(accounts.paced[key] for accounts in self.accounts)
            self.assertLessEqual(paced, PACED_BURST + PACED_RATE * (took_s + TICK_S))
        unheard = sum(sum(accounts.exact_unheard) for accounts in self.accounts)
        print(f"ALLOWD_SEED={SEED}: {sum(a.requests for a in self.accounts)} requests, "
              f"{self.reloads} reloads, 2 kills and 2 stops in {took_s:.0f} s; "
              f"{sum(sum(a.exact) for a in self.accounts)} tokens told, {unheard} not heard of; "
              f"memory grew by {', '.join(f'{bytes_ / 1024:.0f}' for bytes_ in grew)} KiB")


if __name__ == "__main__":
    unittest.main()
