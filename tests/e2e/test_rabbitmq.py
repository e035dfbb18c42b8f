#!/usr/bin/python3 -B
"""
The recipe for RabbitMQ, with the real broker and a client that connects.
"""
import contextlib
import json
import re
import socket
import struct
import unittest

from callers import BURST, USERS, StuckCaller
from harness import PATIENCE_S, wait_until
from recipes import EXAMPLES, Program, free_port
from share import load_tests  # which unittest calls


class Amqp:
    """A client's end of AMQP 0-9-1, as far as it takes to connect."""

    START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK, CLOSE = [
        (10, method) for method in (10, 11, 30, 31, 40, 41, 50)]

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.stream = self.socket.makefile("rb")

    def close(self):
        self.stream.close()
        self.socket.close()

    def receive(self):
        _, _, size = struct.unpack(">BHI", self.stream.read(7))
        payload = self.stream.read(size)
        self.stream.read(1)
        return struct.unpack(">HH", payload[:4]), payload[4:]

    def send(self, method, arguments):
        payload = struct.pack(">HH", *method) + arguments
        self.socket.sendall(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")

    @staticmethod
    def short(text):
        return bytes([len(text)]) + text

    @staticmethod
    def long(text):
        return struct.pack(">I", len(text)) + text

    def connect(self, user, password):
        """The last method that the broker sends, and its arguments."""
        self.socket.sendall(b"AMQP\x00\x00\x09\x01")
        method, arguments = self.receive()
        assert method == self.START, method
        # A client that says so is told why it is refused.
        table = self.short(b"capabilities") + b"F" + self.long(
            self.short(b"authentication_failure_close") + b"t\x01")
        self.send(self.START_OK, self.long(table) + self.short(b"PLAIN") +
                  self.long(f"\0{user}\0{password}".encode()) + self.short(b"en_US"))
        method, arguments = self.receive()
        if method == self.TUNE:
            self.send(self.TUNE_OK, arguments)
            self.send(self.OPEN, self.short(b"/") + b"\0\0")
            method, arguments = self.receive()
        return method, arguments


class RabbitMQ(StuckCaller, unittest.TestCase):
    neighbour = "RabbitMQ"
    program = "/usr/lib/rabbitmq/bin/rabbitmq-server"
    fails_open = stuck_opens = False
    stuck_s = 15

    def start(self):
        def write(name, text):
            (self.directory / name).write_text(text, encoding="utf-8")

        advanced = re.search(r"^# +(\[\{rabbit.*\n.*\]\.)$",
                             (EXAMPLES / "rabbitmq.conf").read_text(encoding="utf-8"), re.M)
        write("advanced.config", advanced[1].replace("#", ""))
        write("enabled_plugins", "[rabbitmq_auth_backend_http].\n")
        write("definitions.json", json.dumps({
            "vhosts": [{"name": "/"}],
            "users": [{"name": user, "password": "right", "tags": []} for user in USERS],
            "permissions": [{"user": user, "vhost": "/", "configure": ".*", "write": ".*",
                             "read": ".*"} for user in USERS]}))
        self.write_recipe("rabbitmq.conf")
        with open(self.directory / "rabbitmq.conf", "a", encoding="utf-8") as file:
            file.write(f"listeners.tcp.default = 127.0.0.1:{self.port}\n"
                       f"load_definitions = {self.directory}/definitions.json\n")
        epmd_port = free_port()
        self.environment = {
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_ADVANCED_CONFIG_FILE": f"{self.directory}/advanced.config",
            "RABBITMQ_CONFIG_FILE": f"{self.directory}/rabbitmq.conf",
            "RABBITMQ_CONF_ENV_FILE": f"{self.directory}/none",
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{self.directory}/enabled_plugins",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_LOG_BASE": str(self.directory),
            "RABBITMQ_MNESIA_BASE": f"{self.directory}/mnesia",
            "RABBITMQ_NODENAME": "allowd@localhost",
            "RABBITMQ_PID_FILE": f"{self.directory}/pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS":
                "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "true",  # to be one process, which ends with us
        }
        # Erlang would start one that stays; this one does not.
        mapper = self.directory / "epmd"
        mapper.mkdir(exist_ok=True)
        epmd = Program(mapper, ["epmd", "-port", str(epmd_port)], self.environment)
        self.addCleanup(epmd.stop)
        epmd.wait_for_port(epmd_port)
        self.start_program()
        # It listens before it has taken up its definitions.
        wait_until(lambda: "Server startup complete" in self.running.log(), "RabbitMQ has started")

    def command(self):
        return [self.path]

    def connect(self, user, password):
        with contextlib.closing(Amqp(self.port)) as client:
            return client.connect(user, password)

    def enter(self, user):
        method, arguments = self.connect(user, "right")
        self.assertIn(method, (Amqp.OPEN_OK, Amqp.CLOSE))
        return method == Amqp.OPEN_OK, arguments

    def assert_told(self, text):
        code, size = struct.unpack(">HB", text[:3])
        self.assertEqual(code, 530)  # not allowed
        self.assertRegex(text[3:3 + size].decode(), "^NOT_ALLOWED - access to vhost '/' refused")

    def test_its_own_passwords_stay_in_force(self):
        for _ in range(BURST + 3):
            method, arguments = self.connect("dave", "wrong")
            self.assertEqual((method, arguments[:2]), (Amqp.CLOSE, struct.pack(">H", 403)))
        self.assert_exactly_the_burst_enters("dave")

if __name__ == "__main__":
    unittest.main()
