"""The text format of Prometheus, 0.0.4, read strictly; and the programs that read it."""
import os
import re
import shutil
import unittest

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def unescape(value):
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], value)


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        if not match or match[1] in labels:
            raise AssertionError(f"labels: {text!r}")
        labels[match[1]] = unescape(match[2])
        at = match.end()
    return labels


class Metrics:
    """One scrape: families by name, and samples by name and labels."""

    def __init__(self, text):
        self.types, self.helps, self.samples = {}, {}, {}
        if not text.endswith("\n"):
            raise AssertionError("no newline at the end")
        family = None
        for line in text.split("\n")[:-1]:
            if line.startswith("# HELP "):
                _, _, family, self.helps[family] = line.split(" ", 3)
            elif line.startswith("# TYPE "):
                _, _, name, self.types[name] = line.split(" ")
                if name != family:
                    raise AssertionError(f"TYPE without its HELP: {line}")
            else:
                self._add(line, family)
        if set(self.types) != set(self.helps):
            raise AssertionError("HELP and TYPE go together")

    def _add(self, line, family):
        match = SAMPLE.match(line)
        if not match:
            raise AssertionError(f"not a sample: {line!r}")
        name, labels = match[1], parse_labels(match[2] or "")
        base = re.sub(r"_(bucket|sum|count)$", "", name)
        if family not in (name, base if self.types.get(base) == "histogram" else name):
            raise AssertionError(f"outside of its family: {line!r}")
        key = (name, frozenset(labels.items()))
        if key in self.samples:
            raise AssertionError(f"twice: {line!r}")
        self.samples[key] = float(match[3])

    def value(self, name, **labels):
        """One sample's; 0 where a counter has not begun."""
        return self.samples.get((name, frozenset(labels.items())), 0)

    def names(self):
        return {name for name, _ in self.samples}

    def label_values(self):
        return {value for _, labels in self.samples for _, value in labels}


def need(*programs):
    """Where programs are; the test is skipped without, but never in CI."""
    found = []
    for program in programs:
        path = shutil.which(program)
        if path is None and os.environ.get("CI") == "true":
            raise AssertionError(f"{program} is missing; apt-get install prometheus")
        if path is None:
            raise unittest.SkipTest(f"{program} is not installed")
        found.append(path)
    return found
