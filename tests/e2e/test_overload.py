#!/usr/bin/python3 -B
"""
More than there is room or time for: slow clients are ended by a deadline, those without
room are told so, and whoever has room is served all the while.

ALLOWD_FLOOD_KEYS sets how many keys are asked for, of which few have room.
"""
import contextlib
import json
import os
import resource
import select
import socket
import threading
import time
import unittest

from harness import JSON, SANITIZED, Case, Connection, Daemon, request_bytes, wait_until
from metrics import Metrics

FROZEN = "tick: 10s\nlimits:\n  - {name: default, burst: 10000, rate: 1/d}\n"
HEADER_S = 10  # of deadlines.h
LOOK_S = 1     # of deadlines.h
SLACK_S = 60   # for a machine that has other things to do
SLOW_COUNT = 200


def ask(address, target):
    with Connection(address) as connection:
        connection.send(request_bytes("GET", target))
        return connection.receive()


def shed(connection, reason):
    """How many connections have been, as /metrics has it."""
    connection.send(request_bytes("GET", "/metrics"))
    metrics = Metrics(connection.receive().body.decode("utf-8"))
    return metrics.value("allowd_connections_shed_total", reason=reason)


class Trickle(threading.Thread):
    """Clients that send a byte now and then, each until its connection has ended."""

    def __init__(self, address, count, begin):
        super().__init__(daemon=True)
        self.connections, self.lived_s = [], []
        self.over = threading.Event()
        for _ in range(count):
            began = time.monotonic()
            connection = Connection(address)
            connection.began = began
            self.connections.append(connection)
        for connection in self.connections:
            connection.send(begin)

    def run(self):
        alive = list(self.connections)
        while alive and not self.over.is_set():
            ended = select.select([one.socket for one in alive], [], [], 0.5)[0]
            for connection in [one for one in alive if one.socket in ended]:
                with contextlib.suppress(ConnectionError):
                    if connection.socket.recv(4096) != b"":
                        continue
                self.lived_s.append(time.monotonic() - connection.began)
                alive.remove(connection)
            for connection in alive:
                with contextlib.suppress(OSError):
                    connection.socket.send(b"a", socket.MSG_DONTWAIT)

    def finish(self):
        self.join()
        for connection in self.connections:
            connection.close()
        return self.lived_s


class Slow(Case):
    config = FROZEN

    def test_slow_clients_are_ended_and_others_served(self):
        """By the deadline of a header; those of bodies and replies are in tests/unit/test_front.c."""
        slow = Trickle(self.daemon.address, SLOW_COUNT, b"GET /allow?key=slow HTTP/1.1\r\nX: ")
        slow.start()
        self.addCleanup(slow.over.set)
        served = 0
        while slow.is_alive():
            self.assertEqual(ask(self.daemon.address, "/allow?key=quick").status, 200)
            served += 1
            time.sleep(0.02 if served > 100 else 0)  # a busy machine has no time to lose
        self.assertGreater(served, 100)
        lived_s = slow.finish()
        self.assertEqual(len(lived_s), SLOW_COUNT)
        self.assertGreaterEqual(min(lived_s), HEADER_S - LOOK_S)
        self.assertLess(max(lived_s), HEADER_S + LOOK_S + SLACK_S)
        with Connection(self.daemon.address) as probe:
            wait_until(lambda: shed(probe, "slow") == SLOW_COUNT, "each is counted")
        status = ask(self.daemon.address, "/status?key=slow").json()
        self.assertEqual((status["active"], status["remaining"]), (False, 10000))


class Crowd(unittest.TestCase):
    """Ten times more connections than there is room for."""

    def start(self, descriptors, config=FROZEN):
        daemon = Daemon(config, prepare=lambda: resource.setrlimit(
            resource.RLIMIT_NOFILE, (descriptors, descriptors)))
        self.addCleanup(daemon.stop)
        return daemon

    def crowd(self, daemon, count):
        """So many clients, of whom each asks for a key of its own: those admitted, those turned away."""
        admitted, told = [], []
        for i in range(count):
            connection = Connection(daemon.address)
            self.addCleanup(connection.close)
            with contextlib.suppress(ConnectionError):
                connection.send(request_bytes("GET", f"/allow?key=c{i}"))
            response = connection.receive()
            if response.status == 200:
                self.assertEqual(response.json()["key"], f"c{i}")
                admitted.append(connection)
            else:
                self.expect_told(connection, response)
                told.append(connection)
        return admitted, told

    def expect_told(self, connection, response):
        self.assertEqual((response.status, response.header("Content-Type"),
                          response.header("Retry-After"), response.header("Connection")),
                         (503, "application/problem+json", None, "close"))
        self.assertEqual((response.json()["status"], response.json()["title"]),
                         (503, "Service Unavailable"))
        self.assertIn("no room for another connection", response.json()["detail"])
        self.assertIsNone(connection.receive())

    def check(self, daemon, count):
        admitted, told = self.crowd(daemon, count)
        self.assertGreater(len(admitted), 0)
        self.assertGreater(len(told), count // 2)
        for connection in admitted:
            for _ in range(2):
                connection.send(request_bytes("GET", "/allow?key=probe&tokens=0"))
                self.assertEqual(connection.receive().status, 200)
        daemon.wait_for_line(r"warning: no room for more than \d+ connections")
        self.assertLess(len(daemon.log()), 20, "one line tells of them all")
        wait_until(lambda: shed(admitted[0], "full") == len(told), "each is counted")
        for connection in admitted:
            connection.close()
        wait_until(lambda: self.is_served(daemon), "there is room again")
        daemon.stop()

    @staticmethod
    def is_served(daemon):
        with contextlib.suppress(ConnectionError):
            return ask(daemon.address, "/allow?key=after").status == 200
        return False

    def test_ten_times_the_cap(self):
        self.check(self.start(100), 600)

    def test_nobody_is_turned_away_while_another_thread_has_room(self):
        daemon = self.start(120, "threads: 2\n" + FROZEN)
        admitted, _ = self.crowd(daemon, 200)
        daemon.kill()
        alone = self.start(120)
        expected, _ = self.crowd(alone, 200)
        # Each thread needs some descriptors for itself; all others are used.
        self.assertGreater(len(admitted), len(expected) - 25)

    def test_what_was_sent_by_one_turned_away_never_runs(self):
        daemon = self.start(40)
        admitted, told = self.crowd(daemon, 10)
        self.assertGreater(len(told), 0)
        probe = admitted[0]
        probe.send(request_bytes("GET", "/status"))
        self.assertEqual(probe.receive().json()["counters"]["allowed"], len(admitted))


class Room(unittest.TestCase):
    """max_connections: as many clients have room, and each takes so much memory at most."""

    def start(self, config, descriptors=None):
        def prepare():
            if descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        daemon = Daemon(config + FROZEN, prepare=prepare)
        self.addCleanup(daemon.stop)
        return daemon

    def statuses(self, daemon, count):
        """Those of so many clients, who all stay until the end of the test."""
        statuses = []
        for _ in range(count):
            connection = Connection(daemon.address)
            self.addCleanup(connection.close)
            with contextlib.suppress(ConnectionError):
                connection.send(request_bytes("GET", "/allow?key=a&tokens=0"))
            statuses.append(connection.receive().status)
        return statuses

    def test_as_many_as_configured(self):
        for threads in (0, 1, 4):
            with self.subTest(threads=threads):
                daemon = self.start(f"max_connections: 16\nthreads: {threads}\n")
                self.assertEqual(sorted(self.statuses(daemon, 20)), [200] * 16 + [503] * 4)
                self.assertNotIn("of max_connections", "\n".join(daemon.log()))

    def test_each_thread_has_room_for_one(self):
        daemon = self.start("max_connections: 16\nthreads: 20\n")
        self.assertEqual(sorted(self.statuses(daemon, 22)), [200] * 20 + [503] * 2)

    def test_too_few_descriptors_are_said(self):
        daemon = self.start("max_connections: 1000\nthreads: 1\n", 100)
        line = daemon.wait_for_line(r"warning: room for (\d+) connections, not for the 1000 of "
                                    r"max_connections: the system allows 100 descriptors, and it "
                                    r"takes 1\d\d\d; raise that")
        room = int(line[1])
        self.assertGreater(room, 40)
        self.assertEqual(sorted(self.statuses(daemon, room + 4)), [200] * room + [503] * 4)

    @unittest.skipIf(SANITIZED, "a sanitizer takes memory of its own")
    def test_what_a_connection_takes(self):
        """header_room and 5 KiB at most while it waits for its next request, as allowd.yaml(5) says."""
        count = 400
        for header_room in (8192, 16384, 65536):
            with self.subTest(header_room=header_room):
                daemon = self.start(f"max_connections: 20000\nheader_room: {header_room}\n")
                self.statuses(daemon, 10)
                before_kib = daemon.resident_kib()
                fields = [(f"X-{i}", "x" * 1000) for i in range((header_room - 1024) // 1080)]
                for _ in range(count):
                    connection = Connection(daemon.address)
                    self.addCleanup(connection.close)
                    connection.send(request_bytes("GET", "/allow?key=a&tokens=0", fields))
                    self.assertEqual(connection.receive().status, 200)
                each = (daemon.resident_kib() - before_kib) * 1024 / count
                self.assertLessEqual(each, header_room + 5120)
                self.assertGreater(each, header_room, "this measures nothing")
                daemon.stop()


class Waiting(unittest.TestCase):
    """Of the connections that there is room for, those who wait have half."""

    # A token a minute, so that nobody is let go while the test runs; all of them can be within an hour.
    CONFIG = "max_connections: %d\ntick: 10s\nwait_max: 1h\nlimits:\n  - {name: default, burst: 100, rate: 1/m}\n"

    def start(self, connections, descriptors=None, config=None):
        def prepare():
            if descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        daemon = Daemon(config or self.CONFIG % connections, prepare=prepare)
        self.addCleanup(daemon.stop)
        self.assertEqual(daemon.call("GET", "/allow?key=a&tokens=100").status, 200)
        return daemon

    def ask(self, daemon, count):
        """So many ask to wait for a token of one key."""
        asking = [Connection(daemon.address) for _ in range(count)]
        for connection in asking:
            self.addCleanup(connection.close)
            connection.send(request_bytes("GET", "/allow?key=a&wait=1h"))
        return asking

    def answered(self, asking):
        return [each for each in asking if select.select([each.socket], [], [], 0)[0]]

    def expect(self, asking, waiting):
        """All but so many are told so, and leave."""
        told = len(asking) - waiting
        wait_until(lambda: len(self.answered(asking)) >= told, "those beyond are answered")
        for connection in self.answered(asking):
            response = connection.receive()
            self.assertEqual((response.status, response.json()["reason"]), (429, "too_many_waiting"))
            connection.close()
            told -= 1
        self.assertEqual(told, 0)

    def waiting(self, daemon):
        return daemon.call("GET", "/status").json()["counters"]["waiting"]

    def test_half_of_max_connections_wait_and_a_reload_changes_nothing_about_it(self):
        daemon = self.start(16)
        self.expect(self.ask(daemon, 12), 8)
        self.assertEqual(self.waiting(daemon), 8)
        daemon.reload(self.CONFIG % 1000)
        self.expect(self.ask(daemon, 3), 0)
        self.assertEqual(self.waiting(daemon), 8)

    def test_half_of_those_that_descriptors_allow_wait(self):
        daemon = self.start(1000, 100)
        room = int(daemon.wait_for_line(r"warning: room for (\d+) connections, not for the 1000")[1])
        self.expect(self.ask(daemon, room // 2 + 5), room // 2)
        self.assertEqual(self.waiting(daemon), room // 2)

    def test_threads_that_a_reload_starts_take_descriptors_of_those_who_wait(self):
        config = "threads: %d\n" + self.CONFIG % 1000
        daemon = self.start(1000, 202, config % 1)  # so that each of 4 has as many
        room = r"warning: room for (\d+) connections, not for the 1000"
        before, mark = int(daemon.wait_for_line(room)[1]), daemon.mark()
        daemon.reload(config % 4)
        after = int(daemon.wait_for_line(room, mark)[1])
        most = after // 2
        self.assertLess(after, before)
        self.expect(self.ask(daemon, most + 5), most)
        self.assertEqual(self.waiting(daemon), most)


class Flood(Case):
    """More keys than there is room for."""

    ROOM, KEYS, LIST = 10_000, int(os.environ.get("ALLOWD_FLOOD_KEYS", "300000")), 1000
    config = f"max_keys: {ROOM}\n{FROZEN}"

    def ask_for(self, connection, first, last):
        """Keys never seen before, each of them allowed."""
        for start in range(first, last, self.LIST):
            keys = range(start, min(start + self.LIST, last))
            body = json.dumps({"requests": [{"key": f"flood:{i}"} for i in keys]}).encode("ascii")
            connection.send(request_bytes("POST", "/allow", [JSON], body))
            response = connection.receive()
            self.assertEqual(response.status, 200)
            self.assertEqual(response.body.count(b'"allowed":true'), len(keys))

    def test_memory_has_a_bound_however_many_keys_come(self):
        with Connection(self.daemon.address) as connection:
            self.ask_for(connection, 0, 2 * self.ROOM)
            full_kib = self.daemon.resident_kib()
            self.ask_for(connection, 2 * self.ROOM, self.KEYS)
            grown_kib = self.daemon.resident_kib() - full_kib
            connection.send(request_bytes("GET", "/status"))
            status = connection.receive().json()
        print(f"{self.KEYS} keys, {self.ROOM} at a time: from {full_kib} KiB up by {grown_kib}")
        self.assertEqual(status["keys"], self.ROOM)
        self.assertEqual(status["counters"]["evicted"], self.KEYS - self.ROOM)
        if not SANITIZED:
            self.assertLess(grown_kib, 1024)


if __name__ == "__main__":
    unittest.main()
