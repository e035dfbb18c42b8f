"""
What the tests of recipes for those who watch allowd have in common. Some read its log, a file that
grows while they read it, and some ask it.
"""
import contextlib
import json
import string
import urllib.parse

from harness import Connection, request_bytes
from recipes import ALLOWD_ADDRESS, Recipe, replaced

BURST = 20

# Keys that a log holds, and that its readers have to read as they are. Others, with control characters or no UTF-8,
# allowd refuses.
HOSTILE_KEYS = [
    "a b", 'say "hi"', "it's", "back\\slash\\n", '{a="b",} 1 # x', "[1, 2]", "$(id) `id` %s %n ${x} <HOST>",
    "ключ-鍵-🔑", "line\u2028separator", "right\u202eleft", "x" * 255, "\u202e" * 85, "\\" * 255,
    # Who calls himself so is no address, and no line.
    '192.0.2.66","limit":"per-client","x":"',
    '{"time":"2026-01-02T03:04:05.678Z","level":"info","message":"denied","key":"192.0.2.67","limit":"per-client",',
    "192.0.2.68 ", " 192.0.2.69", "192.0.2.70/0", "host.invalid",
]

# What a name of a limit may hold beside letters and digits.
PUNCTUATION = " " + string.punctuation


class Watcher(Recipe):
    """The subclasses say what their program is told, and what it makes of that."""

    allowd_file = "allowd-watched.yaml"

    def configure_allowd(self, config):
        return replaced(config, [("denials: 100/s", "denials: 1000000/s")])  # at once, here

    def count_questions(self):
        raise NotImplementedError  # which takes a log in text

    def write_recipe(self, name, more=()):
        self.write(name, [*self.places(name), *more])

    def places(self, name):
        """What in a recipe is another here."""
        return [(ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}")]

    def call(self, method, target):
        with Connection(("127.0.0.1", self.allowd_port)) as connection:
            connection.send(request_bytes(method, target))
            return connection.receive()

    def allow(self, key, limit="per-client", tokens=1):
        query = urllib.parse.urlencode({"key": key, "limit": limit, "tokens": tokens}, quote_via=urllib.parse.quote)
        return self.call("POST", f"/allow?{query}").status

    def deny(self, key, times=1, limit="per-client"):
        """Has a key denied so often."""
        self.allow(key, limit, BURST)
        for _ in range(times):
            self.assertEqual(self.allow(key, limit), 429)

    def reload_with_names(self, names):
        """Has allowd take limits of these names besides, of which each has one token."""
        with open(self.daemon.config_path, encoding="utf-8") as file:
            config = file.read()
        self.daemon.reload(replaced(config, [("limits:\n", "limits:\n" + "".join(
            f"  - {json.dumps({'name': name, 'burst': BURST, 'rate': '1/d'})}\n" for name in names))]))


def odd_names(mangled):
    """Names of limits: one of all punctuation but what a watcher mangles, and one for each that it does."""
    return ["a" + "".join(c for c in PUNCTUATION if c not in mangled) + "b", *(f"a{c}b" for c in mangled)]


class LogReader(Watcher):
    """One that reads the log."""

    def under(self):
        self.log_path = self.directory / "allowd.log"
        return ["bash", "-c", 'exec "$@" 2> >(exec tee -a "$0" >&2)', str(self.log_path)]

    def places(self, name):
        return [("/var/log/", f"{self.directory}/")]


def lines_of_json(path):
    """The lines of a file that somebody still writes; each must be one object."""
    with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.endswith("\n")]
    return []
