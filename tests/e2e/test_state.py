#!/usr/bin/python3 -B
"""
State that outlives the process: restarts, and files that fail. Kills are in test_state_kills.py, files that are gone in
test_state_gone.py.
"""
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
import urllib.parse

from harness import ALLOWD, JSON, SANITIZED, Connection, Daemon, request_bytes, wait_until
from metrics import Metrics

NOBODY = 65534


def become_nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


class StateCase(unittest.TestCase):
    """With a directory of its own for the state, and daemons that use it."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="allowd-e2e-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.path = os.path.join(self.directory, "state")

    def config(self, more="", state=None):
        return (f"state: {state or self.path}\n{more}limits:\n"
                "  - {name: default, burst: 10, rate: 1/h}\n")

    def start(self, config=None, **options):
        daemon = Daemon(config or self.config(), **options)
        self.addCleanup(daemon.stop)
        return daemon

    def fill(self, daemon, count, start=0):
        """Takes a token of each of so many keys; all are answered."""
        with Connection(daemon.address) as connection:
            for first in range(start, start + count, 1000):
                keys = range(first, min(first + 1000, start + count))
                body = json.dumps({"requests": [{"key": f"k{i}"} for i in keys]})
                connection.send(request_bytes("POST", "/allow", [JSON], body.encode("ascii")))
                self.assertEqual(connection.receive().status, 200)

    def remaining(self, daemon, key):
        return daemon.call("GET", f"/status?key={key}").json()["remaining"]

    def take(self, daemon, key, tokens=1):
        response = daemon.call("GET", f"/allow?key={key}&tokens={tokens}")
        self.assertEqual(response.status, 200)

    def metric(self, daemon, name, **labels):
        text = daemon.call("GET", "/metrics").body.decode("utf-8")
        return Metrics(text).value(name, **labels)

    def readiness(self, daemon):
        response = daemon.call("GET", "/readyz")
        return response.status, response.json().get("detail", "")

    def assert_degraded(self, daemon, why):
        status, detail = self.readiness(daemon)
        self.assertEqual(status, 503)
        self.assertIn("degraded", detail)
        self.assertIn(why, detail)
        self.assertEqual(self.metric(daemon, "allowd_state_degraded"), 1)
        self.assertEqual(daemon.call("GET", "/healthz").status, 200)

    def hup(self, daemon):
        """What is logged until a reload is over."""
        mark = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("reloaded ", mark)
        return "\n".join(daemon.log()[mark:])

    def assert_sound(self, daemon):
        self.assertEqual(self.readiness(daemon)[0], 200)
        self.assertEqual(self.metric(daemon, "allowd_state_degraded"), 0)


class Restarts(StateCase):
    def test_what_was_taken_stays_taken(self):
        daemon = self.start()
        self.assertTrue(daemon.wait_for_line(r"state \S+ is new"))
        self.take(daemon, "stopped", 4)
        daemon.stop()
        daemon = self.start()
        self.assertEqual(self.remaining(daemon, "stopped"), 6)
        self.take(daemon, "killed", 7)
        daemon.kill()
        daemon = self.start()
        self.assertTrue(daemon.wait_for_line(r"state \S+: 2 keys restored"))
        self.assertEqual(self.remaining(daemon, "stopped"), 6)
        self.assertEqual(self.remaining(daemon, "killed"), 3)
        self.assertEqual(self.metric(daemon, "allowd_state_restored_keys"), 2)
        self.assert_sound(daemon)
        self.assertEqual(os.stat(self.path).st_mode & 0o7777, 0o600)
        daemon.stop()

    def test_time_goes_on_meanwhile(self):
        config = self.config().replace("1/h", "10/s")
        daemon = self.start(config)
        self.take(daemon, "key", 10)
        daemon.kill()
        daemon = self.start(config)
        wait_until(lambda: self.remaining(daemon, "key") == 10, "the bucket is full again")
        daemon.stop()

    def test_other_limits(self):
        daemon = self.start()
        self.take(daemon, "key", 4)
        daemon.kill()
        daemon = self.start(self.config().replace("burst: 10", "burst: 5"))
        self.assertEqual(self.remaining(daemon, "key"), 5)
        self.take(daemon, "key", 2)  # a full bucket would stay full
        daemon.kill()
        daemon = self.start(self.config().replace("burst: 10", "burst: 50"))
        self.assertEqual(self.remaining(daemon, "key"), 3)
        daemon.stop()

    def test_a_reload_is_kept_too(self):
        daemon = self.start()
        self.take(daemon, "key", 4)
        daemon.reload(self.config().replace("burst: 10", "burst: 5"))
        self.take(daemon, "key", 3)
        daemon.reload(self.config().replace("burst: 10", "burst: 7"))
        daemon.kill()
        daemon = self.start()
        self.assertEqual(self.remaining(daemon, "key"), 2)
        daemon.stop()

    def test_another_number_of_keys(self):
        daemon = self.start(self.config("max_keys: 100\n"))
        for i in range(50):
            self.take(daemon, f"key-{i}", i % 10 + 1)
        before = os.stat(self.path).st_size
        daemon.kill()
        for max_keys in (20000, 60):
            daemon = self.start(self.config(f"max_keys: {max_keys}\n"))
            self.assertTrue(daemon.wait_for_line(f"moved from max_keys [0-9]+ to {max_keys}"))
            for i in range(50):
                self.assertEqual(self.remaining(daemon, f"key-{i}"), 10 - (i % 10 + 1))
            self.assertEqual(self.metric(daemon, "allowd_keys_max"), max_keys)
            daemon.kill()
        self.assertLess(os.stat(self.path).st_size, before)
        self.assertEqual(os.listdir(self.directory), ["state"])

    def test_what_is_in_the_way_of_another_number_of_keys_stays(self):
        daemon = self.start(self.config("max_keys: 100\n"))
        self.take(daemon, "key", 4)
        daemon.kill()
        new = self.path + ".new"
        for precious in (b"precious", bytes(8192) + b"precious" * 1000):
            with self.subTest(len(precious)):
                with open(new, "wb") as file:
                    file.write(precious)
                os.chmod(new, 0o644)
                self.serves_with_the_old_number(200)
                with open(new, "rb") as file:
                    self.assertEqual(file.read(), precious)
                self.assertEqual(os.stat(new).st_mode & 0o7777, 0o644)
                os.remove(new)
        for put in (os.mkdir, os.mkfifo, lambda path: os.symlink(self.path + "2", path)):
            put(new)
            self.serves_with_the_old_number(200)
            self.assertTrue(os.path.lexists(new))
            (os.rmdir if os.path.isdir(new) else os.remove)(new)
        self.assertEqual(os.listdir(self.directory), ["state"])
        daemon = self.start(self.config("max_keys: 200\n"))
        daemon.wait_for_line(r"state \S+: 1 key restored$")
        daemon.wait_for_line(" ready: 1 limit, room for 200 keys$")
        self.assertEqual(self.metric(daemon, "allowd_keys_max"), 200)
        self.assertEqual(self.remaining(daemon, "key"), 6)
        daemon.stop()

    def test_more_leases_than_there_may_be_stay(self):
        def acquire():
            return daemon.call("POST", "/acquire?key=key&ttl=1h").json()

        daemon = self.start(self.config("max_leases: 10\n"))
        leases = [acquire()["lease"] for _ in range(5)]
        daemon.kill()
        daemon = self.start(self.config("max_leases: 3\n"))
        daemon.wait_for_line(r"state \S+: 1 key restored, and 5 leases$")
        daemon.wait_for_line("more leases are held than max_leases 3; all stay, and none is granted before fewer are$")
        self.assertEqual(acquire()["reason"], "too_many_leases")
        for lease in leases[:3]:
            self.assertEqual(daemon.call("POST", f"/release?lease={lease}").status, 200)
        leases.append(acquire()["lease"])
        self.assertEqual(acquire()["reason"], "too_many_leases")
        daemon.kill()
        daemon = self.start(self.config("max_leases: 3\n"))
        daemon.wait_for_line("moved from max_leases 10 to 3$")
        for lease in leases[3:]:
            self.assertEqual(daemon.call("POST", f"/renew?lease={lease}").status, 200)
        self.assert_sound(daemon)
        daemon.stop()

    def serves_with_the_old_number(self, max_keys):
        daemon = self.start(self.config(f"max_keys: {max_keys}\n"))
        daemon.wait_for_line(r"cannot make \S+\.new: something else is there; move it away, "
                             "then restart; max_keys stays 100, and max_leases 100000$")
        daemon.wait_for_line(" ready: 1 limit, room for 100 keys$")
        self.assertEqual(self.metric(daemon, "allowd_keys_max"), 100)
        self.assertEqual(self.remaining(daemon, "key"), 6)
        self.assert_sound(daemon)
        daemon.stop()

    def test_what_a_move_that_was_cut_short_has_left_is_no_hindrance(self):
        daemon = self.start(self.config("max_keys: 100\n"))
        self.take(daemon, "key", 4)
        daemon.kill()
        new = self.path + ".new"
        for left, size, max_keys in ((b"", 0, 200), (b"", 10000, 300), (b"allowd\r\n", 10000, 400)):
            with open(new, "wb") as file:
                file.write(left)
            os.truncate(new, size)
            os.chmod(new, 0o666)
            daemon = self.start(self.config(f"max_keys: {max_keys}\n"))
            daemon.wait_for_line(f"moved from max_keys [0-9]+ to {max_keys}")
            self.assertEqual(self.remaining(daemon, "key"), 6)
            self.assertEqual(os.stat(self.path).st_mode & 0o7777, 0o600)
            daemon.kill()
        self.assertEqual(os.listdir(self.directory), ["state"])

    def test_a_file_that_others_may_use_is_taken_from_them(self):
        for mode in (0o640, 0o606, 0o666, 0o620):
            with self.subTest(oct(mode)):
                daemon = self.start()
                self.take(daemon, "key")
                daemon.kill()
                os.chmod(self.path, mode)
                daemon = self.start()
                daemon.wait_for_line(r"warning: \S+/state could be read or written by others, .*; "
                                     "it is 0600 now$")
                self.assertEqual(os.stat(self.path).st_mode & 0o7777, 0o600)
                self.assert_sound(daemon)
                daemon.kill()

    def test_the_mode_of_a_file_that_is_none_stays(self):
        with open(self.path, "wb") as file:
            file.write(b"precious" * 1000)
        os.chmod(self.path, 0o644)
        daemon = self.start()
        daemon.stop()
        self.assertEqual(os.stat(self.path + ".refused").st_mode & 0o7777, 0o644)
        self.assertEqual(os.stat(self.path).st_mode & 0o7777, 0o600)
        self.assertNotIn("by others", "".join(daemon.log()))

    def test_a_state_that_is_none_is_put_aside(self):
        with open(self.path, "wb") as file:
            file.write(b"precious" * 1000)
        daemon = self.start()
        daemon.wait_for_line(r"state \S+ is refused: it is no state of allowd's.*kept as \S+\.refused")
        self.assertEqual(self.metric(daemon, "allowd_state_refused_total"), 1)
        self.assert_sound(daemon)
        self.take(daemon, "key", 4)
        daemon.kill()
        with open(self.path + ".refused", "rb") as file:
            self.assertEqual(file.read(), b"precious" * 1000)
        daemon = self.start()
        self.assertEqual(self.remaining(daemon, "key"), 6)
        self.assertEqual(self.metric(daemon, "allowd_state_refused_total"), 0)
        daemon.stop()

    def test_what_only_begins_with_zeros_is_put_aside_too(self):
        precious = bytes(32768) + b"precious" * 1000  # as a CD's image does
        with open(self.path, "wb") as file:
            file.write(precious)
        daemon = self.start()
        daemon.wait_for_line(r"state \S+ is refused: it is no state of allowd's")
        self.assert_sound(daemon)
        daemon.stop()
        with open(self.path + ".refused", "rb") as file:
            self.assertEqual(file.read(), precious)

    def test_a_change_of_path_waits_for_the_next_start(self):
        daemon = self.start()
        daemon.reload(self.config(state=self.path + "2"))
        daemon.wait_for_line("state has changed; it takes effect at the next start")
        self.assertEqual(os.listdir(self.directory), ["state"])
        daemon.stop()


class Renames(StateCase):
    LIMITS = "  - {name: %s, match: 'api:*', burst: %d, rate: 1/d}\n"

    def named(self, name, burst=10):
        return self.config() + self.LIMITS % (name, burst)

    def test_a_restart_with_another_name(self):
        daemon = self.start(self.named("old"))
        self.take(daemon, "api:a", 10)
        self.take(daemon, "api:b", 4)
        daemon.stop()
        for name in ("new, was: old", "new", "new, was: old"):
            daemon = self.start(self.named(name, 5))
            self.assertEqual(self.remaining(daemon, "api:a"), 0, name)
            self.assertEqual(self.remaining(daemon, "api:b"), 5, name)
            daemon.kill()

    def test_a_reload_is_kept(self):
        daemon = self.start(self.named("old"))
        self.take(daemon, "api:a", 7)
        daemon.reload(self.named("new, was: old"))
        daemon.kill()
        daemon = self.start(self.named("new"))
        self.assertEqual(self.remaining(daemon, "api:a"), 3)

    def test_without_it_the_keys_begin_full(self):
        daemon = self.start(self.named("old"))
        self.take(daemon, "api:a", 7)
        daemon.stop()
        daemon = self.start(self.named("new"))
        self.assertEqual(self.remaining(daemon, "api:a"), 10)


def checksum(some):
    """That of bytes.h, FNV-1a."""
    value = 0xcbf29ce484222325
    for byte in some:
        value = (value ^ byte) * 0x100000001b3 % (1 << 64)
    return value.to_bytes(8, "little")


class Listed:
    """A state file that is listed in a text: its length, then what of it is not zeros, line by line
    behind its offset, and what each key has left."""

    def __init__(self, name):
        place = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
        self.parts, self.left = [], {}
        with open(place, encoding="ascii") as lines:
            lines = [line.rstrip("\n") for line in lines if not line.startswith("#")]
        self.bytes = int(lines[0], 16)
        for line in lines[1:]:
            if found := re.match(r"left \d+((?: [0-9a-f]{16}:\d+)+) (.*)$", line):
                self.left[found[2]] = min(int(mark.split(":")[1]) for mark in found[1].split())
            else:
                offset, some = line.split()
                self.parts.append((int(offset, 16), bytes.fromhex(some)))

    def write(self, path):
        with open(path, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.truncate(self.bytes)
            for offset, some in self.parts:
                file.seek(offset)
                file.write(some)


@unittest.skipUnless(sys.byteorder == "little", "the state is that of a little-endian machine")
class FirstVersion(StateCase):
    """What allowd 0.1.0 left is gone on with: the listings say what it had done."""

    LIMITS = ("max_keys: 8\ntick: 10s\nlimits:\n"
              "  - {name: %s, match: 'api:*', burst: 90, rate: 1/366d}\n"
              "  - name: default\n    burst: 90\n    rate: 1/366d\n"
              "    overrides: [{key: 10.0.0.0/8, burst: 80, rate: 1/366d}]\n")
    UNDER_LOAD = ("max_keys: %d\ntick: 10s\nlimits:\n  - name: old\n    match: 'api:*'\n    buckets:\n"
                  "      - {name: month, burst: 90, rate: 1/366d}\n"
                  "      - {name: year, burst: 95, rate: 1/366d}\n"
                  "  - name: default\n    burst: 90\n    rate: 1/366d\n"
                  "    overrides: [{key: vip*, burst: 80, rate: 1/366d}]\n")
    BROUGHT = "brought from layout 1 to layout 2"
    YEARS = 9  # the longest absence that counts

    def assert_left(self, daemon, key, tokens):
        """A token has come for each year since."""
        key = urllib.parse.quote(key)
        self.assertIn(self.remaining(daemon, key), range(tokens, tokens + self.YEARS + 1), key)

    def assert_undamaged(self, daemon):
        for result in ("mended", "emptied", "dropped"):
            self.assertEqual(self.metric(daemon, "allowd_state_damaged_total", result=result), 0)
        self.assertEqual(self.metric(daemon, "allowd_state_refused_total"), 0)
        self.assert_sound(daemon)

    def test_all_keys_are_there(self):
        Listed("state-0.1.0.hex").write(self.path)
        for name in ("old", "new, was: old", "new"):
            daemon = self.start(f"state: {self.path}\n" + self.LIMITS % name)
            self.assertTrue(daemon.wait_for_line(r"state \S+: 4 keys restored"), name)
            self.assert_left(daemon, "api:a", 0)
            self.assert_left(daemon, "api:b", 60)
            self.assert_left(daemon, "10.1.2.3", 10)
            self.assert_left(daemon, "someone", 0)
            self.assert_undamaged(daemon)
            self.assertEqual(self.BROUGHT in "".join(daemon.log()), name == "old")
            daemon.stop()

    def test_what_it_left_when_it_was_killed_under_load(self):
        for name in ("insert", "evict"):
            listed = Listed(f"state-0.1.0-{name}.hex")
            self.assertGreater(len(listed.left), 10)
            listed.write(self.path)
            for max_keys in (16, 16, 50):
                daemon = self.start(f"state: {self.path}\n" + self.UNDER_LOAD % max_keys)
                daemon.wait_for_line(rf"state \S+: {len(listed.left)} keys restored")
                for key, tokens in listed.left.items():
                    self.assert_left(daemon, key, tokens)
                self.assert_undamaged(daemon)
                self.assertEqual(self.metric(daemon, "allowd_keys_max"), max_keys)
                daemon.kill()

    def test_it_gets_room_for_leases(self):
        listed = Listed("state-0.1.0-evict.hex")
        listed.write(self.path)
        sizes = []
        for leases in (1000, 1000, 2000):
            daemon = self.start(f"state: {self.path}\nmax_leases: {leases}\n" + self.UNDER_LOAD % 16)
            for key, tokens in listed.left.items():
                self.assert_left(daemon, key, tokens)
            self.assert_undamaged(daemon)
            log = "".join(daemon.log())
            self.assertEqual("moved from max_leases 1000 to 2000" in log, leases == 2000, log)
            self.assertNotIn("max_keys", log)
            sizes.append(os.stat(self.path).st_size)
            daemon.kill()
        self.assertGreater(sizes[0], listed.bytes)
        self.assertEqual(sizes[1], sizes[0])
        self.assertGreater(sizes[2], sizes[1])

    def test_where_there_is_no_room_for_leases(self):
        listed = Listed("state-0.1.0-insert.hex")
        listed.write(self.path)
        config = f"state: {self.path}\n" + self.UNDER_LOAD % 16
        for _ in range(2):
            daemon = self.start(config, prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                                           (listed.bytes, listed.bytes)))
            daemon.wait_for_line(r"cannot make \S+ longer for leases: File too large; leases are kept in memory")
            daemon.wait_for_line(rf"state \S+: {len(listed.left)} keys restored")
            for key, tokens in listed.left.items():
                self.assert_left(daemon, key, tokens)
            self.assert_degraded(daemon, "no room")
            self.assertEqual(os.stat(self.path).st_size, listed.bytes)
            daemon.kill()
        daemon = self.start(config)
        for key, tokens in listed.left.items():
            self.assert_left(daemon, key, tokens)
        self.assert_undamaged(daemon)
        self.assertGreater(os.stat(self.path).st_size, listed.bytes)
        daemon.stop()

    def test_another_number_of_keys_at_once(self):
        listed = Listed("state-0.1.0-evict.hex")
        listed.write(self.path)
        daemon = self.start(f"state: {self.path}\n" + self.UNDER_LOAD % 1000)
        daemon.wait_for_line("moved from max_keys 16 to 1000")
        daemon.kill()
        daemon = self.start(f"state: {self.path}\n" + self.UNDER_LOAD % 1000)
        for key, tokens in listed.left.items():
            self.assert_left(daemon, key, tokens)
        self.assert_undamaged(daemon)
        daemon.stop()


@unittest.skipUnless(sys.byteorder == "little", "the state is that of a little-endian machine")
class LaterVersion(StateCase):
    """What a later version would leave is refused whole, and kept."""

    # src/keep/store.c, directory.h: the directory's two halves, and what is in one.
    LAYOUT, PUBLISHED, HALVES, HALF = 8, 256, 320, 832
    SECTION, TYPE, VERSION, CHECKED = 16, 0, 4, 784

    def write(self, what, value):
        """Writes a number of the first section, and the checksum that fits."""
        with open(self.path, "r+b") as file:
            page = file.read(4096)
            half = self.HALVES + page[self.PUBLISHED] % 2 * self.HALF
            directory = bytearray(page[half:half + self.CHECKED])
            self.assertEqual(page[half + self.CHECKED:][:8], checksum(directory))
            at = self.SECTION + what
            directory[at:at + 4] = value.to_bytes(4, "little")
            file.seek(half)
            file.write(directory + checksum(directory))

    def test_sections_that_are_not_known(self):
        for what, value, why in ((self.TYPE, 77, "a section that this one does not know"),
                                 (self.VERSION, 2, "a section in a form that this one does not know")):
            daemon = self.start()
            self.take(daemon, "key", 4)
            daemon.stop()
            before = os.stat(self.path).st_ino
            self.write(what, value)
            daemon = self.start()
            daemon.wait_for_line(rf"state \S+ is refused: a later version of allowd wrote it, with {why}; "
                                 r"it is kept as \S+\.refused, and a new one is begun")
            self.assertEqual(os.stat(self.path + ".refused").st_ino, before)
            self.assertEqual(self.metric(daemon, "allowd_state_refused_total"), 1)
            self.assertEqual(self.remaining(daemon, "key"), 10)
            self.assert_sound(daemon)
            daemon.stop()

    def test_it_goes_on_where_it_was_when_it_is_back(self):
        daemon = self.start()
        self.take(daemon, "key", 4)
        daemon.stop()
        self.write(self.TYPE, 77)
        daemon = self.start()
        daemon.wait_for_line("is refused")
        daemon.stop()
        os.rename(self.path + ".refused", self.path)
        self.write(self.TYPE, 1)  # the version that knows it
        daemon = self.start()
        self.assertEqual(self.remaining(daemon, "key"), 6)
        daemon.stop()


class Lock(StateCase):
    def test_one_process_takes_over_from_another(self):
        before = self.start()
        self.take(before, "key", 4)
        after = self.start(wait=False)
        after.wait_for_line("waiting for the process that still has the state")
        before.stop()
        after.wait_for_line(" ready: ")
        self.assertEqual(self.remaining(after, "key"), 6)
        after.stop()

    def test_two_at_a_time_are_one_too_many(self):
        first = self.start()
        second = self.start(wait=False)
        self.assertEqual(second.wait(), 1)
        self.assertRegex(second.log()[-1], "cannot use the state .*another process has it")
        self.take(first, "key")
        first.stop()

    def test_a_signal_ends_the_waiting(self):
        first = self.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            second = self.start(wait=False)
            second.wait_for_line("waiting for the process")
            second.signal(number)
            self.assertEqual(second.wait(), 0)
            self.assertRegex(second.log()[-2], ": no longer waiting for the state /")
            self.assertEqual(second.log()[-1], "allowd: stopped")
        self.take(first, "key")
        first.stop()

    def test_a_reload_waits_as_well(self):
        first = self.start()
        self.take(first, "key", 4)
        second = self.start(wait=False)
        second.wait_for_line("waiting for the process")
        second.write_config(self.config().replace("burst: 10", "burst: 5"))
        second.signal(signal.SIGHUP)
        first.stop()
        second.wait_for_line("Hangup: reloading")
        second.wait_for_line("reloaded ")
        self.assertEqual(self.remaining(second, "key"), 5)
        second.stop()


class Unusable(StateCase):
    """What no state can be kept in."""

    def refusal(self, path):
        daemon = self.start(self.config(state=path), wait=False)
        self.assertEqual(daemon.wait(), 1)
        return daemon.log()[-1]

    def test_paths_that_never_work(self):
        os.symlink("elsewhere", self.path)
        os.mkfifo(self.path + ".fifo")
        self.assertIn("its directory does not exist", self.refusal(self.directory + "/no/state"))
        for path in (self.directory, self.path, self.path + ".fifo", "/dev/null",
                     self.path + ".fifo/state"):
            with self.subTest(path):
                self.assertIn("write the path of a file", self.refusal(path))

    @unittest.skipUnless(os.getuid() == 0, "takes root, to become somebody else")
    def test_a_directory_that_cannot_be_written(self):
        os.chmod(self.directory, 0o755)
        path = os.path.join(self.directory, "allowd.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.config())
        daemon = self.start_as_nobody(path)
        daemon.wait_for_line("cannot open the state .*Permission denied; serving without it")
        self.assert_degraded(daemon, "cannot be written")
        self.take(daemon, "key", 4)
        self.assertEqual(self.remaining(daemon, "key"), 6)
        daemon.stop()

    @unittest.skipUnless(os.getuid() == 0, "takes root, to become somebody else")
    def test_a_file_of_somebody_elses_that_others_may_use(self):
        os.chmod(self.directory, 0o755)
        daemon = self.start()
        daemon.stop()
        os.chmod(self.path, 0o666)
        path = os.path.join(self.directory, "allowd.yaml")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.config())
        daemon = self.start_as_nobody(path)
        daemon.wait_for_line(r"warning: cannot take \S+/state away from others: Operation not "
                             "permitted; chown it, and chmod 0600$")
        self.assert_sound(daemon)
        daemon.stop()

    def start_as_nobody(self, config_path):
        """With a copy of the program, for nobody may get to where it was built."""
        with unittest.mock.patch("harness.ALLOWD", shutil.copy(ALLOWD, self.directory)):
            daemon = Daemon(None, arguments=["-c", config_path], prepare=become_nobody)
        self.addCleanup(daemon.stop)
        return daemon

    def test_a_limit_on_the_size_of_files(self):
        daemon = self.start(prepare=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                               (1 << 20, 1 << 20)))
        daemon.wait_for_line("cannot begin the state in .*File too large; serving without it")
        self.assert_degraded(daemon, "no room")
        self.take(daemon, "key", 4)
        daemon.stop()


class Failing(StateCase):
    """Files that fail under a running daemon."""

    def test_cut_short(self):
        daemon = self.start(self.config("max_keys: 5000\n"))
        self.fill(daemon, 5000)
        os.truncate(self.path, 0)
        for start in (0, 5000, 10000):
            self.fill(daemon, 5000, start)
        daemon.wait_for_line(r"state \S+ has failed")
        self.assert_degraded(daemon, "has failed")
        self.take(daemon, "key", 4)
        self.assertEqual(self.remaining(daemon, "key"), 6)
        daemon.reload(self.config("max_keys: 5000\n").replace("burst: 10", "burst: 5"))
        self.assertEqual(self.remaining(daemon, "key"), 5)
        os.remove(self.path)
        daemon.stop()

    def test_cut_short_in_the_table(self):
        daemon = self.start(self.config("max_keys: 5000\n"))
        self.fill(daemon, 5000)
        for size in (os.stat(self.path).st_size // 8 * 7, 70 << 20, (64 << 20) + 9000, 8192):
            if size < os.stat(self.path).st_size:
                os.truncate(self.path, size)
            self.fill(daemon, 3000)
            self.fill(daemon, 3000, 10**6)
        daemon.wait_for_line(r"state \S+ has failed")
        self.assert_degraded(daemon, "has failed")
        daemon.stop()

    @contextlib.contextmanager
    def small_disk(self, size):
        place = os.path.join(self.directory, "disk")
        os.mkdir(place)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place],
                                 stderr=subprocess.DEVNULL, check=False).returncode == 0
        if not mounted:
            self.skipTest("cannot mount a small disk here")
        try:
            yield place
        finally:
            subprocess.run(["umount", "-l", place], check=True)

    def test_a_full_disk(self):
        with self.small_disk("256k") as place:
            config = self.config("max_keys: 20000\n", state=place + "/state")
            daemon = self.start(config)
            self.assert_sound(daemon)
            self.fill(daemon, 15000)
            daemon.wait_for_line(r"state \S+ has failed")
            self.assert_degraded(daemon, "has failed")
            for i in range(0, 15000, 500):
                self.assertEqual(self.remaining(daemon, f"k{i}"), 9, "nothing is lost")
            daemon.kill()
            subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
            daemon = self.start(config)
            self.assert_sound(daemon)
            self.fill(daemon, 15000)
            self.assert_sound(daemon)
            daemon.stop()

    def test_a_reload_makes_one_anew_that_has_failed(self):
        for threads in (0, 1):
            with self.subTest(threads), self.small_disk("256k") as place:
                config = self.config(f"max_keys: 20000\nthreads: {threads}\n", state=place + "/state")
                daemon = self.start(config)
                self.fill(daemon, 15000)
                daemon.wait_for_line(r"state \S+ has failed")
                said = self.hup(daemon)
                self.assertRegex(said, r"error: cannot make \S+/state anew at \S+\.new: there is no room on its "
                                       "disk; make room, then reload; serving goes on from memory")
                self.assert_degraded(daemon, "has failed")
                self.assertEqual(os.listdir(place), ["state"])
                subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
                self.assertIn("state: made anew", self.hup(daemon))
                self.assert_sound(daemon)
                self.take(daemon, "k7", 2)
                self.assertEqual(os.listdir(place), ["state"])
                daemon.kill()
                daemon = self.start(config)
                self.assertTrue(daemon.wait_for_line(r"state \S+: 15000 keys restored"))
                for i in range(0, 15000, 500):
                    self.assertEqual(self.remaining(daemon, f"k{i}"), 9, "nothing is lost")
                self.assertEqual(self.remaining(daemon, "k7"), 7)
                daemon.stop()
            os.rmdir(place)

    def test_one_made_anew_is_watched_as_the_one_before(self):
        daemon = self.start(self.config("max_keys: 5000\n"))
        for _ in range(3):
            mark = daemon.mark()
            self.fill(daemon, 5000)
            os.truncate(self.path, 0)
            self.fill(daemon, 5000)
            daemon.wait_for_line(r"state \S+ has failed", mark)
            self.assert_degraded(daemon, "has failed")
            self.assertIn("state: made anew", self.hup(daemon))
            self.assert_sound(daemon)
        self.take(daemon, "key", 4)
        daemon.kill()
        daemon = self.start(self.config("max_keys: 5000\n"))
        self.assertEqual(self.remaining(daemon, "key"), 6)
        self.assertEqual(self.metric(daemon, "allowd_state_refused_total"), 0)
        daemon.stop()

    def use_up(self, place):
        """Takes what room is left on a disk."""
        with open(place + "/more", "wb", 0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def test_a_reload_while_the_disk_is_full(self):
        """It needs no room. Where the file has holes still, the sweep needs some sooner or later, and the state fails."""
        for has_holes in (False, True):
            with self.subTest(has_holes), self.small_disk("80m") as place:
                config = self.config("max_keys: 10000\nmax_leases: 100\n", state=place + "/state")
                daemon = self.start(config)
                self.take(daemon, "key", 10)
                if not has_holes:
                    with open(place + "/state", "r+b") as state:
                        os.posix_fallocate(state.fileno(), 0, os.fstat(state.fileno()).st_size)
                self.use_up(place)
                config = config.replace("burst: 10", "burst: 20")
                daemon.reload(config)
                if not has_holes:
                    self.assert_sound(daemon)
                self.assertEqual(self.remaining(daemon, "key"), 0)
                daemon.kill()
                daemon = self.start(config)
                self.assertEqual(self.remaining(daemon, "key"), 0)
                self.assertEqual(self.metric(daemon, "allowd_state_refused_total"), 0)
                daemon.stop()
            os.rmdir(place)


class Speed(StateCase):
    """A start takes as long with many keys as with none."""

    KEYS = 1000000

    def first_answer_s(self, config):
        began = time.monotonic()
        daemon = self.start(config)
        daemon.call("GET", "/allow?key=first")
        took_s = time.monotonic() - began
        daemon.kill()
        return took_s

    def test_a_start_does_not_walk_the_table(self):
        config = self.config(f"max_keys: {self.KEYS + 10}\n")
        empty = self.config(f"max_keys: {self.KEYS + 10}\n", state=self.path + ".empty")
        daemon = self.start(config)
        if SANITIZED:
            self.skipTest("the sanitizer's own time is most of a start's")
        self.fill(daemon, self.KEYS)
        daemon.kill()
        full_s, empty_s = [], []
        for _ in range(7):
            full_s.append(self.first_answer_s(config))
            empty_s.append(self.first_answer_s(empty))
        ratio = min(full_s) / min(empty_s)
        print(f"first answer with {self.KEYS} keys: {1000 * min(full_s):.1f} ms, with none: "
              f"{1000 * min(empty_s):.1f} ms, {ratio:.2f} times")
        daemon = self.start(config)
        self.assertGreaterEqual(self.metric(daemon, "allowd_state_restored_keys"), self.KEYS)
        daemon.stop()
        self.assertLess(ratio, 3)


if __name__ == "__main__":
    unittest.main()
