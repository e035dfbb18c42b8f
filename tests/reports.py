#!/usr/bin/python3 -B
"""
Checks tests/reports.md: each row says what users met elsewhere, what allowd does now and which tests show it, and each test
is there and belongs to the suite. And holds the manuals to it that they say what allowd does not have.
"""
import re
import unittest

import hostile
import promises

TABLE = hostile.TOP / "tests" / "reports.md"
ROWS_LEAST = 50  # a table that was not read would have no faults either
HEADS = ("| what users met |", "| what was found |", "| what is asked for |", "|---")
FAULTY = """\
| a user | a cure | |
| a user | a cure |
| a user | | `tests/windows.py` |
| a user | a cure | By hand |
| a user | a cure | `tests/nowhere.py` |
| a user | a cure | `tests/reports.py: test_nothing` |
"""
# What is not there: the text that says so, and in which words.
NOT_THERE = [
    ("man/allowd.yaml.5", "a bucket refills evenly, whatever the date"),
    ("man/allowd.yaml.5", "for 1000, a burst of 500 and 500/30d."),
    ("man/allowd.yaml.5", "A denied request takes nothing and has no consequence, so whoever goes on asking gets what the "
                          "rate gives, for ever."),
    ("man/allowd.yaml.5", "To lock somebody out for a time, write an override with"),
]


def rows(text):
    return [line for line in text.splitlines() if line.startswith("|") and not line.startswith(HEADS)]


def row_faults(row):
    cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip("|"))]
    if len(cells) != 3 or not all(cells):
        return ["it has not three cells with something in each"]
    tests = cells[2].split("`")[1::2]
    return ["it names no test"] if not tests else [fault for test in tests for fault in hostile.test_faults(test)]


class Reports(unittest.TestCase):
    def test_faulty_rows_are_found(self):
        for row in rows(FAULTY):
            with self.subTest(row):
                self.assertNotEqual(row_faults(row), [])
        self.assertEqual(len(rows(FAULTY)), len(FAULTY.splitlines()))

    def test_all_rows_hold(self):
        table = rows(TABLE.read_text(encoding="utf-8"))
        self.assertGreaterEqual(len(table), ROWS_LEAST)
        self.assertEqual({row: faults for row in table if (faults := row_faults(row))}, {})
        print(f"{len(table)} rows, each with its tests")


class Manuals(unittest.TestCase):
    def assert_said(self, said):
        texts = {name: " ".join(promises.sentences(name)) for name, _ in said}
        self.assertEqual([(name, words) for name, words in said if words not in texts[name]], [])

    def test_they_say_what_is_not_there(self):
        self.assert_said(NOT_THERE)


if __name__ == "__main__":
    unittest.main()
