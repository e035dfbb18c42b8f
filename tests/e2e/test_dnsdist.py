#!/usr/bin/python3 -B
"""
The recipe for dnsdist, with the real program and clients that ask for a name.
"""
import socket
import struct
import unittest

from callers import ADDRESSES, BURST, StuckCaller
from harness import PATIENCE_S
from share import load_tests  # which unittest calls

NO_ERROR, REFUSED = 0, 5


class Dnsdist(StuckCaller, unittest.TestCase):
    neighbour = "dnsdist"
    program = "dnsdist"
    fails_open = stuck_opens = True
    stuck_s = 0.1
    patience = [("TIMEOUT = 0.1", "TIMEOUT = 60")]

    # What a configuration has around it; the answer in place of a server's.
    around = """
setLocal("127.0.0.1:{port}")
setSecurityPollSuffix("")
dofile("{directory}/dnsdist.conf")
addAction(AllRule(), SpoofAction("192.0.2.1"))
"""

    def start(self):
        self.write_recipe("dnsdist.conf")
        (self.directory / "around.conf").write_text(self.around.format(
            directory=self.directory, port=self.port), encoding="utf-8")
        self.start_program()

    def command(self):
        return [self.path, "--supervised", "--disable-syslog", "-C", f"{self.directory}/around.conf"]

    def enter(self, user):
        query = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + b"\7example\3org\0" + struct.pack(">2H", 1, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(PATIENCE_S)
            client.bind((ADDRESSES[user], 0))
            client.connect(("127.0.0.1", self.port))
            client.send(query)
            answer = client.recv(512)
        code = answer[3] & 15
        self.assertIn(code, (NO_ERROR, REFUSED))
        return code == NO_ERROR, answer

    def assert_told(self, text):
        self.assertNotIn(socket.inet_aton("192.0.2.1"), text)

    def test_over_tcp(self):
        query = struct.pack(">7H", 29, 1, 0x100, 1, 0, 0, 0) + b"\7example\3org\0" + struct.pack(">2H", 1, 1)
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S, (ADDRESSES["alice"], 0)) as client:
            with client.makefile("rb") as stream:
                for _ in range(BURST + 1):
                    client.sendall(query)
                    size, = struct.unpack(">H", stream.read(2))
                    answer = stream.read(size)
        self.assertEqual(answer[3] & 15, REFUSED)
        self.assertFalse(self.enter("alice")[0])

if __name__ == "__main__":
    unittest.main()
