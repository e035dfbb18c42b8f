"""
The peers, and how each is started; what they are told is in peers/, a file each.

All have the same limits. Kinds of questions, by what a key is put behind:
  allow   always allowed; a bucket is full again at once
  kept    always allowed; a bucket takes longer to refill than a run takes, so all keys stay
  tight   denied, but for the first
"""
import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
from typing import NamedTuple

import load
import peers_check
import servers
import tools

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")


class Limit(NamedTuple):
    """What allowd, Go and Redis are told; nginx and HAProxy have theirs in their files."""
    burst: int
    rate: int
    period: str

    def period_us(self):
        """As a number."""
        return {"s": 1_000_000, "m": 60_000_000}[self.period]


LIMITS = {
    "kept": Limit(1_000_000, 1, "m"),
    "tight": Limit(1, 1, "m"),
    "small": Limit(5, 1, "m"),      # what peers_check.py counts along with,
    "brisk": Limit(10, 50, "s"),    # and holds against the clock
    "default": Limit(100_000_000, 100_000_000, "s"),
}
# The answers, to a byte, that allowd gives about a key that has just begun: what others return.
ALLOWED_BODY = ('{"allowed":true,"key":"alice","limit":"default","tokens":1,"remaining":99999999,'
                '"owed":0,"burst":100000000,"retry_after_ms":0,"reset_after_ms":100}\n')
DENIED_BODY = ('{"type":"https://iana.org/assignments/http-problem-types#quota-exceeded",'
               '"title":"Too Many Requests","status":429,"violated-policies":["tight"],'
               '"allowed":false,"key":"alice","limit":"tight","tokens":1,"remaining":0,"owed":0,"burst":1,'
               '"retry_after_ms":60000,"reset_after_ms":60000}\n')
DATE = "Date: Mon, 23 Nov 2026 19:42:35 GMT"


def filled_in(run, name, **values):
    """A configuration file of peers/ with @NAME@ filled in, in the run's folder."""
    with open(os.path.join(FOLDER, name), encoding="ascii") as source:
        text = source.read()
    for key, value in dict(values, FOLDER=run.folder).items():
        text = text.replace(f"@{key}@", str(value))
    path = os.path.join(run.folder, name)
    with open(path, "w", encoding="ascii") as out:
        out.write(text)
    return path


class HttpPeer(servers.Server):
    """A server that decides, over HTTP, and counts tokens."""

    paths = {"allow": "/allow?key=", "kept": "/allow?limit=kept&key=", "tight": "/allow?limit=tight&key=",
             "batch": "/allow", "lines": "/allow"}
    limits = counts = True
    answers_alike = True    # with allowd's bytes

    def url(self, kind, key=""):
        """What to ask."""
        return f"http://127.0.0.1:{self.port}{self.paths[kind]}{key}"

    def get(self, target):
        """Status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=servers.PATIENCE_S)
        with contextlib.closing(connection):
            connection.request("GET", target)
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8")

    def answer(self, kind, key):
        """Status and body of such a question."""
        return self.get(self.paths[kind] + key)

    def decide(self, key, limit, tokens):
        """Whether it is allowed, and what remains."""
        status, body = self.get(f"/allow?key={key}&limit={limit}&tokens={tokens}")
        return status == 200, json.loads(body)["remaining"]

    def ask(self, questions, loop):
        """A turn of these."""
        kinds, keys, seed = questions
        if keys == "one" and len(kinds) == 1:
            return load.wrk(self.url(kinds[0], "alice"), loop)
        return load.wrk(self.url(kinds[0]), loop, [keys, str(seed), *(self.paths[kind] for kind in kinds)])

    def fill(self, kind, loop):
        """Asks about a million keys in turn."""
        self.ask(load.Questions([kind], "fill"), loop)


class StaticPeer(HttpPeer):
    """One with a place for each limit, and answers that do not count."""

    paths = {"allow": "/allow?key=", "kept": "/kept?key=", "tight": "/tight?key="}
    counts = False


class BarePeer(HttpPeer):
    """One that decides nothing."""

    limits = counts = False


def resp_reply(answer):
    """One reply of RESP 2, as far as it is used here."""
    kind, text = answer.read(1), answer.readline().strip().decode()
    if kind == b"-":
        raise servers.ServerError(f"Redis: {text}")
    if kind == b"*":
        return [resp_reply(answer) for _ in range(int(text))]
    if kind == b"$":
        return None if text == "-1" else answer.read(int(text) + 2)[:-2].decode()
    return int(text) if kind == b":" else text


class RedisPeer(servers.Server):
    """Redis with bucket.lua, over its own protocol."""

    limits = counts = True
    LIMIT_OF = {"allow": "default", "kept": "kept", "tight": "tight"}
    RANGE_OF = {"one": 1, "thousand": 1000, "million": 1_000_000}
    digest = ""     # bucket.lua's, once it is loaded

    def command(self, *words):
        """What Redis says to a command, over a connection of its own: a number, a text, a list of those, or None."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=servers.PATIENCE_S) as connection:
            request = b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in map(str.encode, map(str, words)))
            connection.sendall(b"*%d\r\n%s" % (len(words), request))
            with connection.makefile("rb") as answer:
                return resp_reply(answer)

    def wait(self):
        super().wait()
        with open(os.path.join(FOLDER, "bucket.lua"), encoding="ascii") as script:
            self.digest = self.command("SCRIPT", "LOAD", script.read())
        return self

    def port_of_resp(self):
        """Where it speaks Redis's protocol."""
        return self.port

    def call(self, key, limit, tokens=1):
        """The command that asks for tokens."""
        of = LIMITS[limit]
        return ["EVALSHA", self.digest, "1", key,
                str(of.burst), str(of.rate), str(of.period_us()), str(tokens)]

    def decide(self, key, limit, tokens):
        """Whether it is allowed, and what remains."""
        allowed, remaining = self.command(*self.call(key, limit, tokens))[:2]
        return allowed == 1, remaining

    def ask(self, questions, loop):
        """The same as for HTTP, as far as redis-benchmark can: one kind, no skew, no seed."""
        key = "alice" if questions.keys == "one" else "user:__rand_int__"
        return load.redis_benchmark(self.port, self.call(key, self.LIMIT_OF[questions.kinds[0]]),
                                    self.RANGE_OF[questions.keys], loop)

    def fill(self, kind, loop):
        """Asks about as many keys, at random."""
        self.ask(load.Questions([kind], "million"), loop)


class AllowdPeer(HttpPeer):
    """The daemon itself: on the one core that it is given it hosts the decider, unless it is told otherwise."""

    def __init__(self, run, threads="auto", cores=None, unix=None, max_keys=2_000_000, resp=False, program=None,
                 name="allowd", connections=None):
        """unix: the path of a socket besides. resp: whether it speaks Redis's protocol besides. program: another
        one than the build's, under another name."""
        port = servers.free_port()
        self.settings = {"threads": threads, "max_keys": max_keys,
                         **({"max_connections": connections} if connections else {})}
        self.resp_port = servers.free_port() if resp else None
        self.answers_alike = program is None    # another version has other members
        self.config_path = os.path.join(run.folder, f"allowd-{port}.yaml")
        self.write_config(LIMITS)
        command = [program or run.allowd, "-c", self.config_path, "-l", f"127.0.0.1:{port}"]
        if unix:
            command += ["-l", f"unix:{unix}"]
        super().__init__(name, command, port, cores or [run.server_core], run.folder)

    def port_of_resp(self):
        """Where it speaks Redis's protocol."""
        return self.resp_port

    def write_config(self, limits):
        """Its file, which it reads at the start and when it is told to."""
        with open(self.config_path, "w", encoding="ascii") as out:
            for name, value in self.settings.items():
                out.write(f"{name}: {value}\n")
            if self.resp_port is not None:
                out.write(f'listen_resp: ["127.0.0.1:{self.resp_port}"]\n')
            out.write("limits:\n")
            for name, limit in limits.items():
                out.write(f"  - {{name: {name}, burst: {limit.burst}, rate: {limit.rate}/{limit.period}}}\n")

    def reload(self, limits):
        """From now on these limits."""
        self.write_config(limits)
        self.process.send_signal(signal.SIGHUP)


def bare(run):
    """libmicrohttpd with nothing behind it."""
    port = servers.free_port()
    return BarePeer("bare libmicrohttpd", [os.path.join(run.build, "bare"), str(port)], port,
                    [run.server_core], run.folder)


def loop(run):
    """The kernel, with nothing but a loop above it."""
    port = servers.free_port()
    return BarePeer("epoll loop", [os.path.join(run.build, "loop"), str(port)], port,
                    [run.server_core], run.folder)


def nginx(run, zone="256m"):
    """limit_req. zone: the room for the keys of a limit."""
    port = servers.free_port()
    config = filled_in(run, "nginx.conf", PORT=port, ZONE=zone, ALLOWED=ALLOWED_BODY, DENIED=DENIED_BODY)
    return StaticPeer("nginx", [tools.find("nginx"), "-e", "stderr", "-c", config], port,
                      [run.server_core], run.folder)


def raw_answer(path, status, fields, body):
    """A whole answer, as HAProxy reads it from a file."""
    with open(path, "w", encoding="ascii", newline="") as out:
        out.write("\r\n".join([f"HTTP/1.1 {status}", DATE, *fields, f"Content-Length: {len(body)}", "", body]))


def haproxy(run):
    """A stick table."""
    port = servers.free_port()
    raw_answer(os.path.join(run.folder, "allowed.http"), "200 OK",
               ["Content-Type: application/json", "Cache-Control: no-store",
                'RateLimit-Policy: "default";q=100000000;w=1', 'RateLimit: "default";r=99999999;t=1'],
               ALLOWED_BODY)
    raw_answer(os.path.join(run.folder, "denied.http"), "429 Too Many Requests",
               ["Content-Type: application/problem+json", "Cache-Control: no-store",
                'RateLimit-Policy: "tight";q=1;w=60', 'RateLimit: "tight";r=0;t=60', "Retry-After: 60"],
               DENIED_BODY)
    return StaticPeer("HAProxy", [tools.find("haproxy"), "-db", "-f", filled_in(run, "haproxy.cfg", PORT=port)],
                      port, [run.server_core], run.folder)


def golimit_built(run):
    """The pattern's Go original, built where the bench's other programs are."""
    program = os.path.join(run.build, "golimit")
    source = os.path.join(FOLDER, "golimit", "main.go")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        environment = dict(os.environ, GOCACHE=os.path.join(run.folder, "go-cache"), GOFLAGS="-mod=mod",
                           GOPROXY="off", GO111MODULE="auto")
        built = subprocess.run([tools.find("go"), "build", "-o", program, source], env=environment,
                               capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise tools.ToolError(f"{source} does not build: {built.stderr.strip()}")
    return program


def golimit(run):
    """The pattern's Go original."""
    port = servers.free_port()
    # One core; and a heap of a few MB would otherwise be collected all the time.
    command = ["env", "GOMAXPROCS=1", "GOGC=400", golimit_built(run), "-listen", f"127.0.0.1:{port}"]
    for name, limit in LIMITS.items():
        command += ["-limit", f"{name}:{limit.burst}:{limit.rate}:1{limit.period}"]
    return HttpPeer("Go", command, port, [run.server_core], run.folder)


def redis(run):
    """A Lua token bucket."""
    port = servers.free_port()
    return RedisPeer("Redis", [tools.find("redis-server"), filled_in(run, "redis.conf", PORT=port)], port,
                     [run.server_core], run.folder)


# Those that decide nothing: what is below allowd, and what is below that.
FLOORS = {"bare libmicrohttpd": bare, "epoll loop": loop}
LIMITING = {"allowd": AllowdPeer, "nginx": nginx, "HAProxy": haproxy, "Go": golimit, "Redis": redis}
ALL = LIMITING | FLOORS


def check(run, server):
    """That it is what it is measured as; once a run."""
    if isinstance(server, HttpPeer) and server.answers_alike:
        peers_check.answers(server, ALLOWED_BODY, DENIED_BODY)
    if server.counts and server.name not in run.checked:
        peers_check.sequence(server)
        peers_check.refill(server, LIMITS["brisk"])
    run.checked.add(server.name)


@contextlib.contextmanager
def prepared(run, server):
    """A server that has been started: ready to be asked, and checked."""
    with server:
        server.wait()
        check(run, server)
        yield server


@contextlib.contextmanager
def started(run, names):
    """These peers, ready to be asked, each on the server's core."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(prepared(run, ALL[name](run))) for name in names]
