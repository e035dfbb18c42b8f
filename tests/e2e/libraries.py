"""
libmicrohttpd as the daemon runs with it: its version, and what it answers by itself.

tests/libraries.md is the table of that.
"""
import ctypes
import functools
import pathlib
import re

from harness import TOP

COLUMNS = ("what comes in", "0.9.75", "1.0", "why")


@functools.cache
def answers():
    """Of each row: what comes in, and the answers of both libraries."""
    text = (TOP / "tests" / "libraries.md").read_text(encoding="utf-8")
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|"))
            for line in text.splitlines() if line.startswith("|")]
    if rows[0] != COLUMNS:
        raise AssertionError(f"the columns of libraries.md are {rows[0]}, not {COLUMNS}")
    found = {row[0]: row[1:3] for row in rows[2:]}
    if len(found) != len(rows) - 2:
        raise AssertionError("two rows of libraries.md are about the same")
    return found


def version(daemon):
    """That of the library that the daemon has loaded."""
    maps = pathlib.Path(f"/proc/{daemon.process.pid}/maps").read_text(encoding="utf-8")
    path = re.search(r"\S*/libmicrohttpd\.so\S*", maps)[0]
    of_library = ctypes.CDLL(path).MHD_get_version
    of_library.restype = ctypes.c_char_p
    return of_library().decode("ascii")


def answer(daemon, comes_in):
    """What the table says of a row, for the library that the daemon runs with."""
    before_1_0, from_1_0 = answers()[comes_in]
    return before_1_0 if version(daemon).startswith("0.") else from_1_0
