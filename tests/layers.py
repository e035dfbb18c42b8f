#!/usr/bin/env python3
"""Checks the structure of src/: rooms, layers, where a library may be used, and that no files form a circle.

A room is a folder. Each includes only itself and the rooms named here, and a folder that is not
named is a fault. Circles are looked for twice: among headers and sources that include each other,
and among the built objects that call each other (nm tells), for a declaration can stand anywhere.
In a room of peers no file knows another, but for the table that lists them.
"""
import collections
import os
import re
import subprocess
import sys

TOP = os.environ.get("TOP_SRCDIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
SRC = os.path.join(TOP, "src")
BUILD = os.environ.get("BUILDDIR")

# What C itself gives, without threads, clocks, files or a log.
PLAIN = r"<(assert|inttypes|limits|stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings)\.h>"
# What of base/ has neither a thread nor a clock nor a system in it; ip.h only reads and writes addresses.
PURE = r"base/(arena|ascii|bytes|date|file_look|form|glob|histogram|ip|least|quantity|quote|text|token|utf8)\.h"

# Each room, from the bottom up, and what it may include.
ROOMS = {
    "base": r'"base/|<',
    "log": r'"(base|log)/|<',
    "limits": rf'"({PURE}|limits/)|{PLAIN}',
    "table": rf'"({PURE}|limits/|table/)|{PLAIN}|<sodium/crypto_shorthash|<sys/mman\.h>',
    "keep": rf'"({PURE}|limits/|table/|keep/)|{PLAIN}|<(errno|fcntl|signal|unistd)\.h>|<linux/magic\.h>|<sys/(eventfd|file|mman|stat|statfs)\.h>',
    "brain": rf'"({PURE}|limits/|table/|keep/|brain/)|{PLAIN}|<sys/mman\.h>',
    "actor": rf'"(base|log|limits|table|keep|brain|actor)/|{PLAIN}|<(errno|fcntl|pthread|sched|semaphore|time|unistd)\.h>|<sys/eventfd\.h>',
    "ask": r'"(base|log|limits|brain|ask)/|<',
    "page": rf'"({PURE}|base/digest\.h|page/)|{PLAIN}',
    "fleet": rf'"(base|log|limits|brain|actor|fleet)/|<',
    "http": r'"(base|log|limits|brain|actor|ask)/|"http/[^/]*\.h"|<',
    "http/dialects": r'"(base|limits|brain|ask|http/dialects)/|"http/[^/]*\.h"|<',
    "http/routes": r'"(base|log|limits|brain|actor|ask|page|http/routes)/|"http/[^/]*\.h"|<',
    "http/wire": r'"(base|log|limits|brain|actor|ask|http)/|<',
    "resp": r'"(base|log|limits|brain|actor|ask|resp)/|<',
    "config": r'"(base|limits|ask|config)/|"(fleet/(fleet|stores)|brain/(message|order|sampler)|log/settings|table/table)\.h"|<',
    "migrate": r'"(base|migrate)/|"(limits/(credit|limits)|ask/check|config/(faults|file|text))\.h"|<',
    "daemon": r'"(base|log|limits|table|keep|brain|actor|ask|fleet|http|resp|config|daemon)/|<',
    "ctl": r'"base/|"ctl/[^/]*\.h"|"ctl/commands/table\.h"|<',
    "ctl/commands": r'"(base|ctl|ctl/commands)/|<',
    "": r'"(base|log|config|daemon)/|"migrate/from_nginx\.h"|"http/json_memory\.h"|<',
}

# Rooms of peers: each file is one of many alike, and the table lists them.
PEERS = {"http/dialects": "table", "http/routes": "table", "ctl/commands": "table"}

# Where each library has its only place.
LIBRARIES = {
    r"microhttpd\.h": r"http/wire/.*",
    r"cyaml/": r"config/.*",
    r"yaml\.h": r"config/.*",
    r"hiredis/": r"fleet/.*",
    r"jansson\.h": r"http/(batch_json|body_parts|json_memory|object)\.c|ctl/answer\.h",
    r"curl/": r"ctl/(main|server|client|crowd)\.c",
    r"n?curses": r"ctl/screen\.c",
    r"sodium/crypto_shorthash": r"table/entry\.c",
    r"sodium/crypto_hash_sha256": r"ask/key_maker\.h|base/digest\.c|base/secret\.h",
    r"sodium": r"table/entry\.c|daemon/(keeper|sharing)\.c|ask/key_maker\.h|base/digest\.c|base/secret\.[ch]",
    r"pthread\.h": r"base/thread\.[ch]|actor/.*|daemon/front\.[ch]",
}

INCLUDE = re.compile(r"^\s*#\s*include\s+([<\"][^>\"]+[>\"])", re.M)

faults = []


def sources():
    for folder, _, names in os.walk(SRC):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(folder, name), SRC)


def read_includes(path):
    with open(os.path.join(SRC, path), encoding="utf-8") as file:
        return INCLUDE.findall(file.read())


def check_rooms(includes):
    for path, included in includes.items():
        room = os.path.dirname(path)
        if room not in ROOMS:
            faults.append(f"src/{room} is no room that this script knows")
            continue
        for name in included:
            if not re.match(ROOMS[room], name):
                faults.append(f"src/{path} may not include {name}")


def check_libraries(includes):
    for path, included in includes.items():
        for name in included:
            for header, places in LIBRARIES.items():
                if re.match("<" + header, name) and not re.fullmatch(places, path):
                    faults.append(f"src/{path} may not include {name}: that is for {places}")


def is_between_peers(path, other):
    """Whether one of two different peers knows another that is not the table."""
    room, table = os.path.dirname(path), PEERS.get(os.path.dirname(path))
    names = [os.path.splitext(os.path.basename(file))[0] for file in (path, other)]
    return table is not None and os.path.dirname(other) == room and table not in names and names[0] != names[1]


def check_peers(verb, graph):
    for path, others in graph.items():
        for other in others:
            if is_between_peers(path, other):
                faults.append(f"src/{path} {verb} src/{other}: those in one room are strangers")


def circles(graph):
    """The strongly connected parts of more than one member, by Tarjan's algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = stack[stack.index(node):]
            del stack[stack.index(node):]
            if len(part) > 1:
                found.append(sorted(part))

    for node in list(graph):
        if node not in index:
            visit(node)
    return found


def is_configured(path):
    """allowctl is built where its libraries are; where a change is judged they are."""
    return (not path.startswith("ctl/") or os.environ.get("CI") == "true" or
            os.path.exists(os.path.join(BUILD, "allowctl")))


def call_graph():
    """Which built object needs a symbol of which other."""
    needs, home = collections.defaultdict(set), {}
    objects = [path[:-2] + ".o" for path in sources() if path.endswith(".c") and is_configured(path)]
    missing = [path for path in objects if not os.path.exists(os.path.join(BUILD, "src", path))]
    if missing:
        faults.append(f"not built, so nobody knows whom it calls: {missing}")
    built = [path for path in objects if path not in missing]
    told = subprocess.run(["nm", "-A", *built], cwd=os.path.join(BUILD, "src"), check=True,
                          capture_output=True, text=True).stdout
    for line in told.splitlines():
        path, _, symbol = line.rpartition(":")
        kind, name = symbol.split()[-2:]
        if kind == "U":
            needs[path].add(name)
        elif kind in "TDBRVC" and path != "main.o":
            home[name] = path
    return {path: {home[name] for name in names if name in home} - {path}
            for path, names in needs.items()}


def main():
    sys.setrecursionlimit(10000)
    includes = {path: read_includes(path) for path in sources()}
    check_rooms(includes)
    check_libraries(includes)
    quoted = {path: [name.strip('"') for name in names if name.startswith('"')]
              for path, names in includes.items()}
    check_peers("includes", quoted)
    for part in circles(quoted):
        faults.append("these include each other: " + ", ".join(part))
    if BUILD is not None:
        calls = call_graph()
        check_peers("calls", calls)
        for part in circles(calls):
            faults.append("these call each other: " + ", ".join(part) + "; " + "; ".join(
                f"{path} calls {other}" for path in part for other in calls[path] if other in part))
    if len(includes) < 100:  # a check that looked at nothing would pass too
        faults.append(f"saw only {len(includes)} files")
    for fault in faults:
        print("layers:", fault, file=sys.stderr)
    if not faults:
        print(f"layers: {len(includes)} files, each in its room, no circles")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
