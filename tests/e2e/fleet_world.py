"""
What tests of a fleet are made of: stores, sidecars, clients, and what is counted at the clients' side.

Redis is a real redis-server, or another of its kind (ALLOWD_STORE), of the test's own, in a directory of its own; Cut is a
proxy between a sidecar and its store that can stop to pass bytes, as a network does that is parted; Crowd asks sidecars with
many clients and remembers when each request was sent and answered; most_beyond holds that against the limit over every window.
"""
import bisect
import contextlib
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from harness import ENDS_WITH_US, PATIENCE_S, Connection, Daemon, request_bytes, wait_until
from recipes import free_port, require_program

STORE_TICK_S = 0.001
# Another server may be named by the environment, such as /usr/bin/valkey-server.
SERVER = os.environ.get("ALLOWD_STORE", "redis-server")


# ---- the store ----

class Reply(Exception):
    """An error that the store has answered."""


class Redis:
    """One redis-server, by a Unix socket and, if it has a port, by TCP on loopback too."""

    def __init__(self, settings=(), port=0, password=None, sentinel=False, under=()):
        """under: a command that runs it."""
        self.path = require_program(SERVER)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-redis-"))
        self.socket_path = str(self.directory / "redis.sock")
        self.port, self.password, self.sentinel, self.under = port, password, sentinel, under
        # A file and no arguments: a Sentinel writes into it, and CONFIG REWRITE too.
        self.file = self.directory / "redis.conf"
        self.file.write_text("\n".join([
            f"dir {self.directory}", f"unixsocket {self.socket_path}", f"port {port}", "bind 127.0.0.1",
            "logfile redis.log", "loglevel notice", 'save ""' if not sentinel else "", *settings, ""]), encoding="utf-8")
        self.process = None
        self.start()

    def start(self, environment=None):
        command = [*ENDS_WITH_US, *self.under, self.path, str(self.file), *(["--sentinel"] if self.sentinel else [])]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})})
        wait_until(self._is_there, "redis-server serves")

    def _is_there(self):
        if self.process.poll() is not None:
            raise AssertionError(f"redis-server has ended: {self.log()}")
        with contextlib.suppress(OSError, Reply):
            if self.call("INFO", "server"):
                return not b"loading:1" in self.call("INFO", "persistence")
        return False

    def log(self):
        with contextlib.suppress(OSError):
            return (self.directory / "redis.log").read_text(encoding="utf-8", errors="replace")
        return ""

    @property
    def url(self):
        return f"unix:{self.socket_path}" if self.port == 0 else f"redis://127.0.0.1:{self.port}"

    def call(self, *words):
        """One command on a connection of its own. An error is raised."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(self.socket_path)
            stream = connection.makefile("rb")
            if self.password is not None:
                self._ask(connection, stream, ["AUTH", self.password])
            return self._ask(connection, stream, words)

    def _ask(self, connection, stream, words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        connection.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        return self._read(stream)

    def _read(self, stream):
        line = stream.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("the store has closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise Reply(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if int(rest) < 0 else stream.read(int(rest) + 2)[:-2]
        return None if int(rest) < 0 else [self._read(stream) for _ in range(int(rest))]

    def begin_full(self, name="test"):
        """Says that this fleet is new, as allowd --begin-fleet does: what there is no record of is full then."""
        for shard in range(256):
            self.call("SET", f"allowd:{name}:{{{shard:02x}}}:epoch", "0", "NX")

    def script_calls(self):
        """How often the script was called."""
        stats = self.call("INFO", "commandstats").decode()
        lines = [line for line in stats.splitlines() if line.startswith("cmdstat_evalsha:")]
        return int(lines[0].partition("calls=")[2].partition(",")[0]) if lines else 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.go_on()
            self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Cut:
    """Passes bytes between a socket of its own and a store, until it is cut: then it passes none, and closes nothing, as
    a network does that loses all packets. A connection that comes meanwhile is accepted, and hears nothing."""

    def __init__(self, store):
        self.store = store
        self.is_cut = False
        self.directory = tempfile.mkdtemp(prefix="allowd-cut-")
        self.path = os.path.join(self.directory, "cut.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen()
        self.ends = {}  # each socket's other one
        self.wake, self._waker = socket.socketpair()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"unix:{self.path}"

    def cut(self):
        self.is_cut = True
        self._waker.send(b"x")

    def heal(self):
        self.is_cut = False
        self._waker.send(b"x")

    def close(self):
        self._waker.close()
        self.thread.join()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _run(self):
        while True:
            watched = [self.wake] + ([] if self.is_cut else [self.listener, *self.ends])
            for ready in select.select(watched, [], [])[0]:
                if ready is self.wake:
                    if not self.wake.recv(100):
                        self._end()
                        return
                elif ready is self.listener:
                    self._join(ready.accept()[0])
                elif not self.is_cut and ready in self.ends:
                    self._pass(ready)

    def _join(self, client):
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self.store.socket_path)
        except OSError:
            client.close()
            server.close()
            return
        self.ends[client], self.ends[server] = server, client

    def _pass(self, ready):
        other = self.ends[ready]
        try:
            data = ready.recv(1 << 16)
            if data:
                other.sendall(data)
                return
        except OSError:
            pass
        for end in (ready, other):
            del self.ends[end]
            end.close()

    def _end(self):
        for end in (*self.ends, self.listener, self.wake):
            end.close()


# ---- sidecars ----

def configuration(store, limits, name="test", **settings):
    """
    The text of a configuration of a fleet. limits: rows of what is behind `name:` in each. Unless a test says otherwise
    the store has more time to answer than by default, because a machine may be busy with others.
    """
    settings = {"cold_wait": "2s", "op_timeout": "300ms", **settings}
    stores = [store] if isinstance(store, str) else store
    rows = [f"  {name}: {value}" for name, value in settings.items()]
    return "\n".join(["threads: 1", "tick: 10ms", "fleet:", f"  name: {name}",
                      "  store: [" + ", ".join(f'"{one}"' for one in stores) + "]", *rows, "limits:",
                      *(f"  - {{{limit}}}" for limit in limits), ""])


def is_up(daemon):
    return fleet_of(daemon)["store"] == "up"


def fleet_of(daemon):
    """What /status says of the fleet."""
    return get(daemon, "/status").json()["fleet"]


def get(daemon, target, method="GET", patience_s=PATIENCE_S):
    with Connection(daemon.address, patience_s) as connection:
        connection.send(request_bytes(method, target))
        return connection.receive()


def start_sidecar(config, **more):
    """A sidecar whose store is connected."""
    daemon = Daemon(config, **more)
    wait_until(lambda: is_up(daemon), "the store is connected")
    return daemon


# ---- clients ----

class Asked:
    """One request that was answered."""

    __slots__ = ("sent_s", "answered_s", "tokens", "allowed", "sidecar")

    def __init__(self, sent_s, answered_s, tokens, allowed, sidecar):
        self.sent_s, self.answered_s = sent_s, answered_s
        self.tokens, self.allowed, self.sidecar = tokens, allowed, sidecar


class Client(threading.Thread):
    """Asks one sidecar, again and again, and goes on when that is stopped or started anew."""

    def __init__(self, crowd, sidecar, key, tokens, pause_s):
        super().__init__(daemon=True)
        self.crowd, self.sidecar, self.key, self.tokens, self.pause_s = crowd, sidecar, key, tokens, pause_s
        self.asked = []
        self.connection = None

    def run(self):
        request = request_bytes("GET", f"/allow?key={self.key}&tokens={self.tokens}")
        while not self.crowd.is_over:
            try:
                self._ask_once(request)
            except (OSError, AssertionError):
                self._leave()
                time.sleep(0.02)
        self._leave()

    def _ask_once(self, request):
        if self.connection is None:
            self.connection = Connection(self.crowd.address_of(self.sidecar), 20)
        sent_s = time.monotonic()
        self.connection.send(request)
        response = self.connection.receive()
        answered_s = time.monotonic()
        if response is None:
            raise OSError("it has closed the connection")
        if response.status not in (200, 429):
            raise AssertionError(response)
        allowed = response.status == 200
        self.asked.append(Asked(sent_s, answered_s, self.tokens, allowed, self.sidecar))
        if not allowed or self.pause_s > 0:
            time.sleep(max(self.pause_s, 0 if allowed else self.crowd.denied_pause_s))

    def _leave(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None


class Crowd:
    """Clients of several sidecars, which ask for one key until the end of the block. sidecars: the list is the caller's,
    who may put another daemon at a place."""

    def __init__(self, sidecars, key, each=2, tokens=1, pause_s=0.0, denied_pause_s=0.002):
        self.sidecars, self.is_over, self.denied_pause_s = sidecars, False, denied_pause_s
        self.clients = [Client(self, sidecar, key, tokens, pause_s)
                        for sidecar in range(len(sidecars)) for _ in range(each)]

    def address_of(self, sidecar):
        daemon = self.sidecars[sidecar]
        if daemon is None:
            raise OSError("it is not there")
        return daemon.address

    def __enter__(self):
        for client in self.clients:
            client.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for client in self.clients:
            client.join(PATIENCE_S)
            assert not client.is_alive(), "a client was not answered"

    def asked(self, sidecar=None):
        return sorted((one for client in self.clients for one in client.asked if sidecar in (None, client.sidecar)),
                      key=lambda one: one.sent_s)


def admitted(asked, since_s=0.0, until_s=float("inf")):
    """Tokens admitted by answers within a time."""
    return sum(one.tokens for one in asked if one.allowed and since_s <= one.answered_s < until_s)


# ---- every window ----

class _Peaks:
    """A row of numbers to which something is added from a place on, and the greatest of those that count."""

    def __init__(self, values):
        self.values = values
        self.size = 1
        while self.size < len(values):
            self.size *= 2
        self.most = [float("-inf")] * (2 * self.size)
        self.added = [0] * (2 * self.size)

    def add_from(self, place, amount):
        """Has the number at this place count. Goes up from its leaf: each right neighbour of the way is behind it as a
        whole."""
        node = place + self.size
        self.added[node] += amount
        self.most[node] = self.values[place] + self.added[node]
        while node > 1:
            if node % 2 == 0:
                self.most[node + 1] += amount
                self.added[node + 1] += amount
            node //= 2
            self.most[node] = max(self.most[2 * node], self.most[2 * node + 1]) + self.added[node]

    def greatest(self):
        return self.most[1]


def most_beyond(asked, rate_per_s):
    """The most tokens that were admitted in any window beyond what the rate comes to in it and in one tick of the store. A
    window begins when one request is sent and ends when one is answered; what is admitted in it was sent and answered in
    it. So that is at most the burst."""
    inside = sorted((one for one in asked if one.allowed), key=lambda one: one.sent_s, reverse=True)
    if not inside:
        return 0.0
    ends = sorted(one.answered_s for one in inside)
    peaks = _Peaks([-rate_per_s * end_s for end_s in ends])
    most = 0.0
    for one in inside:
        peaks.add_from(bisect.bisect_left(ends, one.answered_s), one.tokens)
        most = max(most, peaks.greatest() + rate_per_s * (one.sent_s - STORE_TICK_S))
    return most
