#!/usr/bin/python3 -B
"""
The demonstration of the README, with curl: burst 10, 1/s, tick 100ms.

Three clients at once send 15 requests each, one every 200 ms. Each is allowed
its first 12 and denied the last 3: by the 12th request two tokens have come
back, and by the 15th, 2.8 s after the first, not yet a third. On a machine that
is too busy for that, each answer is held against when it was asked for.
"""
import json
import subprocess
import threading
import time
import unittest

from harness import PATIENCE_S, Case

CLIENTS, REQUESTS, EVERY_S, TICK_S, BURST, RATE_PER_S = 3, 15, 0.2, 0.1, 10, 1
ATTEMPTS = 5


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

    def must_be(self):
        """What each answer must be, however slow the machine is: of those before it, as they were. None: it may be either."""
        least, spent, statuses = BURST, 0, []
        for i, (before, after) in enumerate(self.times):
            if i > 0:
                ticks = max(0, int((before - self.times[i - 1][1]) / TICK_S))
                least = min(BURST, least + ticks * TICK_S * RATE_PER_S)
            most = BURST + (int((after - self.times[0][0]) / TICK_S) + 1) * TICK_S * RATE_PER_S - spent
            statuses.append(429 if most < 1 - 1e-9 else 200 if least >= 1 - 1e-9 else None)
            spent += self.statuses[i] == 200
            least = max(0, least - (self.statuses[i] == 200))
        return statuses


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
                self.assertEqual([must_be or status for must_be, status in zip(run.must_be(), run.statuses)],
                                 run.statuses, run.times)
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


if __name__ == "__main__":
    unittest.main()
