#!/usr/bin/python3 -B
"""
State that outlives kills under load.

ALLOWD_KILLS sets how many kills a run makes; a number that is said in the
log of a failure, ALLOWD_SEED, which.
"""
import contextlib
import os
import random
import re
import socket
import time
import unittest

import test_state
from harness import SANITIZED, Daemon, request_bytes

SEED = int(os.environ.get("ALLOWD_SEED") or random.randrange(10**9))


class Kills(test_state.StateCase):
    """Kills at random moments under load: over the whole run no key is given more than its due."""

    # Of each limit: its text at one start and at another, and burst and rate that bound both.
    LIMITS = [
        ("burst: 20, rate: 50/s", "burst: 20, rate: 50/s", 20, 50),
        ("burst: 15, rate: 30/s", "burst: 25, rate: 30/s", 25, 30),
        ("buckets: [{name: s, burst: 9, rate: 40/s}, {name: m, burst: 100, rate: 20/s}]",
         "buckets: [{name: s, burst: 9, rate: 40/s}, {name: m, burst: 100, rate: 20/s}]", 9, 40),
    ]
    KEYS = [f"l{limit}:{'x' * length}" for limit in range(3) for length in (1, 30)]
    CONNECTIONS, REQUESTS, TICK_S = 4, 48, 0.02
    UNTIL_KILLED_S = 0.03 if SANITIZED else 0.006    # at most: few have all of their answers by then

    def text(self, dice):
        limits = "".join(f'  - {{name: l{i}, match: "l{i}:*", {dice.choice(limit[:2])}}}\n'
                         for i, limit in enumerate(self.LIMITS))
        return (f"state: {self.path}\nmax_keys: 1000\ntick: 20ms\nlimits:\n{limits}"
                "  - {name: default, burst: 1, rate: 1/s}\n")

    def round(self, daemon, dice, admitted):
        """Asks on some connections, kills, and counts the answers that came."""
        asked = []
        for _ in range(self.CONNECTIONS):
            client = socket.create_connection(daemon.address)
            keys = [dice.choice(self.KEYS) for _ in range(self.REQUESTS)]
            client.sendall(b"".join(request_bytes("GET", f"/allow?key={key}") for key in keys))
            asked.append((client, keys))
        time.sleep(dice.random() * self.UNTIL_KILLED_S)
        daemon.kill()
        answers = 0
        for client, keys in asked:
            received = b""
            with contextlib.suppress(ConnectionResetError):
                while data := client.recv(1 << 16):
                    received += data
            client.close()
            statuses = re.findall(rb"HTTP/1\.1 (\d+)", received)
            answers += len(statuses)
            for key, status in zip(keys, statuses):
                self.assertIn(status, (b"200", b"429"))
                admitted[key] += status == b"200"
        return answers

    def test_no_key_gets_more_than_its_due(self):
        dice = random.Random(SEED)
        kills = int(os.environ.get("ALLOWD_KILLS") or 100)
        admitted = dict.fromkeys(self.KEYS, 0)
        answers = 0
        began = time.monotonic()
        for _ in range(kills):
            daemon = Daemon(self.text(dice))
            try:
                answers += self.round(daemon, dice, admitted)
            finally:
                daemon.kill()
        daemon = self.start(self.text(dice))
        damaged = {result: self.metric(daemon, "allowd_state_damaged_total", result=result)
                   for result in ("mended", "emptied", "dropped")}
        daemon.stop()
        took_s = time.monotonic() - began
        print(f"ALLOWD_SEED={SEED}: {kills} kills, {answers} answers, "
              f"{sum(admitted.values())} tokens in {took_s:.1f} s")
        self.assertEqual(damaged, {"mended": 0, "emptied": 0, "dropped": 0})
        for key, count in admitted.items():
            _, _, burst, rate = self.LIMITS[int(key[1])]
            most = burst + rate * (took_s + self.TICK_S)
            self.assertLessEqual(count, most, f"{key}, ALLOWD_SEED={SEED}")
        # The load was such that limits held it.
        self.assertGreater(answers, sum(admitted.values()))


if __name__ == "__main__":
    unittest.main()
