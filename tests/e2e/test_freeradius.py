#!/usr/bin/python3 -B
"""
The recipe for FreeRADIUS, with the real server and a client that logs users in.
"""
import hashlib
import hmac
import os
import socket
import struct
import unittest

from callers import BURST, StuckCaller
from harness import PATIENCE_S, wait_until
from share import load_tests  # which unittest calls

SECRET = b"secret"
USER_NAME, USER_PASSWORD, REPLY_MESSAGE, STATE, MESSAGE_AUTHENTICATOR = 1, 2, 18, 24, 80
REQUEST, ACCEPT, REJECT, CHALLENGE = 1, 2, 3, 11


def attribute(number, value):
    return struct.pack("BB", number, 2 + len(value)) + value


def log_in(port, user, password, state=None):
    """The code of the answer, and its attributes."""
    challenge = os.urandom(16)
    mask = hashlib.md5(SECRET + challenge).digest()
    hidden = bytes(a ^ b for a, b in zip(password.encode().ljust(16, b"\0"), mask))
    attributes = attribute(USER_NAME, user.encode()) + attribute(USER_PASSWORD, hidden)
    if state is not None:
        attributes += attribute(STATE, state)
    head = struct.pack(">BBH", REQUEST, 1, 20 + len(attributes) + 18) + challenge + attributes
    signature = hmac.new(SECRET, head + attribute(MESSAGE_AUTHENTICATOR, bytes(16)), "md5").digest()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        client.connect(("127.0.0.1", port))
        client.send(head + attribute(MESSAGE_AUTHENTICATOR, signature))
        answer = client.recv(4096)
    found, at = {}, 20
    while at < len(answer):
        found[answer[at]] = answer[at + 2:at + answer[at + 1]]
        at += answer[at + 1]
    return answer[0], found


class FreeRadius(StuckCaller, unittest.TestCase):
    neighbour = "FreeRADIUS"
    program = "freeradius"
    fails_open = stuck_opens = True
    stuck_s = 0.5
    patience = [("timeout = 0.5", "timeout = 60")]

    # What Debian's radiusd.conf and a site put around it.
    around = """
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {directory}
run_dir = {directory}
db_dir = {directory}
max_request_time = 120
security {{
	allow_vulnerable_openssl = yes
}}
client localhost {{
	ipaddr = 127.0.0.1
	secret = secret
	require_message_authenticator = yes
}}
modules {{
	always ok {{
		rcode = ok
	}}
	pap {{
	}}
	$INCLUDE {directory}/freeradius-rest
}}
policy {{
	$INCLUDE {directory}/freeradius-policy
}}
server site {{
	listen {{
		type = auth
		ipaddr = 127.0.0.1
		port = {port}
	}}
	authorize {{
		allowd
		update control {{
			&Cleartext-Password := "right"
		}}
		pap
	}}
	authenticate {{
		pap
	}}
}}
"""

    def start(self):
        self.write_recipe("freeradius-rest")
        self.write("freeradius-policy", [])
        (self.directory / "radiusd.conf").write_text(self.around.format(
            directory=self.directory, port=self.port), encoding="utf-8")
        self.start_program()

    def command(self):
        return [self.path, "-f", "-l", "stdout", "-d", str(self.directory), "-D",
                "/usr/share/freeradius"]

    def wait_until_it_serves(self):
        wait_until(lambda: self.running.process.poll() is not None or
                   "Ready to process requests" in self.running.log(), "FreeRADIUS serves")
        self.assertIsNone(self.running.process.poll(), self.running.log())

    def enter(self, user):
        code, attributes = log_in(self.port, user, "right")
        self.assertIn(code, (ACCEPT, REJECT))
        return code == ACCEPT, attributes.get(REPLY_MESSAGE)

    def assert_told(self, text):
        self.assertRegex(text, rb"^Too many logins\. Try again in [1-9]\d* s\.$")

    def test_guessing_is_limited(self):
        for _ in range(BURST):
            self.assertEqual(log_in(self.port, "dave", "wrong"), (REJECT, {}))
        for password in ("wrong", "right"):
            code, attributes = log_in(self.port, "dave", password)
            self.assertEqual(code, REJECT)
            self.assert_told(attributes[REPLY_MESSAGE])

    def test_further_rounds_are_not_asked_about(self):
        for _ in range(BURST + 3):
            log_in(self.port, "dave", "right", state=bytes(16))
        self.assertEqual(self.count_questions(), 0)

if __name__ == "__main__":
    unittest.main()
