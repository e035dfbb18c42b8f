#!/usr/bin/python3 -B
"""
The demonstration of the README, with curl: burst 10, 1/s, tick 100ms.

Three clients at once send 15 requests each, one every 200 ms. Each is allowed
its first 12 and denied the last 3: by the 12th request two tokens have come
back, and by the 15th, 2.8 s after the first, not yet a third.
"""
import json
import subprocess
import threading
import time
import unittest

from harness import PATIENCE_S, Case

CLIENTS, REQUESTS, EVERY_S, TICK_S = 3, 15, 0.2, 0.1
ATTEMPTS = 40


class Run(threading.Thread):
    """One client's requests, each with the time before and after it."""

    def __init__(self, url, key, begin):
        super().__init__()
        self.url, self.key, self.begin = url, key, begin
        self.statuses, self.answers, self.times = [], [], []

    def run(self):
        for i in range(REQUESTS):
            time.sleep(max(0, self.begin + i * EVERY_S - time.monotonic()))
            before = time.monotonic()
            done = subprocess.run(
                ["curl", "-s", "--max-time", str(PATIENCE_S), "-w", "%{http_code}",
                 f"{self.url}/allow?key={self.key}"],
                capture_output=True, text=True, check=True)
            self.times.append((before, time.monotonic()))
            body, _, status = done.stdout.rpartition("\n")
            self.statuses.append(int(status))
            self.answers.append(json.loads(body))

    def on_schedule(self):
        """Whether the machine let the requests happen when they were meant to: only then is the
        outcome certain. Between two moments lie at least floor(time / tick) ticks, and at most
        one more; the 12th needs 20 of them, and with 30 the last three would not all be denied."""
        first, twelfth, last = self.times[0], self.times[11], self.times[14]
        return twelfth[0] - first[1] >= 20 * TICK_S and last[1] - first[0] < 29 * TICK_S


class Demo(Case):
    config = """
tick: 100ms
limits:
  - name: default
    burst: 10
    rate: 1/s
"""

    def test_three_clients(self):
        judged = set()  # clients that kept to their schedule once, beside the others
        for attempt in range(ATTEMPTS):
            begin = time.monotonic() + 0.1
            runs = [Run(self.daemon.url, f"client{i}-{attempt}", begin) for i in range(CLIENTS)]
            for run in runs:
                run.start()
            for run in runs:
                run.join()
            for client, run in enumerate(runs):
                if not run.on_schedule():
                    continue
                judged.add(client)
                self.assertEqual(run.statuses, [200] * 12 + [429] * 3, run.times)
                self.assertEqual([answer["allowed"] for answer in run.answers],
                                 [True] * 12 + [False] * 3)
                self.assertEqual(run.answers[0]["remaining"], 9)
                for answer in run.answers[12:]:
                    self.assertIn(answer["retry_after_ms"], range(100, 801, 100))
            if len(judged) == CLIENTS:
                return
        self.fail(f"too busy a machine: in {ATTEMPTS} runs only clients {judged} kept to their schedule")


if __name__ == "__main__":
    unittest.main()
