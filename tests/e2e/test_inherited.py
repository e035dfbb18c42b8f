#!/usr/bin/python3 -B
"""Sockets that a service manager opened and passed on: LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES."""
import contextlib
import fcntl
import os
import signal
import socket
import tempfile
import unittest

from harness import Connection, Daemon, request_bytes, run_allowd, wait_until
from manager import Manager, passing
from resp import Client, resp_address

LIMITS = "limits:\n  - {name: default, burst: 10, rate: 1/s}\n"
O_NONBLOCK, FD_CLOEXEC = os.O_NONBLOCK, fcntl.FD_CLOEXEC


def answers(address):
    with Connection(address) as connection:
        connection.send(request_bytes("GET", "/allow?key=a"))
        return connection.receive().status in (200, 429)


def answers_resp(address):
    with Client(address) as client:
        return client.call("PING") == "PONG"


class Inherited(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="allowd-e2e-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def tcp(self, host="127.0.0.1", family=socket.AF_INET):
        listener = socket.create_server((host, 0), family=family)
        self.addCleanup(listener.close)
        return listener

    def unix(self, name="s"):
        listener = socket.socket(socket.AF_UNIX)
        self.addCleanup(listener.close)
        listener.bind(name if name.startswith("\0") else os.path.join(self.directory, name))
        listener.listen()
        return listener

    def start(self, sockets, config=LIMITS, listen=(), names=None, wait=True, count=None, pid=None,
              prepare=None):
        daemon = Daemon(config, listen, wait=wait, descriptors=[s.fileno() for s in sockets],
                        prepare=passing(len(sockets) if count is None else count, names, pid,
                                        prepare))
        self.addCleanup(daemon.stop)
        return daemon

    def refused(self, fault, sockets, **options):
        """It does not start, says why, and serves none of the sockets."""
        daemon = self.start(sockets, wait=False, **options)
        self.assertEqual(daemon.wait(), 1)
        errors = [line for line in daemon.log() if line.startswith("allowd: error: ")]
        self.assertEqual(len(errors), 1, daemon.log())
        self.assertIn(fault, errors[0])

    def test_each_kind_is_served(self):
        abstract = f"\0allowd-test-{os.getpid()}"
        sockets = [self.tcp(), self.tcp("::1", socket.AF_INET6), self.unix(), self.unix(abstract)]
        with self.start(sockets, names="web:six::hidden") as daemon:
            for listener in sockets:
                self.assertTrue(answers(listener.getsockname()[:2]
                                        if listener.family != socket.AF_UNIX
                                        else listener.getsockname()
                                        if isinstance(listener.getsockname(), str)
                                        else abstract))
            self.assertEqual(daemon.log()[:4], [
                "allowd: listening on 127.0.0.1:%d, inherited as web" % sockets[0].getsockname()[1],
                "allowd: listening on [::1]:%d, inherited as six" % sockets[1].getsockname()[1],
                f"allowd: listening on unix:{self.directory}/s, inherited as unknown",
                f"allowd: listening on unix:@{abstract[1:]}, inherited as hidden"])

    def test_one_named_resp_is_for_clients_of_redis(self):
        """Beside one for HTTP, and alone, when HTTP is served where it is without inherited ones."""
        with self.start([self.tcp(), self.tcp()], names="web:resp") as daemon:
            self.assertTrue(answers(daemon.address))
            self.assertTrue(answers_resp(resp_address(daemon)))
            self.assertIn(", inherited as resp", "\n".join(daemon.log()))
        with self.start([self.unix()], f"listen: ['127.0.0.1:0']\n{LIMITS}", names="resp") as daemon:
            self.assertTrue(answers(daemon.address))
            self.assertTrue(answers_resp(os.path.join(self.directory, "s")))

    def test_another_name_is_for_http(self):
        for name in ("respect", "RESP", "re"):
            with self.subTest(name), self.start([self.tcp()], names=name) as daemon:
                self.assertTrue(answers(daemon.address))

    def test_the_file_says_what_a_socket_of_its_is_for(self):
        listener = self.tcp()
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        for config, names in ((f"listen: ['127.0.0.1:0']\nlisten_resp: ['{address}']\n", "web"),
                              (f"listen: ['{address}']\n", "resp")):
            with self.subTest(names), self.start([listener], config + LIMITS, names=names) as daemon:
                check = answers_resp if names == "web" else answers
                self.assertTrue(check(listener.getsockname()[:2]))
                purpose = "for RESP " if names == "web" else ""
                self.assertEqual(daemon.log()[0], f"allowd: listening {purpose}on {address}, inherited as {names}")

    def test_one_for_admins_is_told_as_such(self):
        listener = self.tcp()
        address = "127.0.0.1:%d" % listener.getsockname()[1]
        with self.start([self.tcp(), listener], f"admin_listen: ['{address}']\n{LIMITS}", names="web:door") as daemon:
            self.assertEqual(daemon.log()[1], f"allowd: listening for admins on {address}, inherited as door")

    def test_without_names(self):
        with self.start([self.tcp()]) as daemon:
            self.assertRegex(daemon.log()[0], ", inherited as unknown$")

    def test_only_these_when_nothing_else_is_asked_for(self):
        """Nor the built-in address, with a file or without one."""
        manager = Manager()
        self.addCleanup(manager.close)
        for config in (LIMITS, None):
            with self.subTest(config), \
                    self.start([self.tcp()], config, prepare=manager.prepare()) as daemon:
                self.assertEqual(len(daemon.addresses()), 1)
                self.assertIn(" on 1 address", manager.hear()["STATUS"])
            manager.hear()

    def test_beside_those_of_the_file(self):
        for config, listen in ((f"listen: ['127.0.0.1:0']\n{LIMITS}", ()),
                               (LIMITS, ("127.0.0.1:0",))):
            with self.subTest(config), self.start([self.unix()], config, listen) as daemon:
                self.assertEqual(len(daemon.addresses()), 2)
                for address in daemon.addresses():
                    self.assertTrue(answers(address))
            os.unlink(os.path.join(self.directory, "s"))

    def test_one_that_the_file_names_too_is_served_once(self):
        """The shipped file and the shipped socket unit name the same address."""
        for listener in (self.tcp(), self.tcp("::1", socket.AF_INET6), self.unix()):
            name = listener.getsockname()
            text = f"unix:{name}" if isinstance(name, str) else \
                (f"[{name[0]}]:{name[1]}" if ":" in name[0] else "%s:%d" % name)
            with self.subTest(text), \
                    self.start([listener], f"listen: ['{text}']\n{LIMITS}") as daemon:
                self.assertEqual(len(daemon.addresses()), 1)
                self.assertTrue(answers(name if isinstance(name, str) else name[:2]))

    def test_what_is_for_another_process_is_left_alone(self):
        for pid in (1, "", "x", -1):
            with self.subTest(pid), \
                    self.start([self.tcp()], listen=("127.0.0.1:0",), pid=pid) as daemon:
                self.assertNotIn("inherited", "\n".join(daemon.log()))

    def test_none(self):
        with self.start([], listen=("127.0.0.1:0",), count=0) as daemon:
            self.assertTrue(answers(daemon.address))

    def test_what_is_no_listener(self):
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(datagrams.close)
        packets = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.addCleanup(packets.close)
        packets.bind(os.path.join(self.directory, "packets"))
        packets.listen()
        bound = socket.socket()
        self.addCleanup(bound.close)
        bound.bind(("127.0.0.1", 0))
        pair = socket.socketpair()
        for end in pair:
            self.addCleanup(end.close)
        file = open(os.devnull, "rb")
        self.addCleanup(file.close)
        for wrong, fault in ((datagrams, "is not a stream socket"),
                             (packets, "is not a stream socket"),
                             (bound, "does not listen"),
                             (pair[0], "does not listen"),
                             (file, "is not a socket")):
            with self.subTest(fault):
                self.refused(f"descriptor 4 (odd) of LISTEN_FDS {fault}; pass sockets that listen",
                             [self.tcp(), wrong], names="good:odd")

    def test_one_that_is_not_there(self):
        self.refused("descriptor 4 (unknown) of LISTEN_FDS is not", [self.tcp()], count=2)

    def test_a_count_that_is_none(self):
        for count in ("", "-1", "x", "1x", "65", "18446744073709551617"):
            with self.subTest(count):
                self.refused(f'LISTEN_FDS is "{count}", which is no number from 0 to 64',
                             [self.tcp()], count=count)

    def test_names_that_do_not_match(self):
        self.refused("fewer names", [self.tcp(), self.tcp()], names="one")
        self.refused("more names", [self.tcp()], names="one:two")

    def test_a_check_of_the_configuration_does_not_look(self):
        self.assertEqual(run_allowd("-t", preexec_fn=passing("x"))[0], 0)

    def test_flags(self):
        listener = self.tcp()
        with self.start([listener]) as daemon:
            with open(f"/proc/{daemon.process.pid}/fdinfo/3", encoding="ascii") as info:
                flags = int(info.read().split("flags:")[1].split()[0], 8)
            self.assertTrue(flags & os.O_CLOEXEC)
            self.assertTrue(flags & O_NONBLOCK)

    def test_the_file_stays(self):
        for second in (False, True):
            with self.subTest(second):
                path = os.path.join(self.directory, f"s{second}")
                daemon = self.start([self.unix(f"s{second}")])
                with contextlib.ExitStack() as stack:
                    if second:
                        connection = stack.enter_context(Connection(path))
                        connection.send(b"GET /allow?key=a HTTP/1.1\r\n")
                    daemon.signal(signal.SIGTERM)
                    if second:
                        daemon.wait_for_line("draining")
                        daemon.signal(signal.SIGTERM)
                    self.assertEqual(daemon.wait(), 0)
                self.assertTrue(os.path.exists(path))

    def test_what_waits_when_it_drains_is_the_next_ones(self):
        """Neither refused nor reset nor taken in: answered by whoever comes next."""
        for listener in (self.tcp(), self.unix()):
            address = listener.getsockname()
            with self.subTest(address):
                daemon = self.start([listener])
                with Connection(address) as held:
                    # Answered once, it has been taken in for sure.
                    held.send(request_bytes("GET", "/allow?key=a"))
                    self.assertEqual(held.receive().status, 200)
                    held.send(b"GET /allow?key=a HTTP/1.1\r\n")
                    daemon.signal(signal.SIGTERM)
                    daemon.wait_for_line("draining")
                    waiting = [Connection(address) for _ in range(20)]
                    for connection in waiting:
                        self.addCleanup(connection.close)
                        connection.send(request_bytes("GET", "/allow?key=a&tokens=0"))
                    held.send(b"Host: a\r\n\r\n")
                    self.assertEqual(held.receive().status, 200)
                    self.assertEqual(daemon.wait(), 0)
                with self.start([listener]) as daemon:
                    for connection in waiting:
                        self.assertEqual(connection.receive().status, 200)
                    wait_until(lambda: answers(address), "new ones are served")


if __name__ == "__main__":
    unittest.main()
