#!/usr/bin/python3 -B
"""
Checks tests/promises.md: what README, SECURITY.md and the manuals promise, and the tests that show it.

The words of each row stand in the text that its heading names, and each test is there and belongs to the suite. The other
way round, each sentence that says never, always, nobody or nothing is in a row, or in the list of those that promise nothing.
"""
import os
import pathlib
import re
import unittest

import hostile

TOP = pathlib.Path(os.environ.get("TOP_SRCDIR") or pathlib.Path(__file__).resolve().parents[1])
TEXTS = ["README.md", "SECURITY.md", "man/allowd.8", "man/allowd.yaml.5", "man/allowd-http.7", "man/allowd-fleet.7", "man/allowctl.8"]
STRONG = re.compile(r"\b(never|always|nobody|nothing)\b", re.I)
NO_PROMISE = "No promises"
ROWS_LEAST = 100  # a table that was not read would have no faults either

# What a line of a manual that is no text begins a sentence or an entry with.
BREAKS = r"\.(Pp|It|El|Bl|Sh|Ss|Xo|Xc|Bd|Ed)\b"
MARKS = r"\.?\b(Ic|Cm|Ar|Li|Ql|Dv|Xr|Pa|Fl|Sx|Nm|Ev|Sq|Dq|Pq|Fn|Em|Dl|D1|Ns|No|Qq|Brq|Bq|Ap|Po|Pc) "


def manual(source):
    """The words of a manual, a paragraph or an entry of a list a line."""
    source = re.sub(r"^\.Bd.*?^\.Ed$", "", source, flags=re.M | re.S)
    lines = []
    for line in source.split("\n"):
        starts = re.match(BREAKS, line) is not None
        words = re.sub(BREAKS + r" ?", "", line) + " "
        if line.startswith("."):
            words = re.sub(MARKS, "", words)
        lines.append(("\n" if starts else "") + words + ("\n" if starts else ""))
    return "".join(lines).replace("\\&", "").replace("\\(dq", '"').replace("\\e", "\\")


def markdown(source):
    source = re.sub(r"```.*?```", "", source, flags=re.S)
    return re.sub(r"(?<!\n)\n(?![\n|#*-])", " ", source)


def tidy(text):
    """One blank between words and none before a comma, as in a table's row, and no marks of Markdown."""
    text = re.sub(r"[`*]", "", text)
    return re.sub(r" +([,.;:)])", r"\1", re.sub(r"\s+", " ", text)).strip()


def sentences(name):
    source = (TOP / name).read_text(encoding="utf-8")
    text = markdown(source) if name.endswith(".md") else manual(source)
    return [tidy(part) for part in re.split(r"(?<=[.;])\s+|\n+|\|", text) if part.strip()]


def rows():
    """For each heading, the cells of its rows: the words and the tests."""
    found, heading = {}, None
    for line in (TOP / "tests" / "promises.md").read_text(encoding="utf-8").split("\n"):
        if line.startswith("## "):
            heading = line[3:]
            found[heading] = []
        elif line.startswith("| ") and not line.startswith(("| words", "|---")):
            found[heading].append([cell.strip() for cell in line.strip("|").split(" | ")])
        elif heading == NO_PROMISE and line.startswith("- "):
            found[heading].append(line[2:])
    return found


class Promises(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.rows = rows()
        self.no_promises = [tidy(words) for words in self.rows.pop(NO_PROMISE)]
        self.texts = {name: sentences(name) for name in TEXTS}

    def test_there_are_rows(self):
        self.assertEqual(list(self.rows), TEXTS)
        self.assertGreaterEqual(sum(map(len, self.rows.values())), ROWS_LEAST)

    def test_each_promise_is_made(self):
        missing = [(name, words) for name in TEXTS for words, _ in self.rows[name]
                   if not any(tidy(words) in sentence for sentence in self.texts[name])]
        self.assertEqual(missing, [])

    def test_each_has_its_tests(self):
        faults = []
        for name in TEXTS:
            for words, shown in self.rows[name]:
                tests = shown.split("`")[1::2]
                faults += [(words, fault) for test in tests for fault in hostile.test_faults(test)]
                if not tests and "By hand" not in shown:
                    faults.append((words, "it names no test"))
        self.assertEqual(faults, [])

    def test_each_strong_word_is_a_promise_that_is_tested(self):
        untested = []
        for name in TEXTS:
            known = [tidy(words) for words, _ in self.rows[name]] + self.no_promises
            untested += [f"{name}: {sentence}" for sentence in self.texts[name]
                         if STRONG.search(sentence) and not any(words in sentence for words in known)]
        self.assertEqual(untested, [])

    def test_what_promises_nothing_is_still_there(self):
        gone = [words for words in self.no_promises
                if not any(words in sentence for text in self.texts.values() for sentence in text)]
        self.assertEqual(gone, [])


if __name__ == "__main__":
    unittest.main()
