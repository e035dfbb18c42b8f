#!/usr/bin/python3 -B
"""
neighbours.py: the table of what programs do with allowd, made of what their tests have found.

A test of a recipe tells what it has found once it is sure of it ("neighbour:", Recipe.tell in
tests/e2e/recipes.py). Here all of that is collected from the logs of the tests in the build directory,
BUILDDIR, printed, and held against allowd-callers(7) and allowd-watchers(7): a page may say nothing else than the
tests have found, nothing that no test has looked for, and must have a row for each program. Where a share
of the tests was run (ALLOWD_SHARE) the rest of the table is empty. And each recipe of etc/examples/README.md
must be one that a test runs, or marked untested.
"""
import collections
import os
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
IS_WHOLE = os.environ.get("ALLOWD_SHARE", "all") in ("", "all")

# A page, and what the columns of its tables are called by the tests.
PAGES = {
    "allowd-callers.7": ["burst", "down", "stuck"],
    "allowd-watchers.7": ["reads", "hostile keys", "down", "stuck", "names"],
}


def plain(text):
    """Text of a manual page as its reader sees it."""
    for escape, shown in (("\\&", ""), ("\\(dq", '"'), ("\\(aq", "'"), ("\\(ha", "^"), ("\\(ti", "~"), ("\\(ga", "`"),
                          ("\\e", "\\")):
        text = text.replace(escape, shown)
    return text.removeprefix("Em ")


def rows_of(page):
    """What a page's tables say: of each program, a text for each column."""
    text = (TOP / "man" / page).read_text(encoding="utf-8")
    rows = collections.defaultdict(dict)
    for table in re.findall(r"^\.Bl -column [^\n]*\n(.*?)^\.El$", text, re.M | re.S):
        (_, *columns), *lines = [[plain(cell) for cell in line.removeprefix(".It ").split(" Ta ")]
                                 for line in table.splitlines()]
        for title, *cells in lines:
            rows[title] |= dict(zip(columns, cells, strict=True))
    return rows


def facts_of(build):
    """What the tests have found: of each program and column, a set of texts."""
    facts = collections.defaultdict(lambda: collections.defaultdict(set))
    for path in sorted((build / "tests" / "e2e").glob("test_*.log")):
        if not (TOP / "tests" / "e2e" / f"{path.stem}.py").exists():
            continue
        for fact in re.findall(r"^neighbour: (.*)$", path.read_text(encoding="utf-8", errors="replace"), re.M):
            title, column, what = fact.split(" | ", 2)
            facts[title][column].add(what)
    return facts


def titles_of_tests():
    """The programs whose tests are there, run or not."""
    found = set()
    for path in (TOP / "tests" / "e2e").glob("*.py"):
        found |= set(re.findall(r'^    neighbour = "(.*)"$', path.read_text(encoding="utf-8"), re.M))
    return found


def untested_recipes():
    """The files of etc/examples that the README has in a table, does not call untested, and no test names."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (TOP / "tests" / "e2e").glob("*.py"))
    for line in (TOP / "etc" / "examples" / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| [") and "**untested**" not in line:
            yield from (name for name in re.findall(r"\]\(([^)/]+)\)", line.split(" | ")[0])
                        if f'"{name}"' not in tests and f"/{name}" not in tests)


def print_table(columns, rows):
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    for row in [columns, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()


def main():
    facts = facts_of(pathlib.Path(os.environ.get("BUILDDIR") or TOP / "build"))
    faults = [f"etc/examples/{name} is run by no test" for name in untested_recipes()]
    pages = {page: rows_of(page) for page in PAGES}
    for title in sorted(titles_of_tests()):
        if not any(title in rows for rows in pages.values()):
            faults.append(f"{title} has tests, and is on no page")
    for page, columns in PAGES.items():
        table = []
        for title, said in pages[page].items():
            found = {column: " / ".join(sorted(facts[title][column])) for column in columns}
            table.append([title, *found.values()])
            for column, text in found.items():
                if not text and IS_WHOLE and (column in said or column == "burst"):
                    faults.append(f"{page}: {title}, {column}: no test has found that")
                if text and column in said and text != said[column]:
                    faults.append(f"{page}: {title}, {column}: it says {said[column]}, and the tests have found {text}")
        print_table([page, *columns], table)
    print(*faults, sep="\n")
    print(f"neighbours: {sum(map(len, pages.values()))} programs, {len(faults)} faults")
    sys.exit(bool(faults))


main()
