"""
One run of the bench: what every row is given, and what it leaves for the report.

Owns the folder for what servers write, and bench.json in the build directory, which keeps what
was found: so rows can be measured again one by one, and the report is of all of them.
"""
import contextlib
import datetime
import json
import os
import sys
import tempfile


class Run:
    """Its settings are plain attributes; rows read them and change none."""

    def __init__(self, build, rounds, seconds, folder):
        self.build = os.path.abspath(build)    # the build directory
        self.allowd = os.path.join(self.build, "allowd")
        self.rounds = rounds                   # of everybody's turns
        self.seconds = seconds                 # a turn
        cores = sorted(os.sched_getaffinity(0))
        self.server_core, self.client_core = cores[0], cores[-1]
        self.has_two_cores = len(cores) > 1
        self.folder = folder
        self.checked = set()                   # peers that were (peers_check.py)
        self.rows = ()                         # of goals.py that are measured, if not all
        self.found = {"goals": {}, "tables": {}, "series": {}}
        self._results = {}
        self._shown = 0

    # -- what is measured --

    def once(self, function):
        """What function(run) returns; it is called the first time only."""
        if function not in self._results:
            self._results[function] = function(self)
        return self._results[function]

    def table(self, title, columns, rows):
        """Puts a table of absolute figures into the report; one of the same title gives way."""
        self.found["tables"][title] = {"columns": [str(column) for column in columns],
                                       "rows": [[str(cell) for cell in row] for row in rows]}

    def series(self, name, columns, rows):
        """Figures for a plot (plots.py): each row is a name and its numbers."""
        self.found["series"][name] = {"columns": [str(column) for column in columns],
                                      "rows": [list(row) for row in rows]}

    def keep(self, goal, finding, others):
        """A row's finding, for the report; others: their share of the machine meanwhile."""
        self.found["goals"][goal.name] = dict(
            finding._asdict(), others=others, rounds=self.rounds, seconds=self.seconds,
            date=datetime.datetime.now(datetime.timezone.utc).isoformat(" ", "minutes")[:16])
        self.save()

    # -- bench.json --

    def path(self):
        """Where findings are kept."""
        return os.path.join(self.build, "bench.json")

    def load(self):
        """What earlier runs found."""
        with contextlib.suppress(FileNotFoundError), open(self.path(), encoding="utf-8") as kept:
            self.found = json.load(kept)

    def save(self):
        """For later ones."""
        with open(self.path() + ".new", "w", encoding="utf-8") as out:
            json.dump(self.found, out, indent=1)
        os.rename(self.path() + ".new", self.path())

    # -- the terminal --

    def progress(self, text):
        """One line on the terminal, which the next takes the place of."""
        if sys.stderr.isatty():
            print(f"\r{text:{self._shown}}", end="", file=sys.stderr, flush=True)
            self._shown = len(text)

    def end_progress(self):
        """Before anything else is printed."""
        if self._shown:
            print("\r" + " " * self._shown + "\r", end="", file=sys.stderr, flush=True)
            self._shown = 0


@contextlib.contextmanager
def new_run(build, rounds, seconds):
    """A run; its folder goes with it."""
    with tempfile.TemporaryDirectory(prefix="allowd-bench-") as folder:
        yield Run(build, rounds, seconds, folder)
