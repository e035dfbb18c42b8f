#!/usr/bin/python3 -B
"""
Every allocation and every system call fails once, from the start through requests and a
reload to the stop: allowd does not start and says why, or goes on as if nothing had been;
what it has kept in its state file holds after a restart, unless it said that it could not.
So does what an earlier version left there, which is taken over and made longer, and what is moved for a fleet.
And no allocation succeeds from one on: it ends, or does without.

ALLOWD_SHARE says which share of the points fail (share.py).
"""
import concurrent.futures
import contextlib
import json
import mmap
import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import share
import test_state
from harness import ALLOWD, ENDS_WITH_US, FORM, JSON, PATIENCE_S, Connection, library, request_bytes
from metrics import Metrics

FAILPOINT = library("FAILPOINT")
BURST, NEXT_BURST = 10000, 9000
CONFIG = """\
tick: 10s
state: %s
limits:
  - {name: default, burst: %d, rate: 1/d}
checks:
  - {name: by-key, key: "{header:Key}"}
  - name: by-body
    key: "{json:login|header:Key}"
    skip: [{methods: [OPTIONS], paths: ["/a*"], networks: [127.0.0.1]}]
    cost: [{methods: [POST, PUT], tokens: 2}]
    answers:
      allow: {body: "{remaining}", type: text/plain, headers: ["X-Left: {remaining}"]}
      missing: {status: 400}
"""
FAR = 1 << 40 # a call that no life comes to
EXIT_OK, EXIT_FAILURE, EXIT_CONFIG = 0, 1, 6
BATCH = json.dumps({"requests": [{"key": "c"}, {"key": "d"}], "mode": "all"}).encode()
# What is asked, and the keys of which it takes a token if it is told 200.
CALLS = (
    (("GET", "/allow?key=a"), "a"),
    (("POST", "/allow", [FORM], b"key=b&tokens=1"), "b"),
    (("POST", "/allow", [JSON], BATCH), "cd"),
    (("GET", "/check/by-key", [("Key", "e")]), "e"),
    (("POST", "/check/by-body", [JSON, ("Key", "f")], b'{"login":"g"}'), "gg"),
    (("GET", "/status?key=a"), ""),
    (("POST", "/reset?key=f"), ""),
    (("POST", "/refund?key=f"), ""),
    (("POST", "/charge?key=h&tokens=1"), "h"),
    (("POST", "/acquire?key=i&ttl=1h"), "i"),
    (("GET", "/status"), ""),
    (("GET", "/metrics"), ""),
    (("GET", "/healthz"), ""),
)
WITHOUT = ("serving without it", "is refused", "has failed")  # what it says of a state it cannot keep
SHORT = {None, 503}  # what else one may be told that is short of something
SHORT_OF_LEASES = {429}  # and who asks for a lease; a 503 may come after one was granted, which then ends by itself


class Run:
    """One process, of which one call fails, or all from one on."""

    def __init__(self, kind, at, on=False):
        self.on = on
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        self.socket = str(self.directory / "socket")
        self.told = self.directory / "told"
        self.told.write_bytes(bytes(mmap.PAGESIZE))
        self.configure(BURST)
        self.log = open(self.directory / "log", "w+b")
        self.launch([], {"LD_PRELOAD": FAILPOINT, "FAILPOINT_KIND": kind, "FAILPOINT_AT": str(at),
                     "FAILPOINT_FILE": str(self.told)} | ({"FAILPOINT_ON": "1"} if on else {}))
        self.begin_accounts()

    def begin_accounts(self):
        self.taken = dict.fromkeys("abcdeghi", 0)     # told so
        self.uncertain = dict.fromkeys("abcdeghi", 0) # not told anything of it

    def go_on(self):
        """Has another process serve after this one was killed, and returns what it has said."""
        self.process.kill()
        self.process.wait()
        before = len(self.said())
        self.launch(ENDS_WITH_US, {})
        self.wait(self.is_served, "the next process serves")
        return self.said()[before:]

    def launch(self, under, variables):
        self.process = subprocess.Popen(
            [*under, ALLOWD, "-c", self.directory / "allowd.yaml", "-l", "unix:" + self.socket],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
            env=os.environ | variables)

    def configure(self, burst):
        path = self.directory / "allowd.yaml"
        path.with_suffix(".new").write_text(CONFIG % (self.directory / "state", burst),
                                            encoding="utf-8")
        path.with_suffix(".new").rename(path)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.directory)

    def told_count(self):
        return struct.unpack_from("@L", self.told.read_bytes())[0]

    def count_down(self, calls):
        """So that the call of the number FAR is so many calls away."""
        with open(self.told, "r+b") as file:
            file.write(struct.pack("@L", FAR - calls))

    def told_name(self):
        return self.told.read_bytes()[8:40].rstrip(b"\0").decode("ascii")

    def said(self):
        return (self.directory / "log").read_text(encoding="utf-8")

    def ask(self, connection, request):
        """A response, or None: the connection ended instead."""
        try:
            connection.send(request_bytes(*request))
            return connection.receive()
        except (OSError, AssertionError): # an answer that was cut short is none
            return None

    def ask_alone(self, request):
        with contextlib.suppress(OSError), Connection(self.socket, self.patience_s()) as connection:
            return self.ask(connection, request)
        return None

    def patience_s(self):
        return 0.3 if self.on else PATIENCE_S

    def has_ended(self):
        return self.process.poll() is not None

    def wait(self, condition, what, patience_s=PATIENCE_S):
        deadline = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline, f"not in time: {what}\n{self.said()}"
            time.sleep(0.002)

    def is_served(self):
        response = self.ask_alone(("GET", "/healthz"))
        return response is not None and response.status == 200

    # -- a life --

    def start(self):
        """Whether it serves; if not it has ended as it should."""
        if self.on:
            # What fails from now on may keep it from serving, or from saying that it is ready, and hardly from both.
            deadline = time.monotonic() + 10
            while not (self.has_ended() or self.is_served() or " ready: " in self.said()
                       or time.monotonic() > deadline):
                time.sleep(0.002)
        else:
            self.wait(lambda: self.has_ended() or self.is_served(), "it serves, or ends")
        if not self.has_ended():
            return True
        assert self.process.returncode in (EXIT_FAILURE, EXIT_CONFIG), self.ending()
        assert self.said() or self.told_name() == "write", "it has not said why"
        return False

    def ending(self):
        return f"exit {self.process.returncode} after {self.told_name()}: {self.said()}"

    def heed(self, keys, response):
        status = response and response.status
        short = SHORT | SHORT_OF_LEASES if keys == "i" else SHORT
        assert status == 200 or status in short, f"{status}: {response}\n{self.said()}"
        for key in keys:
            if status == 200:
                self.taken[key] += 1
            elif status is None or (status == 503 and key == "i"):
                self.uncertain[key] += 1

    def call_all(self):
        for request, keys in CALLS:
            self.heed(keys, self.ask_alone(request))
        with contextlib.suppress(OSError), Connection(self.socket, self.patience_s()) as connection:
            for _ in range(3):
                response = self.ask(connection, CALLS[0][0])
                self.heed(CALLS[0][1], response)
                if response is None or response.header("Connection") == "close":
                    break

    def status(self, key):
        """What holds of a key; asked until there is an answer."""
        answer = []

        def is_answered():
            response = self.ask_alone(("GET", f"/status?key={key}"))
            if response is not None and response.status == 200:
                answer.append(response.json())
            return bool(answer)

        self.wait(is_answered, "an answer")
        return answer[0]

    def reload(self):
        """At most one fails, and changes nothing then."""
        self.configure(NEXT_BURST)
        begins = " reloading\n"
        for _ in range(2):
            begun = self.said().count(begins)
            self.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + PATIENCE_S
            while self.status("other")["burst"] != NEXT_BURST:
                # What comes before it may still be about the one before.
                said = self.said()
                if (said.count(begins) > begun and "error: " in said.rpartition(begins)[2]
                        or time.monotonic() > deadline):
                    break
                time.sleep(0.002)
            else:
                self.begin_accounts() # the new burst is less than what any key had left
                return
            assert self.status("other")["burst"] == BURST, self.said()
        raise AssertionError(f"two reloads failed: {self.said()}")

    def check_accounts(self):
        for key, least in self.taken.items():
            state = self.status(key)
            taken = state["burst"] - state["remaining"]
            assert least <= taken <= least + self.uncertain[key], f"{key}: {taken}, {least}"

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not stop: {self.said()}") from None
        assert self.process.returncode == EXIT_OK, self.ending()


    def check_what_was_kept(self):
        said = self.said()
        self.launch(ENDS_WITH_US, {})
        self.wait(self.is_served, "the next process serves")
        if not any(without in said for without in WITHOUT):
            assert "keys restored" in self.said(), self.said()
            self.check_accounts()
        self.stop()


def live(kind, at):
    """A whole life with one failure; how many calls there were, and the name of the one that failed."""
    run = Run(kind, at)
    try:
        if run.start():
            run.call_all()
            run.check_accounts()
            run.reload()
            run.call_all()
            run.stop()
            run.check_what_was_kept()
        return run.told_count(), run.told_name()
    except AssertionError as error:
        raise AssertionError(f"{kind} {at}, {run.told_name()}: {error}") from None
    finally:
        run.close()


def live_without(kind, at):
    """The same when nothing of the kind succeeds from one point on."""
    run = Run(kind, at, on=True)
    try:
        if run.start():
            run.call_all()
            run.process.send_signal(signal.SIGHUP)
            run.call_all()
            run.process.send_signal(signal.SIGTERM)
            run.wait(run.has_ended, "it stops")
            assert run.process.returncode in (EXIT_OK, EXIT_FAILURE), run.ending()
        return run.told_count(), run.told_name()
    except AssertionError as error:
        raise AssertionError(f"{kind} from {at} on, {run.told_name()}: {error}") from None
    finally:
        run.close()


def begin_anew(kind, at):
    """A process whose state's file is gone, and a call of which fails so many calls later."""
    run = Run(kind, FAR)
    assert run.start()
    run.call_all()
    run.check_accounts()
    (run.directory / "state").unlink()
    run.count_down(at)
    return run


def ask_until_told(run, target):
    """An answer, to which it may take some attempts."""
    answer = []

    def is_answered():
        answer.append(run.ask_alone(("GET", target)))
        return answer[-1] is not None and b"out of memory" not in answer[-1].body

    run.wait(is_answered, "an answer")
    return answer[-1]


def reloads(run):
    """How many there were; the log may have lost a line."""
    metrics = Metrics(ask_until_told(run, "/metrics").body.decode("utf-8"))
    return sum(metrics.value("allowd_config_reloads_total", result=result) for result in ("success", "failure"))


def makes_anew(run):
    """Has it reload; whether the state is kept again."""
    begun = reloads(run)
    run.process.send_signal(signal.SIGHUP)
    run.wait(lambda: reloads(run) > begun, "it has reloaded")
    return (run.directory / "state").exists() and ask_until_told(run, "/readyz").status == 200


def live_anew(kind, at):
    """A life in which the state's file is made anew, with one failure; how many calls that took, and its name."""
    run = begin_anew(kind, at)
    try:
        for _ in range(3):  # one fails at most, in seeing that it is gone or in making it
            if makes_anew(run):
                break
            run.check_accounts()
        count = run.told_count() - (FAR - at)
        run.call_all()
        assert sorted(path.name for path in run.directory.iterdir() if path.name.startswith("state")) == ["state"]
        run.process.kill()
        run.process.wait()
        run.launch(ENDS_WITH_US, {})
        run.wait(run.is_served, "the next process serves")
        assert "keys restored" in run.said(), run.said()
        run.check_accounts()
        run.stop()
        return count, run.told_name()
    except AssertionError as error:
        raise AssertionError(f"anew, {kind} {at}, {run.told_name()}: {error}") from None
    finally:
        run.close()


def is_stopped(run):
    """By the failpoint."""
    state = pathlib.Path(f"/proc/{run.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    return state == "T"


def killed_anew(kind, at):
    """A process that is killed at a call while the file is made anew leaves none, or a whole one; how many calls there were."""
    run = begin_anew(kind, at)
    try:
        run.process.send_signal(signal.SIGHUP)
        run.wait(lambda: is_stopped(run) or "reloaded " in run.said(), "it stops")
        count, name = run.told_count() - (FAR - at), run.told_name()
        run.process.kill()
        run.process.wait()
        is_there = (run.directory / "state").exists()
        assert is_there or "made anew" not in run.said(), run.said()
        run.launch(ENDS_WITH_US, {})
        run.wait(run.is_served, "the next process serves")
        if is_there:
            assert "keys restored" in run.said() and "refused" not in run.said(), run.said()
            run.check_accounts()
        else:
            run.begin_accounts()
        run.call_all()
        (run.directory / "state").unlink()
        assert makes_anew(run), run.said() # whatever was left beside it
        run.check_accounts()
        run.stop()
        return count, name
    except AssertionError as error:
        raise AssertionError(f"killed anew, at {at}, {run.told_name()}: {error}") from None
    finally:
        run.close()


class OldRun(Run):
    """A process that takes over what 0.1.0 left, when it was killed under load."""

    LISTED = test_state.Listed("state-0.1.0-evict.hex")

    def configure(self, burst):
        self.state = self.directory / "state"
        self.LISTED.write(self.state)
        (self.directory / "allowd.yaml").write_text(
            f"state: {self.state}\n" + test_state.FirstVersion.UNDER_LOAD % 16, encoding="utf-8")

    def check_keys(self):
        for key, tokens in self.LISTED.left.items():
            left = self.status(urllib.parse.quote(key))["remaining"]
            assert left in range(tokens, tokens + test_state.FirstVersion.YEARS + 1), f"{key}: {left}, {tokens}"

    def check_next(self):
        """The next process has all of it, and room for leases."""
        said = self.go_on()
        assert f"{len(self.LISTED.left)} keys restored" in said and "error" not in said, said
        assert self.state.stat().st_size > self.LISTED.bytes, said
        self.check_keys()
        self.stop()


def live_old(kind, at):
    """One failure while it is taken over; how many calls that took, and the name of the one that failed."""
    run = OldRun(kind, at)
    try:
        if run.start() and not any(without in run.said() for without in WITHOUT):
            run.check_keys()
        count, name = run.told_count(), run.told_name()
        run.check_next()
        return count, name
    except AssertionError as error:
        raise AssertionError(f"old, {kind} {at}, {run.told_name()}: {error}") from None
    finally:
        run.close()


def killed_old(kind, at):
    """The same, killed at a call."""
    run = OldRun(kind, at)
    try:
        run.wait(lambda: is_stopped(run) or " ready: " in run.said(), "it stops, or serves")
        count, name = run.told_count(), run.told_name()
        run.check_next()
        return count, name
    except AssertionError as error:
        raise AssertionError(f"killed old, at {at}, {run.told_name()}: {error}") from None
    finally:
        run.close()


class MovedRun(Run):
    """A process that moves a state into a file with room for what is in hand of a fleet, whose store is not there."""

    FLEET = "fleet: {name: test, store: ['redis://127.0.0.1:1']}\n"

    def launch(self, under, variables):
        if not hasattr(self, "process"):
            self.make_state()
        super().launch(under, variables)

    def make_state(self):
        """By a process that has no fleet."""
        super().launch(ENDS_WITH_US, {})
        self.begin_accounts()
        self.wait(self.is_served, "a process without a fleet serves")
        self.call_all()
        self.process.kill()
        self.process.wait()
        self.had, self.length = dict(self.taken), (self.directory / "state").stat().st_size
        self.said_before = len(self.said())
        path = self.directory / "allowd.yaml"
        path.write_text(self.FLEET + path.read_text(encoding="utf-8"), encoding="utf-8")

    def begin_accounts(self):
        super().begin_accounts()
        self.taken.update(getattr(self, "had", {}))

    def check_next(self):
        """The next process has all of it, and room."""
        said = self.go_on()
        assert "keys restored, and 1 lease" in said and "is refused" not in said, said
        assert (self.directory / "state").stat().st_size > self.length, self.said()
        assert not (self.directory / "state.new").exists(), said
        self.check_accounts()
        self.stop()


def moved(kind, at):
    """One call that fails, or before which it is killed, while a state is moved."""
    run = MovedRun(kind, at)
    try:
        if kind == "stop":
            run.wait(lambda: is_stopped(run) or " ready: " in run.said()[run.said_before:], "it stops, or serves")
        else:
            run.start()
        count, name = run.told_count(), run.told_name()
        run.check_next()
        return count, name
    except AssertionError as error:
        raise AssertionError(f"moved, {kind} {at}, {run.told_name()}: {error}") from None
    finally:
        run.close()


class Failpoints(unittest.TestCase):
    def each(self, life, kind, points):
        """Lives through each of these points; the names of those it came to."""
        names = []
        failed = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for future in [pool.submit(life, kind, at) for at in points]:
                try:
                    names.append(future.result()[1])
                except AssertionError as error:
                    failed.append(str(error))
        self.assertEqual(failed, [])
        return [name for name in names if name]

    def count(self, kind):
        """How many points there are in a life that nothing happens in."""
        counts = [live(kind, FAR)[0] for _ in range(3)]
        return max(counts)

    def check(self, kind, names):
        count = self.count(kind)
        failed = self.each(live, kind, share.share_of(range(1, count + 1)))
        if share.IS_WHOLE:
            self.assertLessEqual(names, set(failed))
        print(f"{kind}: ALLOWD_SHARE={share.TEXT}: {len(failed)} of {count} points survived: "
              f"{', '.join(sorted(set(failed)))}")

    def test_allocations(self):
        self.check("allocation", {"malloc", "calloc", "realloc"})

    def test_calls(self):
        self.check("call", {"open", "mmap", "socket", "bind", "epoll_create1", "pthread_create",
                            "recv"})

    def points_anew(self, life, kind):
        """Those while the file is made anew."""
        return range(1, max(life(kind, FAR // 2)[0] for _ in range(3)) + 1)

    def test_a_state_made_anew(self):
        for kind in ("allocation", "call"):
            points = share.share_of(self.points_anew(live_anew, kind))
            failed = self.each(live_anew, kind, points)
            print(f"anew, {kind}: ALLOWD_SHARE={share.TEXT}: {len(failed)} of {len(points)} points survived: "
                  f"{', '.join(sorted(set(failed)))}")
            if share.IS_WHOLE and kind == "call":
                self.assertLessEqual({"pwrite", "fstat", "lseek"}, set(failed))

    def test_kills_while_a_state_is_made_anew(self):
        points = share.share_of(self.points_anew(killed_anew, "stop"))
        names = self.each(killed_anew, "stop", points)
        print(f"anew: ALLOWD_SHARE={share.TEXT}: killed at {len(names)} of {len(points)} points: "
              f"{', '.join(sorted(set(names)))}")
        if share.IS_WHOLE:
            self.assertLessEqual({"pwrite", "lseek"}, set(names))

    def test_what_an_earlier_version_left(self):
        for life, kind, least in ((live_old, "allocation", set()), (live_old, "call", {"fsync", "ftruncate", "mmap"}),
                                  (killed_old, "stop", {"fsync", "ftruncate", "mmap"})):
            count = max(life(kind, FAR)[0] for _ in range(3))
            names = self.each(life, kind, share.share_of(range(1, count + 1)))
            print(f"old, {kind}: ALLOWD_SHARE={share.TEXT}: {len(names)} of {count} points: "
                  f"{', '.join(sorted(set(names)))}")
            if share.IS_WHOLE:
                self.assertLessEqual(least, set(names))

    def test_a_state_that_is_moved_for_a_fleet(self):
        for kind in ("call", "stop"):
            count = max(moved(kind, FAR)[0] for _ in range(3))
            names = self.each(moved, kind, share.share_of(range(1, count + 1)))
            print(f"moved, {kind}: ALLOWD_SHARE={share.TEXT}: {len(names)} of {count} points: "
                  f"{', '.join(sorted(set(names)))}")
            if share.IS_WHOLE:
                self.assertLessEqual({"fsync", "ftruncate", "mmap", "rename"}, set(names))

    def test_no_more_memory(self):
        count = self.count("allocation")
        points = share.share_of(range(1, count + 1))
        self.each(live_without, "allocation", points)
        print(f"allocation: ALLOWD_SHARE={share.TEXT}: {len(points)} lives without, from one of {count} points on")


if __name__ == "__main__":
    unittest.main()
