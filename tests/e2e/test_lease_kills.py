#!/usr/bin/python3 -B
"""
Leases outlive kills at random moments under load: over the whole run no more slots are held than there
are, and none is lost for longer than its lease would have lasted.

ALLOWD_KILLS sets how many kills a run makes; a number that is said in the
log of a failure, ALLOWD_SEED, which.
"""
import contextlib
import os
import random
import shutil
import tempfile
import threading
import time
import unittest

from harness import SANITIZED, Connection, Daemon, request_bytes
from metrics import Metrics

SEED = int(os.environ.get("ALLOWD_SEED") or random.randrange(10**9))
KILLS = int(os.environ.get("ALLOWD_KILLS") or 100)
KILLS_A_LIFE = 25  # after so many, all that was taken must have come back
TTL_S, TICK_S = 0.15, 0.01
UNTIL_KILLED_S = 0.1 if SANITIZED else 0.03  # at most
CLIENTS = 6
BURST = 30000
# Of each key: how many slots there are, and whether its leases take tokens too.
KEYS = ({f"one:{i}": (1, False) for i in range(4)} | {f"jobs:{i}{'c' * 10 * i}": (3, False) for i in range(4)} |
        {f"both:{i}": (2, True) for i in range(4)})
CONFIG = """\
state: %s
tick: 10ms
max_leases: 1000
limits:
  - {name: one, match: "one:*", concurrent: 1}
  - {name: jobs, match: "jobs:*", concurrent: 3}
  - name: both
    match: "both:*"
    buckets: [{name: running, concurrent: 2}, {name: day, burst: 30000, rate: 1/d}]
  - {name: default, burst: 1, rate: 1/d}
"""


class Gone(Exception):
    """The process was killed meanwhile: whether it did what it was asked nobody knows."""


class Held:
    """A lease, and the time for which it is held for sure."""

    def __init__(self, key, slots, sent_s):
        self.key, self.slots = key, slots
        self.begin_s = time.monotonic()
        self.end_s = sent_s + TTL_S
        self.may_have_returned = False


class Client(threading.Thread):
    """Acquires, renews and releases, or has leases end by themselves, until it is over."""

    def __init__(self, path, seed, is_over):
        super().__init__()
        self.path, self.dice, self.is_over = path, random.Random(seed), is_over
        self.held, self.denied, self.waited, self.wrong = [], 0, 0, []

    def run(self):
        while not self.is_over.is_set():
            with contextlib.suppress(OSError, Gone), Connection(self.path) as connection:
                while not self.is_over.is_set():
                    self.hold_one(connection)
            time.sleep(0.001)

    def ask(self, connection, target):
        try:
            connection.send(request_bytes("POST", target))
            response = connection.receive()
        except (OSError, AssertionError):  # an answer that was cut short is none
            response = None
        if response is None:
            raise Gone
        return response

    def expect(self, response, *statuses):
        if response.status not in statuses:
            self.wrong.append(repr(response))
            raise Gone

    def hold_one(self, connection):
        key = self.dice.choice(list(KEYS))
        slots = self.dice.randint(1, KEYS[key][0])
        wait = self.dice.choice(("", "", "&wait=20ms", "&wait=100ms"))
        sent_s = time.monotonic()
        response = self.ask(connection, f"/acquire?key={key}&slots={slots}&ttl={int(TTL_S * 1000)}ms{wait}")
        self.expect(response, 200, 429)
        if response.status == 429:
            self.denied += 1
            return
        answer = response.json()
        self.waited += answer.get("waited_ms", 0) > 0
        lease = Held(key, slots, sent_s)
        self.held.append(lease)
        time.sleep(self.dice.random() * 0.01)
        if self.dice.random() < 0.3:
            self.renew(connection, answer["lease"], lease)
        if self.dice.random() < 0.8:
            self.release(connection, answer["lease"], lease)

    def renew(self, connection, number, lease):
        sent_s = time.monotonic()
        response = self.ask(connection, f"/renew?lease={number}")
        self.expect(response, 200, 404) # 404: it has ended
        if response.status == 200:
            lease.end_s = sent_s + TTL_S
        elif sent_s + 2 * TICK_S < lease.end_s and time.monotonic() < lease.end_s:
            self.wrong.append(f"a lease of {lease.key} is gone before its end")

    def release(self, connection, number, lease):
        lease.end_s = min(lease.end_s, time.monotonic())
        used = self.dice.choice(("", "&used=0", "&used=1"))
        lease.may_have_returned = used == "&used=0"
        self.expect(self.ask(connection, f"/release?lease={number}{used}"), 200, 404)


class Kills(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="allowd-e2e-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.path = os.path.join(self.directory, "socket")

    def start(self):
        return Daemon(CONFIG % os.path.join(self.directory, "state"), listen=("unix:" + self.path,))

    def ask(self, method, target):
        with Connection(self.path) as connection:
            connection.send(request_bytes(method, target))
            return connection.receive()

    def metric(self, name, **labels):
        return Metrics(self.ask("GET", "/metrics").body.decode("utf-8")).value(name, **labels)

    def life(self, dice):
        """Kills it under load; the clients, and the process that is there then."""
        is_over = threading.Event()
        clients = [Client(self.path, dice.random(), is_over) for _ in range(CLIENTS)]
        daemon = self.start()
        for client in clients:
            client.start()
        try:
            for _ in range(KILLS_A_LIFE):
                time.sleep(dice.random() * UNTIL_KILLED_S)
                daemon.kill()
                daemon = self.start()
        finally:
            is_over.set()
            for client in clients:
                client.join()
        return daemon, clients

    def check_all_came_back(self):
        """Once all leases have ended that anybody may hold, known to us or not."""
        time.sleep(TTL_S + 3 * TICK_S)
        for key, (slots, _) in KEYS.items():
            response = self.ask("POST", f"/acquire?key={key}&slots={slots}&ttl=1h")
            self.assertEqual(response.status, 200, f"{key}, ALLOWD_SEED={SEED}: {response}")
            more = self.ask("POST", f"/acquire?key={key}&ttl=1h")
            self.assertEqual(more.status, 429, f"{key}, ALLOWD_SEED={SEED}: {more}")
            lease = response.json()["lease"]
            self.assertEqual(self.ask("POST", f"/release?lease={lease}&used=0").status, 200)

    def check_no_more_than_there_are(self, held):
        for key, (slots, _) in KEYS.items():
            changes = []
            for lease in held:
                if lease.key == key and lease.end_s > lease.begin_s:
                    changes += [(lease.begin_s, lease.slots), (lease.end_s, -lease.slots)]
            out = 0
            for _, change in sorted(changes):  # at the same time, what comes back is first
                out += change
                self.assertLessEqual(out, slots, f"{key}, ALLOWD_SEED={SEED}")

    def test_no_slot_is_held_twice_or_lost(self):
        dice = random.Random(SEED)
        held, denied, waited = [], 0, 0
        for _ in range(max(1, KILLS // KILLS_A_LIFE)):
            daemon, clients = self.life(dice)
            try:
                for client in clients:
                    self.assertEqual(client.wrong, [], f"ALLOWD_SEED={SEED}")
                    held += client.held
                    denied += client.denied
                    waited += client.waited
                self.check_all_came_back()
                self.check_no_more_than_there_are(held)
                for result in ("mended", "emptied", "dropped"):
                    self.assertEqual(self.metric("allowd_state_damaged_total", result=result), 0)
                for key in (key for key, (_, has_tokens) in KEYS.items() if has_tokens):
                    taken = sum(lease.key == key and not lease.may_have_returned for lease in held)
                    left = [bucket["remaining"] for bucket in self.ask("GET", f"/status?key={key}").json()["buckets"]
                            if bucket["name"] == "day"]
                    self.assertLessEqual(left[0], BURST - taken, f"{key}, ALLOWD_SEED={SEED}")
            finally:
                daemon.kill()
        print(f"ALLOWD_SEED={SEED}: {KILLS} kills, {len(held)} leases, {waited} that waited, {denied} denials")
        # The load was such that limits held it, and that some had to wait.
        self.assertGreater(denied, 0)
        self.assertGreater(waited, 0)
        self.assertGreater(len(held), KILLS)


if __name__ == "__main__":
    unittest.main()
