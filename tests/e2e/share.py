"""
A share of many cases, for a test that would take too long with all of them.

ALLOWD_SHARE=3/8 takes the third of eight shares; unset, or "all", takes every case. Tests are run
with the share that the commit names (tests/share), so that commits take turns and a run repeats.
"""
import os
import unittest

TEXT = os.environ.get("ALLOWD_SHARE") or "all"
WHICH, OF = map(int, TEXT.split("/")) if TEXT != "all" else (1, 1)
assert 1 <= WHICH <= OF, f"ALLOWD_SHARE is no share, such as 3/8: {TEXT}"
IS_WHOLE = OF == 1


def share_of(cases):
    """Those of the cases that belong to the share."""
    return cases[WHICH - 1::OF]


def load_tests(_loader, suites, _pattern):
    """What unittest asks a program of tests that has this name: all tests of the program, of which those of the share are
    run. Those that are named on the command line are run in any case."""
    return unittest.TestSuite(share_of([test for suite in suites for test in suite]))
