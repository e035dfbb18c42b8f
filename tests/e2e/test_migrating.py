#!/usr/bin/python3 -B
"""
Moving from nginx as one does who has only the configuration of today: --from-nginx is run on it, allowd is started with what it
prints, and the lines that it names go into nginx beside those of the example. Then the same arrivals go to nginx as it was and
to nginx with allowd, and each decision of both is one of the same bucket (replay.py).
"""
import http.client
import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

import replay
from harness import PATIENCE_S, Daemon, run_allowd
from recipes import ALLOWD_ADDRESS, EXAMPLES, NginxRecipe, Program, free_port, replaced, require_program
from share import load_tests  # which unittest calls

SEED = int(os.environ.get("ALLOWD_SEED") or 1)
DENIED = {429, 503}
# What stands around it, in the nginx.conf of both.
AROUND = """\
daemon off;
pid nginx.pid;
error_log stderr error;
events { }
http {
access_log off;
keepalive_requests 1000000;
client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
"""


# ---- following the comments ----

def block(text, head):
    """A block of the example, from its first line to its last, which is indented alike."""
    found = re.search(rf"^( *){re.escape(head)} {{\n.*?^\1}}\n", text, re.M | re.S)
    return found[0]


class Example:
    """What there is to take of the example nginx.conf."""

    def __init__(self, allowd_port):
        text = replaced((EXAMPLES / "nginx.conf").read_text(encoding="utf-8"),
                        [(ALLOWD_ADDRESS, f"127.0.0.1:{allowd_port}"), *NginxRecipe.patience])
        self.upstream = block(text, "upstream allowd")
        location = block(text, "location /")
        self.beside = location[location.index("auth_request /_allowd;\n"):location.index("proxy_pass")].partition("\n")[2]
        self.ask = block(text, "location = /_allowd")
        self.rest = block(text, "location @limited") + block(text, "location @allowd_down")

    def question(self, name, lines):
        """Its /_allowd for one place, with the lines that are printed for that."""
        return replaced(self.ask, [("location = /_allowd {", f"location = /_allowd-{name} {{"),
                                   ("proxy_pass http://allowd/check/edge-403;\n", "\n".join(lines) + "\n")])


PLACE = re.compile(r"^# (\S+):(\d+): [^\n]*:\n#   in place of limit_req[^\n]*\n((?:#     [^\n]*\n)+)"
                   r"(?:#   and in each server:\n((?:#     [^\n]*\n)+))?"
                   r'#   and in (its server|each server), [^\n]*"location = /_allowd-(\S+)", with:\n((?:#     [^\n]*\n)+)', re.M)


MAP = re.compile(r"^#   and in (\S+):(\d+): [^\n]*, (\S+) in place of (\S+)\.$", re.M)


def lines_of(comment):
    return [line.removeprefix("#").strip() for line in comment.splitlines()]


def follow(yaml, files, example):
    """The files as the comments of --from-nginx have them: {name: text}."""
    files = {name: text.splitlines() for name, text in files.items()}
    before = {name: {} for name in files}  # what is to stand behind which line
    for path, number, new, old in MAP.findall(yaml):
        lines = files[pathlib.Path(path).name]
        end = lines.index("}", int(number))
        lines[int(number):end] = [line.replace(old, new) for line in lines[int(number):end]]
    for path, number, place, in_servers, where, name, question in PLACE.findall(yaml):
        file, number = pathlib.Path(path).name, int(number)
        before[file].setdefault(number, []).append("\n".join(lines_of(place)) + "\n" + example.beside)
        servers = [(other, at) for other, lines in files.items() for at, line in enumerate(lines, 1)
                   if re.match(r"\s*server {", line) and (where == "each server" or (other == file and at <= number))]
        for other, at in servers if where == "each server" else servers[-1:]:
            texts = before[other].setdefault(at, [])
            texts += [text for text in ("\n".join(lines_of(in_servers)), example.question(name, lines_of(question)), example.rest)
                      if text not in texts]
    return {name: "\n".join(
        ("" if re.match(r"\s*limit_req(_status|_dry_run)? ", line) else line) + "\n" + "\n".join(before[name].get(at, []))
        for at, line in enumerate(lines, 1)) for name, lines in files.items()}


# ---- the configurations ----

class Newcomer:
    """Subclasses have `zones` and `servers`, as texts with {port}, and `cases`: by name, how to ask, and the bucket by which nginx
    decides, as its manual says; None: it does not limit."""

    zones = servers = ""
    cases = {}

    @classmethod
    def setUpClass(cls):
        cls.program = require_program("nginx")

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        os.chmod(self.directory, 0o755)
        (self.directory / "site").mkdir()
        for name in ("page", "login", "api", "other"):
            (self.directory / "site" / name).write_text(name, encoding="ascii")

    def write(self, folder, port, files):
        (self.directory / folder).mkdir()
        for name, text in files.items():
            (self.directory / folder / name).write_text(
                text.replace("{port}", str(port)).replace("{site}", str(self.directory / "site")), encoding="utf-8")

    def log(self):
        return "".join((self.directory / folder / "log").read_text(encoding="utf-8") for folder in ("today", "moved"))

    def start_nginx(self, folder, port):
        directory = self.directory / folder
        running = Program(directory, [self.program, "-p", str(directory), "-e", "stderr", "-c", str(directory / "nginx.conf")], {})
        self.addCleanup(running.stop)
        running.wait_for_port(port)

    def client(self, port):
        """A function that asks for a case, each address by a connection of its own."""
        connections = {}

        def ask(name):
            how = self.cases[name][0]
            source = how.get("source", "127.0.0.1")
            if source not in connections:
                connections[source] = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S, source_address=(source, 0))
                self.addCleanup(connections[source].close)
            connections[source].request(how.get("method", "GET"), how["path"], headers=how.get("headers", {}))
            response = connections[source].getresponse()
            response.read()
            self.assertIn(response.status, {200, 405, *DENIED}, self.log())
            return response.status not in DENIED
        return ask

    def test_the_same_decisions(self):
        files = {"nginx.conf": AROUND + self.zones + "include servers.conf;\n}\n", "servers.conf": self.servers}
        today, allowd_port, moved = free_port(), free_port(), free_port()
        self.write("today", today, files)
        status, yaml, error = run_allowd("--from-nginx", str(self.directory / "today" / "nginx.conf"))
        self.assertEqual((status, error), (0, ""))
        example = Example(allowd_port)
        files = follow(yaml, files, example)
        self.assertNotIn("limit_req ", "".join(files.values()))
        files["nginx.conf"] = files["nginx.conf"].replace("include servers.conf", example.upstream + "include servers.conf")
        self.write("moved", moved, files)
        daemon = Daemon(yaml, listen=(f"127.0.0.1:{allowd_port}",))
        self.addCleanup(daemon.stop)
        self.start_nginx("today", today)
        self.start_nginx("moved", moved)
        self.compare(self.client(today), self.client(moved), int(re.search(r"^tick: (\d+)ms$", yaml, re.M)[1]) / 1000)

    def compare(self, today, moved, tick_s):
        shapes = {name: bucket or (4, 10) for name, (_, bucket) in self.cases.items()}
        arrivals = replay.schedules(f"{SEED} {type(self).__name__}", shapes, most=40)
        traces = replay.play(arrivals, today, moved)
        for name, (_, bucket) in self.cases.items():
            for who, trace, jitter in (("nginx", traces[0][name], {"early_s": 0.001, "lost": 0.001}),
                                       ("allowd", traces[1][name], {"early_s": tick_s})):
                with self.subTest(name, who=who):
                    if bucket is None:
                        self.assertEqual({is_allowed for *_, is_allowed in trace}, {True})
                    else:
                        self.assertIsNone(replay.unexplained(trace, replay.Bucket(*bucket, **jitter)))
        flips = sum(a[2] != b[2] for name in self.cases for a, b in zip(traces[0][name], traces[1][name]))
        print(f"{type(self).__name__}: {len(arrivals)} decisions of each, {flips} differ, none of them outside of the jitter",
              file=sys.stderr)


class Shop(Newcomer, unittest.TestCase):
    """A limit for a server, and a stricter one for its login."""

    zones = """
limit_req_zone $binary_remote_addr zone=all:10m rate=20r/s;
limit_req_zone $binary_remote_addr zone=login:10m rate=100r/m;
"""
    servers = """
server {
    listen 127.0.0.1:{port};
    server_name shop.example;
    root {site};
    limit_req zone=all burst=10 nodelay;
    location = /login {
        limit_req zone=login burst=3 nodelay;
        limit_req_status 429;
    }
    location = /page { }
}
"""
    cases = {"page": ({"path": "/page"}, (11, 20)), "other client": ({"path": "/page", "source": "127.0.0.2"}, (11, 20)),
             "login": ({"path": "/login"}, (4, 1.666))}


class Keys(Newcomer, unittest.TestCase):
    """A limit for each API key, where there is one; elsewhere none."""

    zones = "limit_req_zone $http_x_api_key zone=keys:1m rate=10r/s;\n"
    servers = """
server {
    listen 127.0.0.1:{port};
    root {site};
    location /api {
        limit_req zone=keys burst=4 nodelay;
    }
    location / { }
}
"""
    cases = {"alice": ({"path": "/api", "headers": {"X-Api-Key": "alice"}}, (5, 10)),
             "bob": ({"path": "/api", "headers": {"X-Api-Key": "bob"}}, (5, 10)),
             "without": ({"path": "/api"}, None), "elsewhere": ({"path": "/page", "headers": {"X-Api-Key": "bob"}}, None)}


class Networks(Newcomer, unittest.TestCase):
    """A key by map: some networks are not limited, but a part of one is."""

    zones = """
geo $limited {
    default 1;
    127.0.1.0/24 0;
    127.0.1.64/26 1;
    127.0.0.9 0;
}
map $limited $limit_key {
    0 "";
    1 $binary_remote_addr;
}
limit_req_zone $limit_key zone=others:1m rate=7r/s;
"""
    servers = """
server {
    listen 127.0.0.1:{port};
    root {site};
    limit_req zone=others burst=2 nodelay;
}
"""
    cases = {source: ({"path": "/page", "source": source}, bucket) for source, bucket in (
        ("127.0.0.1", (3, 7)), ("127.0.1.1", None), ("127.0.1.65", (3, 7)), ("127.0.0.9", None), ("127.0.1.128", None))}


class Methods(Newcomer, unittest.TestCase):
    """A key by map of what no network tells: only what writes is limited, and not for who has a token."""

    zones = """
map $http_x_token $who {
    default $binary_remote_addr;
    ~^gold- "";
}
map $request_method $limit_key {
    default "";
    POST $who;
    PUT "$who";
}
limit_req_zone $limit_key zone=writes:1m rate=5r/s;
"""
    servers = """
server {
    listen 127.0.0.1:{port};
    root {site};
    location / {
        limit_req zone=writes;
    }
}
"""
    cases = {"reads": ({"path": "/page"}, None), "gold": ({"path": "/page", "method": "POST", "headers": {"X-Token": "gold-1"}}, None),
             "writes": ({"path": "/page", "method": "POST"}, (1, 5)),
             "puts": ({"path": "/page", "method": "PUT", "source": "127.0.0.3"}, (1, 5))}


class Combined(Newcomer, unittest.TestCase):
    """A key of several things in all servers, with an argument of the request."""

    zones = """
limit_req_zone "$remote_addr/$arg_user" zone=users:1m rate=10r/s;
limit_req_zone $binary_remote_addr$uri zone=pages:1m rate=30r/m;
limit_req zone=users burst=5 nodelay;
"""
    servers = """
server {
    listen 127.0.0.1:{port};
    root {site};
    location = /page { }
    location /login {
        limit_req zone=pages burst=2 nodelay;
    }
    location /other { }
}
"""
    cases = {"alice": ({"path": "/page?user=alice&a=b"}, (6, 10)), "bob": ({"path": "/other?user=bob"}, (6, 10)),
             "nobody": ({"path": "/page"}, (6, 10)), "bob elsewhere": ({"path": "/page?user=bob", "source": "127.0.0.2"}, (6, 10)),
             "login": ({"path": "/login?user=bob"}, (3, 0.5))}


if __name__ == "__main__":
    unittest.main()
