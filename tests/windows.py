#!/usr/bin/python3 -B
"""
Holds what manuals and examples say of numbers in a time against what their limits let through, in virtual time.

"At most N in any hour" is a promise; a bucket as large as an hour's rate would let almost twice the number through. Each
such sentence has its row here, and each row an example in the same text; the most that can pass is N exactly.
"""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

TOP = pathlib.Path(os.environ.get("TOP_SRCDIR") or pathlib.Path(__file__).resolve().parents[1])
BUILD = pathlib.Path(os.environ.get("BUILDDIR", "."))
SECOND_MS, MINUTE_MS, HOUR_MS = 1000, 60_000, 3_600_000

# The text, what it says, the limit in it, a key, how many at most in which time.
PROMISES = [
    ("man/allowd.yaml.5", "at most ten passwords in any hour", "login", "a", 10, HOUR_MS),
    ("man/allowd.yaml.5", "at most 1000 in any hour", "search", "search:a", 1000, HOUR_MS),
    ("man/allowd-migrating.7", "at most 20 in any minute", "mail", "mail:a", 20, MINUTE_MS),
    ("etc/allowd.yaml", "at most 1000 in any hour", "search", "search:a", 1000, HOUR_MS),
    ("etc/allowd.yaml", "at most 10 in any hour", "login", "a", 10, HOUR_MS),
    ("README.md", "up to 15 in an hour", "login", "login:a", 15, HOUR_MS),
    ("README.md", "at most 10000 in any hour", "api", "api:a", 10000, HOUR_MS),
]
# What the tests of the rule below show, without a configuration in the text.
SHOWN_BELOW = {("man/allowd.yaml.5", "at most ten in any hour")}
TEXTS = ["man/allowd.yaml.5", "man/allowd-migrating.7", "etc/allowd.yaml", "README.md", "etc/examples/README.md",
         "etc/examples/allowd-checks.yaml", "etc/examples/allowd-answers.yaml"]
NUMBER = r"(?:\d[\d,]*|one|two|three|four|five|six|ten|twenty|hundred)"
PERIOD = r"(?:second|minute|hour|day|week|month)"
# A number in a time. "10 a second" alone is a rate, in the long run.
PROMISE = re.compile(rf"(?:at most|more than|up to)\s{NUMBER}\b(?:\s\w+){{0,2}}\s(?:in any|in an?|an?|per|each)\s{PERIOD}"
                     rf"|{NUMBER}(?:\s\w+)?\s(?:an hour|a minute|a day|a month|in any {PERIOD})", re.I)


def read(name):
    """A text in one line: without the marks of comments, manuals and line ends."""
    lines = (TOP / name).read_text(encoding="utf-8").split("\n")
    if name.endswith(".yaml"):
        lines = [line.lstrip("# ") for line in lines]
    return re.sub(r"\s+", " ", " ".join(lines))


def blocks(name):
    """The configurations in a text, each with its limits."""
    text = (TOP / name).read_text(encoding="utf-8")
    if name.endswith((".5", ".7")):
        found = re.findall(r"^\.Bd [^\n]*\n(.*?)^\.Ed", text, re.M | re.S)
        found = [re.sub(r"^\.[^\n]*\n", "", block, flags=re.M) for block in found]
    elif name.endswith(".md"):
        found = re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S)
        found += re.findall(r"<<'END'\n(.*?)^END", text, re.M | re.S)
    else:
        limits = text[text.index("\nlimits:") + 1:]
        limits = re.split(r"\n# Checks ", limits)[0]
        found = [re.sub(r"^#", "", limits, flags=re.M)]
    return [block for block in found if "limits:" in block]


def measure(config, limit, key, window_ms):
    """The most that pass in a window, and the least and greatest wait of a client that always asks."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
        file.write(config)
        file.flush()
        run = subprocess.run([BUILD / "tests/prop/windows", file.name, limit, key, str(window_ms)],
                             stdout=subprocess.PIPE, check=True, encoding="ascii")
    waits = re.search(r"^waits (\d+) (\d+)$", run.stdout, re.M)
    most = re.search(r"^most (\d+)$", run.stdout, re.M)
    return int(most[1]), (int(waits[1]), int(waits[2]))


def one_limit(burst, rate, tick="100ms"):
    return f"tick: {tick}\nlimits: [{{name: default, burst: {burst}, rate: {rate}}}]\n"


class Promises(unittest.TestCase):
    def test_no_more_than_the_text_says(self):
        for name, sentence, limit, key, most, window_ms in PROMISES:
            with self.subTest(name=name, sentence=sentence):
                self.assertTrue(sentence in read(name), "the text does not say so")
                examples = [block for block in blocks(name) if re.search(rf"name: {limit}\b", block)]
                self.assertEqual(len(examples), 1, "which example is it?")
                self.assertEqual(measure(examples[0], limit, key, window_ms)[0], most)

    def test_no_text_promises_anything_else(self):
        for name in TEXTS:
            known = [sentence for text, sentence, *_ in [*PROMISES, *SHOWN_BELOW] if text == name]
            rest = read(name)
            for sentence in known:
                rest = rest.replace(sentence, "")
            self.assertEqual([found[0] for found in PROMISE.finditer(rest)], [], name)


class Rule(unittest.TestCase):
    """The rule of allowd.yaml(5): at most N in any W where burst and what the rate comes to in W are N together."""

    def test_burst_and_rate_together(self):
        for burst, rate, window_ms, most in ((5, "5/h", HOUR_MS, 10), (1, "9/h", HOUR_MS, 10),
                                             (9, "1/h", HOUR_MS, 10), (30, "30/m", MINUTE_MS, 60),
                                             (40, "7/m", 3 * MINUTE_MS, 61)):
            self.assertEqual(measure(one_limit(burst, rate), "default", "a", window_ms)[0], most)

    def test_a_bucket_as_large_as_its_rate_lets_almost_twice_as_many_through(self):
        for burst, rate, window_ms, most in ((10, "10/h", HOUR_MS, 20), (5, "10/h", HOUR_MS, 15),
                                             (5, "10/20s", 20 * SECOND_MS, 15)):
            self.assertEqual(measure(one_limit(burst, rate), "default", "a", window_ms)[0], most)

    def test_in_any_30_days(self):
        """What allowd.yaml(5) advises those who ask for windows by the calendar."""
        self.assertEqual(measure(one_limit(500, "500/30d", "10s"), "default", "a", 30 * 24 * HOUR_MS)[0], 1000)

    def test_who_goes_on_asking_gets_what_the_rate_gives(self):
        """There is no penalty: one that asks all the time is let through once each two seconds, for ever."""
        most, waits = measure(one_limit(5, "5/10s"), "default", "a", 100 * SECOND_MS)
        self.assertEqual((most, waits[1]), (5 + 50, 2000))

    def test_where_a_tick_brings_a_token_it_counts(self):
        self.assertEqual(measure(one_limit(10, "10/s"), "default", "a", 950)[0], 10 + 10)


class BurstOfOne(unittest.TestCase):
    """What allowd.yaml(5) says of ticks and a burst of 1."""

    def test_what_a_tick_brings_beyond_a_token_is_lost(self):
        most, waits = measure(one_limit(1, "7/s"), "default", "a", 100 * SECOND_MS)
        self.assertEqual(waits[1], 200)
        self.assertEqual(most, 501)  # one of them from the full bucket

    def test_a_tenth_of_the_time_of_a_token_is_fine(self):
        for rate, tick, token_ms in (("7/s", "10ms", 143), ("1/s", "100ms", 1000), ("10/s", "10ms", 100)):
            least, most = measure(one_limit(1, rate, tick), "default", "a", 10 * SECOND_MS)[1]
            self.assertGreaterEqual(least, token_ms * 0.9)
            self.assertLessEqual(most, token_ms * 1.1)

    def test_two_may_pass_on_both_sides_of_a_tick(self):
        self.assertEqual(measure(one_limit(1, "10/s"), "default", "a", 1)[0], 2)


if __name__ == "__main__":
    unittest.main()
