#!/usr/bin/python3 -B
"""
Checks tests/hostile.md: each row says what comes in, what allowd does and which tests show it, or
how it was tried by hand; each test named is there, and belongs to the suite. And tests/libraries.md:
each row is tested.
"""
import os
import pathlib
import re
import unittest

TOP = pathlib.Path(os.environ.get("TOP_SRCDIR") or pathlib.Path(__file__).resolve().parents[1])
MAKEFILE_WORDS = {word for name in ("Makefile.am", "tests/tests.am")
                  for word in (TOP / name).read_text(encoding="utf-8").split()}
ROWS_LEAST = 80     # a table that was not read would have no faults either
ANSWERS_LEAST = 20
FAULTY = """\
| in | out | |
| in | out |
| in | out | tried |
| in | out | `tests/e2e/test_nowhere.py` |
| in | out | `tests/e2e/harness.py` |
| in | out | `tests/e2e/test_load.py: test_nothing` |
| in | out | `tests/e2e/test_load.py: test_burst_and` |
| in | out | `tests/e2e/test_load.py`, `tests/unit/test_key.c: refuses_the_empty_key, refuses` |
| in | out | `tests/conf: ok-full, ok-nothing` |
| in | out | `tests/layers.py: layers` |
"""

HIDING = """\
class A:
    def test_a(self):
class B:
    def test_a(self):
    def test_a_too(self):
class A:
    def test_a(self):
    def test_a(self):
"""


def belongs(path):
    """make knows it, and it is a file; tests/conf is a directory of cases."""
    if path == "tests/conf":
        return (TOP / path).is_dir()
    return (TOP / path).is_file() and path.removesuffix(".c") in MAKEFILE_WORDS


def defines(path, name):
    """A case of the configuration, a method of Python, or a function that cmocka is given."""
    if path == "tests/conf":
        case = TOP / path / name
        return case.with_suffix(".yaml").is_file() and any(
            case.with_suffix(suffix).is_file() for suffix in (".error", ".dump"))
    patterns = {".py": rf"^ +def {re.escape(name)}\(self\):",
                ".c": rf"(cmocka_unit_test[a-z_]*|TEST)\({re.escape(name)}[,)]"}
    pattern = patterns.get(pathlib.Path(path).suffix)
    return pattern is not None and re.search(
        pattern, (TOP / path).read_text(encoding="utf-8"), re.M) is not None


def test_faults(test):
    """What is wrong with "PATH" or "PATH: NAME, NAME"."""
    path, _, names = test.partition(":")
    if not belongs(path):
        return [f"{path} is no file of the suite"]
    return [f'{path} has no test "{name}"' for name in re.findall(r"[^\s,]+", names) if not defines(path, name)]


def row_faults(row):
    """What is wrong with a row."""
    cells = row.split("|")
    if len(cells) != 5:
        return ["it has not three cells"]
    tests = cells[3].split("`")[1::2]
    if not tests and "By hand" not in cells[3]:
        return ["it names no test, and does not say how it was tried by hand"]
    return [fault for test in tests for fault in test_faults(test)]


def rows(text):
    """Those of a table, without what heads it."""
    return [line for line in text.splitlines() if re.match(r"\|(?! what comes in |-)", line)]


def names_given_twice(text):
    """Classes and methods of Python that another one of the same name hides, so that its tests never run."""
    twice, classes, methods = [], set(), set()
    for line in text.splitlines():
        if match := re.match(r"class (\w+)|    def (test_\w+)\(", line):
            name, known = (match[1], classes) if match[1] else (match[2], methods)
            if match[1]:
                methods = set()
            if name in known:
                twice.append(name)
            known.add(name)
    return twice


class Hostile(unittest.TestCase):
    """The table, and this check itself."""

    def test_no_test_hides_another(self):
        self.assertEqual(names_given_twice(HIDING), ["A", "test_a"])
        hidden = {path.name: names for path in (TOP / "tests" / "e2e").glob("*.py")
                  if (names := names_given_twice(path.read_text(encoding="utf-8")))}
        self.assertEqual(hidden, {})

    def test_faulty_rows_are_found(self):
        for row in rows(FAULTY):
            with self.subTest(row):
                self.assertNotEqual(row_faults(row), [])

    def test_all_rows_hold(self):
        table = rows((TOP / "tests" / "hostile.md").read_text(encoding="utf-8"))
        self.assertGreaterEqual(len(table), ROWS_LEAST)
        self.assertEqual({row: faults for row in table if (faults := row_faults(row))}, {})
        print(f"{len(table)} rows, each with its tests")

    def test_all_answers_of_the_library_are_tested(self):
        """Each row of tests/libraries.md is in a test that sends such requests, word for word."""
        answers = [row.split("|")[1].strip() for row in
                   rows((TOP / "tests" / "libraries.md").read_text(encoding="utf-8"))]
        tests = "".join((TOP / "tests" / "e2e" / name).read_text(encoding="utf-8")
                        for name in ("test_hostile_http.py", "test_chunked.py"))
        self.assertGreaterEqual(len(answers), ANSWERS_LEAST)
        self.assertEqual([answer for answer in answers if f'"{answer}"' not in tests], [])


if __name__ == "__main__":
    unittest.main()
