#!/usr/bin/python3 -B
"""
Runs the tests that tests/rfc.md names, a row for each rule of RFC 9110 and 9112, and prints its rows with what came
of them. Fails if a test fails, is skipped or is not there, and if one of tests/e2e/test_rfc.py is in no row.

The daemon is that of harness.py; programs of tests/unit are in the build directory, BUILDDIR.
"""
import collections
import io
import os
import pathlib
import re
import subprocess
import sys
import unittest

import hostile

TOP = hostile.TOP
BUILD = pathlib.Path(os.environ.get("BUILDDIR") or TOP / "build")
TABLE = TOP / "tests" / "rfc.md"
RULES = "tests/e2e/test_rfc.py"
ROWS_LEAST = 70
HEADS = ("| section | rule |", "|---")
FAULTY = """\
| 9110 1 | rule | does | |
| 9110 1 | rule | does |
| 9110 | rule | does | `tests/unit/test_gate.c: good_headers_pass` |
| 9113 1 | rule | does | `tests/unit/test_gate.c: good_headers_pass` |
| 9110 1 | rule | does | `tests/unit/test_gate.c: good_headers` |
| 9110 1 | rule | does | `tests/e2e/test_rfc.py: test_nothing` |
| 9110 1 |  | does | `tests/unit/test_gate.c: good_headers_pass` |
"""

Row = collections.namedtuple("Row", "section rule does tests")


def read(text):
    """The rows of a table, each a Row, and what is wrong with those that are none."""
    rows, faults = [], {}
    for line in text.splitlines():
        if line.startswith("|") and not line.startswith(HEADS):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if wrong := row_faults(cells):
                faults[line] = wrong
            else:
                rows.append(Row(*cells[:3], [test for named in cells[3].split("`")[1::2] for test in tests_of(named)]))
    return rows, faults


def row_faults(cells):
    if len(cells) != 4 or "" in cells:
        return ["it has not four cells with something in each"]
    if not re.fullmatch(r"911[012] [0-9A-C.]+(, (911[012] )?[0-9A-C.]+)*", cells[0]):
        return [f'"{cells[0]}" is no section of RFC 9110, 9111 or 9112']
    named = cells[3].split("`")[1::2]
    if not named:
        return ["it names no test"]
    return [fault for one in named for fault in hostile.test_faults(one)]


def tests_of(named):
    """("PATH", "NAME") for each of "PATH: NAME, NAME"; for a whole program the name is empty."""
    path, _, names = named.partition(":")
    return [(path, name) for name in re.findall(r"[^\s,]+", names)] or [(path, "")]


# ---- running them ----

class Results(unittest.TextTestResult):
    """Also remembers what came of each test."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.bad = set()

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error is not None:
            self.bad.add(test.id())

    def addError(self, test, error):
        super().addError(test, error)
        self.bad.add(test.id())     # of a class: all of it, see run_python

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.bad.add(test.id())

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.bad.add(test.id())


def run_python(path, names):
    """Which of the tests of a file pass, where a name may be in several of its classes."""
    sys.path.insert(0, str((TOP / path).parent))
    module = __import__(pathlib.Path(path).stem)
    cases = [(case, name) for case in vars(module).values()
             if isinstance(case, type) and issubclass(case, unittest.TestCase) and case.__module__ == module.__name__
             for name in names if name in vars(case)]
    if {name for _, name in cases} != set(names):
        raise AssertionError(f"{path} has not all of {names}")
    said = io.StringIO()
    suite = unittest.TestSuite(case(name) for case, name in cases)
    results = unittest.TextTestRunner(stream=said, resultclass=Results).run(suite)
    if not results.wasSuccessful() or results.skipped:
        print(said.getvalue(), flush=True)
    fixture_failed = any(not hasattr(test, "_testMethodName") for test, _ in results.errors)
    return {name for name in names
            if not fixture_failed and not any(bad.endswith("." + name) for bad in results.bad)}


def run_c(path, names):
    """The same of a program of cmocka. A test that is run in several ways has their names behind its own."""
    done = subprocess.run([BUILD / path.removesuffix(".c")], cwd=BUILD, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        print(done.stdout, flush=True)
    told = re.findall(r"^\[ +(\w+) +\] (\w+)$", done.stdout, re.M)

    def passes(name):
        own = {state for state, test in told if state != "RUN" and re.fullmatch(rf"{name}(_hosted|_beside)?", test)}
        return own == {"OK"}
    return {name for name in names if (done.returncode == 0 if name == "" else passes(name))}


def run(wanted):
    """Those of ("PATH", "NAME") that pass."""
    by_path = collections.defaultdict(list)
    for path, name in sorted(wanted):
        by_path[path].append(name)
    return {(path, name) for path, names in by_path.items()
            for name in (run_python if path.endswith(".py") else run_c)(path, names)}


# ---- the table ----

class Rules(unittest.TestCase):
    def test_faulty_rows_are_found(self):
        rows, faults = read(FAULTY)
        self.assertEqual((rows, len(faults)), ([], len(FAULTY.splitlines())))

    def test_a_test_that_fails_is_found(self):
        class Sometimes(unittest.TestCase):
            def test_good(self):
                pass

            def test_bad(self):
                self.fail()

            def test_worse(self):
                with self.subTest("a"):
                    self.fail()

            def test_skipped(self):
                self.skipTest("for this")

        results = unittest.TextTestRunner(stream=io.StringIO(), resultclass=Results).run(
            unittest.defaultTestLoader.loadTestsFromTestCase(Sometimes))
        self.assertEqual({bad.rpartition(".")[2] for bad in results.bad}, {"test_bad", "test_worse", "test_skipped"})

    def test_each_rule_is_tested_and_holds(self):
        rows, faults = read(TABLE.read_text(encoding="utf-8"))
        self.assertEqual(faults, {})
        self.assertGreaterEqual(len(rows), ROWS_LEAST)
        wanted = {test for row in rows for test in row.tests}
        of_rules = set(re.findall(r"^    def (test_\w+)\(", (TOP / RULES).read_text(encoding="utf-8"), re.M))
        self.assertEqual(of_rules - {name for path, name in wanted if path == RULES}, set(),
                         "tests of test_rfc.py that are in no row")
        passed = run(wanted)
        for row in rows:
            bad = [test for test in row.tests if test not in passed]
            print(f"{'ok' if not bad else 'FAILS':5} {row.section:20} {row.rule}: {row.does}")
            print("      by " + ", ".join(name or path for path, name in row.tests), flush=True)
        print(f"{len(rows)} rules, {len(wanted)} tests, {len(wanted - passed)} of them failed", flush=True)
        self.assertEqual(wanted - passed, set())


if __name__ == "__main__":
    unittest.main()
