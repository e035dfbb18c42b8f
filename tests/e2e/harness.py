"""
A real allowd to talk to, over real sockets.

Daemon starts one on a free port, waits until it says that it is ready, and
ends it by its process id; a daemon that leaves with another status than 0, or
with a sanitizer's report in its log, fails the test. Connection speaks raw
bytes and reads back exact responses. Case is a test class with one daemon.

The daemon is the environment's ALLOWD, or build/allowd below TOP_SRCDIR.
"""
import atexit
import contextlib
import ctypes
import fcntl
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TOP = pathlib.Path(os.environ.get("TOP_SRCDIR") or
                   pathlib.Path(__file__).resolve().parents[2]).resolve()
ALLOWD = os.path.abspath(os.environ.get("ALLOWD") or TOP / "build" / "allowd")

# No answer takes this long, however busy the machine; a test that waits so long has failed.
PATIENCE_S = 120

# Whether the daemon is linked with a sanitizer: a start takes ten times as long then, and what
# was freed keeps its memory.
SANITIZED = re.search(rb"\0lib[alt]san\.so", pathlib.Path(ALLOWD).read_bytes()) is not None
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:")



def library(name):
    """The library for LD_PRELOAD that the environment, or else the build, has under a name such as STALLSTATE.
    Without it the test would wait for what never comes, so it ends here and says how to run it."""
    builds = os.environ.get("BUILDDIR") or TOP / "build"
    path = os.environ.get(name) or os.path.join(builds, "tests", "e2e", f"{name.lower()}.so")
    if not os.path.isfile(path):
        test = pathlib.Path(sys.argv[0]).name
        raise SystemExit(f"{test} cannot run: there is no {path}; in the build, make check "
                         f"TESTS=tests/e2e/{test}, or make tests/e2e/{name.lower()}.so and set BUILDDIR")
    return path


libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
# Even a test that is killed outright leaves no daemon behind. To do the same in the child, before
# it becomes the daemon, takes a copy of all that Python has in memory: several times as long.
ENDS_WITH_US = ("setpriv", "--pdeathsig", "KILL")


def wait_until(condition, what, patience_s=PATIENCE_S):
    """Polls until condition() is true, and returns what it returned."""
    deadline = time.monotonic() + patience_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"after {patience_s} s still not: {what}")
        time.sleep(0.01)


def execute(command, descriptors):
    """Becomes a command that has these descriptors as 3, 4, ...; subprocess would close them."""
    above = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3 + len(descriptors))
             for descriptor in descriptors]
    for number, descriptor in enumerate(above, 3):
        os.dup2(descriptor, number)
    os.execv(command[0], command)


# ---- the daemon ----

class Daemon:
    """One process; `with Daemon(...) as daemon` stops and judges it at the end, as does
    addCleanup(daemon.stop). One that is killed is not judged: no sanitizer looks for leaks, no line counts as run."""

    _running = set()

    def __init__(self, config=None, listen=("127.0.0.1:0",), arguments=(), prepare=None,
                 wait=True, descriptors=(), under=()):
        """config: the file's text, or None for no file. prepare: called in the child before
        it becomes allowd. wait: return only when it is ready. descriptors: of this process,
        which it has as 3, 4, ... under: a command that runs it, such as valgrind."""
        self.directory = tempfile.mkdtemp(prefix="allowd-e2e-")
        self.config_path = os.path.join(self.directory, "allowd.yaml")
        self.lines = []
        self._changed = threading.Condition()
        command = [*under, ALLOWD]
        if config is not None:
            self.write_config(config)
            command += ["-c", self.config_path]
        for address in listen:
            command += ["-l", address.replace("{directory}", self.directory)]
        command += arguments

        def in_child():
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if prepare is not None:
                prepare()
            if descriptors:
                execute(command, descriptors)

        # Who does not wait may send a signal at once, and none to setpriv.
        if wait and prepare is None and not descriptors:
            command, in_child = [*ENDS_WITH_US, *command], None
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        preexec_fn=in_child)
        Daemon._running.add(self)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        if wait:
            try:
                self.wait_for_line(r" ready: ")
            except BaseException:
                self.kill()
                raise

    def write_config(self, text):
        """Puts a new configuration in place, whole, as an editor or a package manager would."""
        with open(self.config_path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(self.config_path + ".new", self.config_path)

    # -- its log --

    def _read_log(self):
        for line in self.process.stderr:
            with self._changed:
                self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self.lines.append(None)
            self._changed.notify_all()

    def log(self):
        with self._changed:
            return [line for line in self.lines if line is not None]

    def mark(self):
        """A place in the log, for wait_for_line to look behind."""
        with self._changed:
            return len(self.lines)

    def wait_for_line(self, pattern, after=0):
        """Waits for a log line in which the pattern is found, and returns the match."""
        deadline = time.monotonic() + PATIENCE_S
        with self._changed:
            while True:
                for line in self.lines[after:]:
                    match = line is not None and re.search(pattern, line)
                    if match:
                        return match
                ended = bool(self.lines) and self.lines[-1] is None
                left = deadline - time.monotonic()
                if ended or left <= 0:
                    why = "the daemon has ended" if ended else f"waited {PATIENCE_S} s"
                    raise AssertionError(f"no log line with {pattern!r} ({why}): {self.lines}")
                self._changed.wait(left)

    # -- where it listens --

    def addresses(self):
        """What connect() takes, one for each listener, in order."""
        found = []
        for line in self.log():
            match = re.match(r"allowd: listening on (.*?)(, inherited as .*)?$", line)
            if match:
                found.append(parse_address(match[1]))
        return found

    @property
    def address(self):
        return self.addresses()[0]

    @property
    def url(self):
        return "http://%s:%d" % self.address

    # -- signals and the end --

    def call(self, method, target, headers=(), body=None):
        """One request on a connection of its own."""
        with Connection(self.address) as connection:
            connection.send(request_bytes(method, target, headers, body))
            return connection.receive(to_head=method == "HEAD")

    def signal(self, number):
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            wait_until(self._is_stopped, "every thread has stopped")

    def _is_stopped(self):
        """A stop takes effect thread by thread, a moment after it is sent."""
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/stat"):
            with open(path, encoding="ascii") as stat:
                if stat.read().rpartition(")")[2].split()[0] != "T":
                    return False
        return True

    def reload(self, config):
        """Puts a configuration in place, has it read, and returns once it was."""
        mark = self.mark()
        self.write_config(config)
        self.signal(signal.SIGHUP)
        self.wait_for_line(r"reloaded |is faulty", after=mark)

    def wait(self):
        """Waits for the process to end by itself; its status and its whole log."""
        try:
            status = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {PATIENCE_S} s: {self.log()}") from None
        self._reader.join(PATIENCE_S)
        self._forget()
        report = [line for line in self.log() if SANITIZER_REPORT.search(line)]
        if report:
            raise AssertionError("\n".join(self.log()))
        return status

    def stop(self):
        """The orderly end, and the judgement on the whole run."""
        if self not in Daemon._running:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        status = self.wait()
        if status != 0:
            raise AssertionError(f"exit status {status}: {self.log()}")

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self._reader.join(PATIENCE_S)
        self._forget()

    def _forget(self):
        self.process.stderr.close()
        Daemon._running.discard(self)
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.stop()
        elif self in Daemon._running:
            self.kill()

    # -- its inside, as the kernel shows it --

    def cpu_s(self):
        """Processor time used so far."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self):
        """Memory that is its own and in use now."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return int(re.search(r"^RssAnon:\s+(\d+) kB$", file.read(), re.M)[1])

    def descriptors(self):
        return sorted(int(name) for name in os.listdir(f"/proc/{self.process.pid}/fd"))


@atexit.register
def _kill_all():
    for daemon in list(Daemon._running):
        daemon.kill()


def run_allowd(*arguments, **options):
    """Runs allowd to its end: status, standard output, standard error."""
    done = subprocess.run([ALLOWD, *arguments], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=PATIENCE_S, check=False, **options)
    if SANITIZER_REPORT.search(done.stderr):
        raise AssertionError(done.stderr)
    return done.returncode, done.stdout, done.stderr


# ---- HTTP, byte by byte ----

def parse_address(text):
    """An address as allowd prints it, as connect() wants it."""
    if text.startswith("unix:"):
        return text[len("unix:"):]
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def closed_port():
    """A port where nobody listens, which stays so as long as the socket is held."""
    held = socket.socket()
    held.bind(("127.0.0.1", 0))
    return held, held.getsockname()[1]


class Response:
    """Status line, fields in order, body; nothing is unfolded, merged or guessed."""

    def __init__(self, head, body):
        lines = head.split(b"\r\n")
        self.version, status, self.reason = lines[0].decode("ascii").split(" ", 2)
        self.status = int(status)
        self.fields = []
        for line in lines[1:]:
            name, colon, value = line.decode("latin-1").partition(": ")
            if not colon:
                raise AssertionError(f"not a header field: {line!r}")
            self.fields.append((name, value))
        self.body = body

    def header(self, name):
        """A field's value; None if it is not there; twice is an error."""
        found = [value for field, value in self.fields if field.lower() == name.lower()]
        if len(found) > 1:
            raise AssertionError(f"{name} is there {len(found)} times: {self.fields}")
        return found[0] if found else None

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.fields} {self.body!r}>"


class Connection:
    """A client's end of a connection."""

    def __init__(self, address, patience_s=PATIENCE_S):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket.settimeout(patience_s)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if not isinstance(address, str):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        self.was_reset = False

    def send(self, data):
        self.socket.sendall(data)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def close(self):
        self.socket.close()

    def reset(self):
        """Leaves without a goodbye: the peer gets a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _more(self):
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            self.was_reset = True
            data = b""
        self.unread += data
        return bool(data)

    def receive(self, to_head=False):
        """The next response, or None if the connection ends before one begins.
        to_head: it answers a HEAD, so no body follows."""
        while b"\r\n\r\n" not in self.unread:
            if not self._more():
                if self.unread:
                    raise AssertionError(f"a response was cut short: {self.unread!r}")
                return None
        head, _, self.unread = self.unread.partition(b"\r\n\r\n")
        response = Response(head, b"")
        length = response.header("Content-Length")
        if length is None:
            raise AssertionError(f"no Content-Length: {response}")
        length = 0 if to_head or response.status == 100 else int(length)
        while len(self.unread) < length:
            if not self._more():
                raise AssertionError(f"a body was cut short: {response} {self.unread!r}")
        response.body, self.unread = self.unread[:length], self.unread[length:]
        return response

    def receive_all(self):
        """Every response until the daemon closes."""
        responses = []
        while (response := self.receive()) is not None:
            responses.append(response)
        return responses

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request_bytes(method, target, headers=(), body=None):
    """A request as a well-behaved client would send it."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines + ["", ""]).encode("utf-8") + (body or b"")


FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")
LINES = ("Content-Type", "application/vnd.allowd.lines.v1")


# ---- a test class with one daemon ----

class Case(unittest.TestCase):
    """Starts a daemon for all the tests of a class. Each test takes keys of its own."""

    config = None
    listen = ("127.0.0.1:0",)
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(cls.config, cls.listen)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def key(self, prefix=""):
        """A key that nobody else uses."""
        self._keys = getattr(self, "_keys", 0) + 1
        return f"{prefix}{self.id().rpartition('.')[2]}-{self._keys}"

    def connect(self):
        connection = Connection(self.daemon.address)
        self.addCleanup(connection.close)
        return connection

    def call(self, method, target, headers=(), body=None):
        return self.daemon.call(method, target, headers, body)

    def allow(self, key, parameters=""):
        return self.call("GET", f"/allow?key={key}{parameters}")

    def remaining(self, key, parameters=""):
        """What a bucket holds, asked without touching it."""
        return self.call("GET", f"/status?key={key}{parameters}").json()["remaining"]

    def counters(self):
        return self.call("GET", "/status").json()["counters"]

    def counted(self, before):
        """What has been counted since the counters were `before`."""
        return {name: count - before[name] for name, count in self.counters().items()
                if count != before[name]}

    def batch(self, requests, mode=None, path="/allow"):
        """A list of requests in one call."""
        body = {"requests": requests} | ({} if mode is None else {"mode": mode})
        return self.call("POST", path, [JSON], json.dumps(body).encode())

    def assert_problem(self, response, status, detail=None):
        """An error in the one form that errors have."""
        self.assertEqual(response.status, status, response)
        self.assertEqual(response.header("Content-Type"), "application/problem+json")
        self.assertEqual(response.header("Cache-Control"), "no-store")
        problem = response.json()
        self.assertEqual(list(problem), ["type", "title", "status", "detail"])
        self.assertEqual(problem["type"], "about:blank")
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["title"])
        if detail is not None:
            self.assertRegex(problem["detail"], detail)
        for name in ("RateLimit", "RateLimit-Policy", "Retry-After"):
            self.assertIsNone(response.header(name))
