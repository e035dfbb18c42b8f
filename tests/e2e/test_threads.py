#!/usr/bin/python3 -B
"""
threads by reload: those that come serve like the others, those that go close each connection behind
its next answer and end with the last. Whatever is asked meanwhile is answered once.
"""
import contextlib
import os
import select
import selectors
import signal
import unittest

import test_restart
from harness import Connection, Daemon, request_bytes, wait_until
from metrics import Metrics

LIMITS = "tick: 10s\nlimits:\n  - {name: default, burst: 1000000, rate: 30/d}\n"


def names(daemon):
    """Those of the daemon's threads."""
    tasks = f"/proc/{daemon.process.pid}/task"
    found = []
    for task in os.listdir(tasks):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # one has just ended
            with open(f"{tasks}/{task}/comm", encoding="ascii") as comm:
                found.append(comm.read().strip())
    return sorted(found)


def fronts(daemon):
    return names(daemon).count("front")


class Threads(unittest.TestCase):
    def start(self, threads, more=""):
        daemon = Daemon(f"threads: {threads}\n{more}" + LIMITS)
        self.addCleanup(daemon.stop)
        return daemon

    def assert_fronts(self, daemon, count):
        """A thread has its name a moment after it has begun."""
        wait_until(lambda: fronts(daemon) == count, f"{count} threads serve connections")

    def set(self, daemon, threads, more=""):
        """What the log says of it."""
        mark = daemon.mark()
        daemon.reload(f"threads: {threads}\n{more}" + LIMITS)
        return daemon.log()[mark:]

    @staticmethod
    def ask(connection, target="/allow?key=a"):
        connection.send(request_bytes("GET", target))
        return connection.receive()

    def connect(self, daemon, count):
        """So many connections, on each of which one request has been answered."""
        connections = [Connection(daemon.address) for _ in range(count)]
        for connection in connections:
            self.addCleanup(connection.close)
            self.ask(connection)
        return connections

    def goes(self, connection):
        """Whether it is closed behind an answer: the next one, or one more, of which its thread had taken in the request
        before it saw that it goes."""
        for _ in range(2):
            response = self.ask(connection)
            self.assertEqual(response.status, 200)
            if response.header("Connection") == "close":
                return True
        return False

    def test_more_come_and_serve(self):
        daemon = self.start(1, "max_connections: 64\n")
        self.assert_fronts(daemon, 1)
        log = self.set(daemon, 4, "max_connections: 64\n")
        self.assertIn("allowd: threads that serve connections: 4, of which 3 came", log)
        self.assertEqual([line for line in log if "warning" in line], [])
        self.assert_fronts(daemon, 4)
        connections = []
        for _ in range(64):  # a share each; none is turned away
            connection = Connection(daemon.address)
            self.addCleanup(connection.close)
            connections.append(connection)
            self.assertEqual(self.ask(connection).status, 200)
        late = Connection(daemon.address)
        self.addCleanup(late.close)
        self.assertEqual(late.receive().status, 503)
        # What each has counted is added up.
        wait_until(lambda: Metrics(self.ask(connections[0], "/metrics").body.decode("ascii"))
                   .value("allowd_connections") == 64, "all connections are counted")
        daemon.stop()

    def test_who_goes_closes_behind_the_next_answer(self):
        more = "max_connections: 40\n"  # ten for each thread
        daemon = self.start(4, more)
        connections = [Connection(daemon.address) for _ in range(40)]
        for connection in connections:
            self.addCleanup(connection.close)
            self.assertIsNone(self.ask(connection).header("Connection"))
        log = self.set(daemon, 1, more)
        self.assertIn("allowd: threads that serve connections: 1; 3 go with their last connections", log)
        closed = 0
        for connection in connections:
            response = self.ask(connection, "/readyz")
            self.assertEqual(response.status, 200)  # allowd itself does not end
            if response.header("Connection") == "close" or self.goes(connection):
                self.assertIsNone(connection.receive())
                closed += 1
        self.assertEqual(closed, 30)
        daemon.wait_for_line("threads that have gone: [1-3]; 0 still go")
        self.assert_fronts(daemon, 1)
        for _ in range(20):
            with Connection(daemon.address) as connection:
                self.assertEqual(self.ask(connection).status, 200)
        with Connection(daemon.address) as connection:
            def metrics():
                return Metrics(self.ask(connection, "/metrics").body.decode("ascii"))
            wait_until(lambda: metrics().value("allowd_connections") == 40 - closed + 1,
                       "no connection of those that have gone is counted")
            self.assertEqual(metrics().value("allowd_requests_total", route="/readyz", status="200"), 40)
        daemon.stop()

    def test_idle_clients_are_left_alone(self):
        """A client that asks nothing keeps its thread until it has had one more answer."""
        more = "max_connections: 16\n"
        daemon = self.start(2, more)
        connections = self.connect(daemon, 16)
        self.set(daemon, 1, more)
        self.assertEqual(self.readable(connections, 0.3), [], "an idle connection was closed")
        self.assert_fronts(daemon, 2)
        self.assertEqual(sum(self.goes(connection) for connection in connections), 8)
        daemon.wait_for_line("threads that have gone: 1; 0 still go")
        daemon.stop()

    @staticmethod
    def readable(connections, wait_s):
        return select.select([connection.socket for connection in connections], [], [], wait_s)[0]

    def test_status_tells_of_each(self):
        more = "max_connections: 40\n"
        daemon = self.start(4, more)
        connections = self.connect(daemon, 40)

        def threads():
            return self.ask(connections[0], "/status").json()["threads"]

        wait_until(lambda: [(thread["state"], thread["connections"]) for thread in threads()]
                   == [("serving", 10)] * 4, "each tells of its connections")
        wait_until(lambda: sum(thread["requests"] for thread in threads()) >= 40, "and requests")
        self.assertTrue(all(0 <= thread["busy"] <= 1 for thread in threads()))
        self.set(daemon, 3, more)
        going = [connection for connection in connections[1:] if self.goes(connection)]
        if self.goes(connections[0]):
            connections[0] = next(one for one in connections[1:] if one not in going)
            going.append(None)
        self.assertEqual(len(going), 10)
        wait_until(lambda: [thread["state"] for thread in threads()] == ["serving"] * 3,
                   "the one that has gone is told no more")
        daemon.stop()

    def test_one_that_goes_is_told_as_such(self):
        more = "max_connections: 16\n"
        daemon = self.start(2, more)
        connections = self.connect(daemon, 16)
        self.set(daemon, 1, more)
        probe = next(one for one in connections if not self.goes(one))
        wait_until(lambda: sorted(thread["state"] for thread in
                                  self.ask(probe, "/status").json()["threads"])
                   == ["going", "serving"], "one goes, and has connections still")
        daemon.stop()

    def test_a_hosted_decider_has_one(self):
        daemon = self.start(0)
        with Connection(daemon.address) as connection:
            wait_until(lambda: [thread["connections"] for thread in
                                self.ask(connection, "/status").json()["threads"]] == [1], "it tells")
            wait_until(lambda: self.ask(connection, "/status").json()["threads"][0]["busy"] > 0,
                       "to ask it all the time keeps it busy")
        daemon.stop()

    def test_from_and_to_none_waits_for_the_next_start(self):
        for before, after, word in ((0, 2, "from"), (2, 0, "to")):
            with self.subTest(before=before):
                daemon = self.start(before)
                self.assert_fronts(daemon, max(before, 1))
                was = len(names(daemon))
                log = self.set(daemon, after)
                self.assertIn(f"allowd: warning: threads has changed {word} 0; that takes effect at "
                              "the next start", log)
                self.assertEqual((len(names(daemon)), fronts(daemon)), (was, max(before, 1)))
                self.assertEqual([line for line in self.set(daemon, before) if "warning" in line], [])
                daemon.stop()

    def test_a_faulty_file_changes_none(self):
        daemon = self.start(2)
        daemon.write_config("threads: 3\ntick: soon\n")
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("is faulty")
        self.assert_fronts(daemon, 2)
        daemon.stop()

    def test_who_comes_goes_by_the_contract_in_force(self):
        daemon = self.start(1)
        self.set(daemon, 3, "headers: x-ratelimit\n")
        self.set(daemon, 6, "headers: x-ratelimit\n")
        for _ in range(30):
            with Connection(daemon.address) as connection:
                self.assertIsNotNone(self.ask(connection).header("X-RateLimit-Limit"))
        daemon.stop()

    def test_who_comes_during_the_delay_before_a_drain_says_so(self):
        daemon = self.start(1, "drain_delay: 1h\n")
        daemon.signal(signal.SIGTERM)
        daemon.wait_for_line("draining in 1h")
        self.set(daemon, 4, "drain_delay: 1h\n")
        for _ in range(20):
            with Connection(daemon.address) as connection:
                self.assertEqual(self.ask(connection, "/readyz").status, 503)
        daemon.signal(signal.SIGTERM)
        self.assertEqual(daemon.wait(), 0)

    def test_a_stop_while_some_go(self):
        daemon = self.start(8)
        self.connect(daemon, 40)
        self.set(daemon, 1)
        daemon.stop()

    def test_under_load(self):
        """Clients that keep a connection until they are told that it closes, and others that open
        one a request, ask all the time; an error or an end before an answer fails (test_restart)."""
        daemon = self.start(1)
        poll = selectors.DefaultSelector()
        clients = [test_restart.Client(daemon.address, keeps=i % 2 == 0, poll=poll) for i in range(16)]

        def serve(answers):
            goal = sum(client.answered for client in clients) + answers
            while sum(client.answered for client in clients) < goal:
                for key, _ in poll.select(1):
                    key.data.take_in()

        for i in range(30):
            daemon.write_config(f"threads: {(3, 1, 4, 2)[i % 4]}\n" + LIMITS)
            daemon.signal(signal.SIGHUP)
            serve(300)
        daemon.reload("threads: 1\n" + LIMITS)
        wait_until(lambda: serve(50) or fronts(daemon) == 1, "all others have gone")
        answered = sum(client.answered for client in clients)
        with Connection(daemon.address) as connection:
            wait_until(lambda: self.ask(connection, "/status").json()["counters"]["allowed"] == answered
                       + len(clients), "each was answered once, but for those under way")
            self.assertEqual(1_000_000 - self.ask(connection, "/status?key=a").json()["remaining"],
                             answered + len(clients))
        for client in clients:
            client.socket.close()
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
