#!/usr/bin/env python3
"""
What the script of a fleet costs its store: processor time a lease, against INCRBY, and bytes a key, against a packed
string of 12 bytes. NOTEBOOK.md has what was measured.

    tests/bench/store.py [SERVER]     redis-server, or one of its kin

The server's own time is counted, by the scheduler, so the client's does not matter: commands go 32 at a time, with a
wait for their replies. INCRBY and each kind of calls take turns; the median of their ratios counts.

STORE_KEYS is how many keys there are of each, STORE_ROUNDS how often each has its turn.
"""
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
from statistics import median

TOP = os.environ.get("TOP_SRCDIR", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
IN_FLIGHT = 32
ROUNDS = int(os.environ.get("STORE_ROUNDS", "3"))
# Of each kind of calls, in no order: as many as a store has in earnest. Of few a processor's caches have all, which makes
# a plain command look better than it is there.
KEYS = int(os.environ.get("STORE_KEYS", "196608"))
SLICE = 2048  # leases, between which the kinds take turns, because others use the machine too
MANY_KEYS = 100_000
TTL_MS, GRACE_MS = 600_000, 500
SEQ = 1 << 44  # later than any store's time, from which a session counts that is known
ON_LOSS_FULL = 8


SHUFFLED = list(range(KEYS))
random.Random(1).shuffle(SHUFFLED)


class Store:
    def __init__(self, program):
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "socket")
        self.process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no", "--dir", self.directory.name],
            stdout=subprocess.DEVNULL)
        self.socket = socket.socket(socket.AF_UNIX)
        for _ in range(1000):
            try:
                self.socket.connect(path)
                break
            except OSError:
                time.sleep(0.01)
        self.replies = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()

    def reply(self):
        line = self.replies.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.replies.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return rest

    def pipeline(self, commands):
        self.socket.sendall(b"".join(commands))
        return [self.reply() for _ in commands]

    def do(self, *args):
        return self.pipeline([command(*args)])[0]

    def run_ns(self):
        with open(f"/proc/{self.process.pid}/schedstat", encoding="ascii") as file:
            return int(file.read().split()[0])

    def used_bytes(self):
        text = self.do(b"INFO", b"memory").decode()
        return int(text.split("used_memory:")[1].split()[0])


def command(*args):
    args = [arg if isinstance(arg, bytes) else str(arg).encode() for arg in args]
    return b"*%d\r\n" % len(args) + b"".join(b"$%d\r\n%s\r\n" % (len(arg), arg) for arg in args)


def key(number):
    return b"allowd:fleet:{%02x}:default:user-%06d" % (number % 256, number)


def epoch(number):
    return b"allowd:fleet:{%02x}:epoch" % (number % 256)


def order(session, seq, granted, want, flags=0, buckets=1):
    """A session that has spent all that it was granted. Its bucket is full again within a millisecond."""
    terms = struct.pack("<BBIII", 1, buckets, 7, TTL_MS, GRACE_MS) + (
        b"\x40\x42\x0f\0\0\0\0" b"\1\0\0\0\0" b"\x40\x42\x0f\0\0\0\0" b"\x40\x42\x0f\0\0\0\0") * buckets
    totals = granted.to_bytes(6, "little") * 2 + b"\0\0\0\0\0\0\x10" + want.to_bytes(6, "little")
    return terms + struct.pack("<BQ", flags, session) + (SEQ + seq if granted else seq).to_bytes(6, "little") + bytes(13) + totals * buckets


def calls(sha, orders, records):
    """Commands that make these (key, order), so many at once."""
    made = []
    for i in range(0, len(orders), records):
        part = orders[i:i + records]
        names = [name for number, _ in part for name in (key(number), epoch(number))]
        made.append(command(b"EVALSHA", sha, len(names), *names, *(packed for _, packed in part)))
    return made


class Leases:
    """One kind of calls: so many holders a record, so many records a call."""

    def __init__(self, sha, holders, records, buckets=1, first_key=0):
        self.sha, self.holders, self.records, self.buckets, self.first_key = sha, holders, records, buckets, first_key
        self.turn = 0

    def commands(self):
        """Each key's next order: of its holders each in turn."""
        session, seq = 1 + self.turn % self.holders, 1 + self.turn // self.holders
        self.turn += 1
        return calls(self.sha, [(self.first_key + number, order(session, seq, 10 * (seq - 1), 10, buckets=self.buckets))
                                for number in SHUFFLED], self.records)


def run(store, commands):
    for i in range(0, len(commands), IN_FLIGHT):
        store.pipeline(commands[i:i + IN_FLIGHT])


def measure(store, commands):
    before = store.run_ns()
    run(store, commands)
    return store.run_ns() - before


def begin_epochs(store, sha):
    run(store, calls(sha, [(number, order(1, 1, 0, 0, ON_LOSS_FULL)) for number in range(256)], 1))


def time_a_lease(store, sha):
    increments = [command(b"INCRBY", b"n" + key(number), 10) for number in SHUFFLED]
    run(store, increments)
    plain = []
    for number, (holders, records, buckets) in enumerate([(1, 1, 1), (1, 16, 1), (5, 1, 1), (5, 16, 1), (1, 16, 2)]):
        kind = Leases(sha, holders, records, buckets, (1 + number) * KEYS)
        for _ in range(holders):
            run(store, kind.commands())
        taken, ratios = [], []
        for _ in range(ROUNDS):
            made = kind.commands()
            for i in range(0, KEYS, SLICE):
                plain.append(measure(store, increments[i:i + SLICE]) / SLICE)
                taken.append(measure(store, made[i // records:(i + SLICE) // records]) / SLICE)
                ratios.append(taken[-1] / plain[-1])
        print(f"{holders} holders, {records} in a call, {buckets} buckets: {median(ratios):.2f} INCRBY, "
              f"{median(taken) / 1000:.2f} us, at best {min(taken) / min(plain):.2f} INCRBY, {min(taken) / 1000:.2f} us")
    print(f"INCRBY: {median(plain) / 1000:.2f} us, at best {min(plain) / 1000:.2f} us")


def bytes_a_key(store, sha):
    def grown(commands):
        store.do(b"FLUSHALL")
        begin_epochs(store, sha)
        before = store.used_bytes()
        run(store, commands)
        size = (store.used_bytes() - before) / MANY_KEYS
        assert int(store.do(b"DBSIZE")) >= MANY_KEYS
        return size

    plain = grown([command(b"SET", key(number), b"%012d" % number, b"PX", 3600000) for number in range(MANY_KEYS)])
    print(f"a string of 12 bytes: {plain:.0f} bytes")
    # A session that has given all back: what stays is a record without holders, but one that is not full.
    empty = struct.pack("<BBI", 1, 1, 7) + b"\1\0\0\0\0" + struct.pack("<BIH", 0, 1, 1) + bytes(7) + b"\0\0\0\0\0\0\x10"
    none = grown([command(b"SET", key(number), empty, b"PX", 3600000) for number in range(MANY_KEYS)])
    print(f"no holder: {none:.0f} bytes, {none / plain:.2f} of that")
    for holders in (1, 2, 5):
        made = [one for session in range(holders)
                for one in calls(sha, [(number, order(1 + session, 1, 0, 10)) for number in range(MANY_KEYS)], 16)]
        size = grown(made)
        print(f"{holders} holders: {size:.0f} bytes, {(size - none) / holders:.0f} each more than with none")


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "redis-server"
    with open(os.path.join(TOP, "src/fleet/script.lua"), "rb") as file:
        script = file.read()
    with Store(program) as store:
        print(subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split("\n")[0])
        sha = store.do(b"SCRIPT", b"LOAD", script)
        bytes_a_key(store, sha)
        store.do(b"FLUSHALL")
        begin_epochs(store, sha)
        time_a_lease(store, sha)


if __name__ == "__main__":
    main()
