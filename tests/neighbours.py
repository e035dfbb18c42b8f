#!/usr/bin/python3 -B
"""
neighbours.py: the table of what programs do with allowd, made of what their tests have found.

A test of a recipe tells what it has found once it is sure of it ("neighbour:", Recipe.tell in
tests/e2e/recipes.py). Here all of that is collected from the logs of the tests in the build directory,
BUILDDIR, printed, and held against allowd-callers(7) and allowd-watchers(7): a page may say nothing else
than the tests have found, nothing that no test has looked for, and must have a row for each program. What
the README of etc/examples says of them must be the same, and each of its recipes must be one that a test
runs, or marked untested.

Where a share of the tests was run (ALLOWD_SHARE), or one was skipped, the rest of the table is empty.
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
    """The programs whose tests are there, run or not, for each file of tests."""
    return {path.stem: set(re.findall(r'^    neighbour = "(.*)"$', path.read_text(encoding="utf-8"), re.M))
            for path in (TOP / "tests" / "e2e").glob("*.py")}


def skipped_titles(build, titles):
    """Those of which a test was skipped, as it says: what is not there cannot be found."""
    return set().union(*(titles[path.stem] for path in (build / "tests" / "e2e").glob("test_*.log") if path.stem in titles
                         and re.search(r"^OK \(skipped=", path.read_text(encoding="utf-8", errors="replace"), re.M)))


def readme_rows():
    """The rows of the README's tables of recipes: the files, and all cells."""
    for line in (TOP / "etc" / "examples" / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("| ["):
            cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
            yield re.findall(r"\]\(([^)/]+)\)", cells[0]), cells


def names_file(tests, name):
    return f'"{name}"' in tests or f"/{name}" in tests


def untested_recipes():
    """The files that the README has in a table, does not call untested, and no test names."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (TOP / "tests" / "e2e").glob("*.py"))
    for names, cells in readme_rows():
        if "**untested**" not in cells[-1]:
            yield from (name for name in names if not names_file(tests, name))


def readme_claims():
    """What the README says of a program with allowd down, or down and stuck: the program, the column and the text."""
    classes = [text for path in (TOP / "tests" / "e2e").glob("test_*.py")
               for text in re.split(r"^class ", path.read_text(encoding="utf-8"), flags=re.M)[1:]]
    for names, cells in readme_rows():
        titles = [found[1] for text in classes if names and names_file(text, names[0])
                  and (found := re.search(r'^    neighbour = "(.*)"$', text, re.M))]
        for claim in (found for cell in cells[1:] if (found := re.match(r"(open|closed)\b(?:.*stuck, after (\S+) s)?", cell))):
            for title in titles:
                yield title, "down", claim[1]
                if claim[2]:
                    yield title, "stuck", f"{claim[1]}, {claim[2]} s"


def print_table(columns, rows):
    widths = [max(len(row[at]) for row in [columns, *rows]) for at in range(len(columns))]
    for row in [columns, ["-" * width for width in widths], *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()


def main():
    build = pathlib.Path(os.environ.get("BUILDDIR") or TOP / "build")
    facts = facts_of(build)
    titles = titles_of_tests()
    skipped = skipped_titles(build, titles)
    faults = [f"etc/examples/{name} is run by no test" for name in untested_recipes()]
    pages = {page: rows_of(page) for page in PAGES}
    for title in sorted(set().union(*titles.values())):
        if not any(title in rows for rows in pages.values()):
            faults.append(f"{title} has tests, and is on no page")
    for page, columns in PAGES.items():
        table = []
        for title, said in pages[page].items():
            found = {column: " / ".join(sorted(facts[title][column])) for column in columns}
            table.append([title, *found.values()])
            for column, text in found.items():
                if not text and IS_WHOLE and title not in skipped and (column in said or column == "burst"):
                    faults.append(f"{page}: {title}, {column}: no test has found that")
                if text and column in said and text != said[column]:
                    faults.append(f"{page}: {title}, {column}: it says {said[column]}, and the tests have found {text}")
        print_table([page, *columns], table)
    for title, column, claim in readme_claims():
        if facts[title][column] - {claim}:
            faults.append(f"README.md: {title}, {column}: it says {claim}, and the tests have found {facts[title][column]}")
    print(*faults, sep="\n")
    print(f"neighbours: {sum(map(len, pages.values()))} programs, {len(faults)} faults")
    sys.exit(bool(faults))


main()
