#!/usr/bin/python3 -B
"""
Restarts under load, through sockets that outlive the daemon.

Clients of two kinds ask all the time, over TCP and a Unix socket: those that
open a connection for each request, and those that keep one until they are told
that it closes. Whatever they ask is answered, however often the daemon is
stopped and started meanwhile.
"""
import os
import selectors
import socket
import tempfile
import time
import unittest

from harness import PATIENCE_S, Daemon, request_bytes
from manager import passing

CONFIG = "threads: 2\nlimits:\n  - {name: default, burst: 1000000, rate: 1000000/s}\n"
CLIENTS, RESTARTS = 32, 20
REQUEST = request_bytes("GET", "/allow?key=a")
ANSWERS_BETWEEN = 2000  # restarts


class Client:
    """Always has one request under way."""

    def __init__(self, address, keeps, poll):
        self.address, self.keeps, self.poll = address, keeps, poll
        self.answered = self.connections = 0
        self.open()

    def open(self):
        self.socket = socket.socket(socket.AF_UNIX if isinstance(self.address, str)
                                    else socket.AF_INET)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(self.address)
        self.connections += 1
        self.poll.register(self.socket, selectors.EVENT_READ, self)
        self.ask()

    def ask(self):
        self.unread = b""
        self.socket.sendall(REQUEST)

    def take_in(self):
        """An error here, or an end before the answer, fails the test."""
        data = self.socket.recv(1 << 16)
        if not data:
            raise AssertionError(f"closed before the answer, after {self.answered} answers, on "
                                 f"connection {self.connections}; so far {self.unread!r}")
        self.unread += data
        head, _, body = self.unread.partition(b"\r\n\r\n")
        if not body.endswith(b"}\n"):
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            raise AssertionError(self.unread)
        self.answered += 1
        if self.keeps and b"\r\nConnection: close" not in head:
            self.ask()
        else:
            self.close()
            self.open()

    def close(self):
        self.poll.unregister(self.socket)
        self.socket.close()


class Restart(unittest.TestCase):
    def start(self):
        daemon = Daemon(CONFIG, listen=(), prepare=passing(len(self.listeners)), wait=False,
                        descriptors=[listener.fileno() for listener in self.listeners])
        self.addCleanup(daemon.stop)
        return daemon

    def answered(self):
        return sum(client.answered for client in self.clients)

    def go_on(self, condition):
        """Has the clients ask and be answered until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, "not in time")
            for key, _ in self.poll.select(0.01):
                key.data.take_in()

    def test_no_request_is_lost(self):
        with tempfile.TemporaryDirectory(prefix="allowd-e2e-") as directory, \
                socket.create_server(("127.0.0.1", 0), backlog=256) as tcp, \
                socket.socket(socket.AF_UNIX) as unix, selectors.DefaultSelector() as self.poll:
            unix.bind(os.path.join(directory, "s"))
            unix.listen(256)
            self.listeners = (tcp, unix)
            addresses = [listener.getsockname() for listener in self.listeners]
            daemon = self.start()
            self.clients = [Client(addresses[i % 2], i % 4 < 2, self.poll) for i in range(CLIENTS)]
            for _ in range(RESTARTS):
                self.go_on(lambda goal=self.answered() + ANSWERS_BETWEEN: self.answered() >= goal)
                daemon.process.terminate()
                self.go_on(lambda: daemon.process.poll() is not None)
                daemon.stop()
                daemon = self.start()
            self.go_on(lambda goal=self.answered() + ANSWERS_BETWEEN: self.answered() >= goal)
            # Each has had answers from the last one too, and those that keep did so.
            before = [client.answered for client in self.clients]
            self.go_on(lambda: all(client.answered > count
                                 for client, count in zip(self.clients, before)))
            for client in self.clients:
                if client.keeps:
                    self.assertLess(client.connections, client.answered)
                client.close()
            daemon.stop()


if __name__ == "__main__":
    unittest.main()
