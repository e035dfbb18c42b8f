#!/usr/bin/python3 -B
"""
The recipe for Kamailio, with the real server and clients that send requests.
"""
import itertools
import socket
import unittest

from callers import ADDRESSES, SwitchedCaller
from harness import PATIENCE_S, wait_until
from share import load_tests  # which unittest calls


class Kamailio(SwitchedCaller, unittest.TestCase):
    neighbour = "Kamailio"
    program = "kamailio"
    fails_open = stuck_opens = True
    stuck_s = 1
    patience = [('"connection_timeout", 1)', '"connection_timeout", 60)')]
    switch = [("    else return; # fail open\n", "")]

    # What Debian's kamailio.cfg puts around it, as far as it takes to answer.
    around = """
debug=2
log_stderror=yes
fork=no
children=1
disable_tcp=yes
auto_aliases=no
listen=udp:127.0.0.1:{port}
loadmodule "pv.so"
loadmodule "sl.so"
loadmodule "textops.so"
include_file "{directory}/kamailio.cfg"
request_route {{
    route(ALLOWD);
    sl_send_reply("200", "OK");
}}
"""

    def start(self):
        self.calls = itertools.count(1)
        self.write_recipe("kamailio.cfg")
        (self.directory / "around.cfg").write_text(self.around.format(
            directory=self.directory, port=self.port), encoding="utf-8")
        self.start_program()

    def command(self):
        return [self.path, "-DD", "-E", "-f", f"{self.directory}/around.cfg", "-Y", str(self.directory)]

    def wait_until_it_serves(self):
        def answers():
            self.assertIsNone(self.running.process.poll(), self.running.log())
            try:
                return self.ask("127.0.0.1", 0.2)
            except (ConnectionRefusedError, TimeoutError):
                return False
        wait_until(answers, "Kamailio serves")

    def ask(self, address, patience_s):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(patience_s)
            client.bind((address, 0))
            client.connect(("127.0.0.1", self.port))
            number = next(self.calls)
            client.send((
                "OPTIONS sip:somebody@localhost SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {address}:{client.getsockname()[1]};branch=z9hG4bK{number}\r\n"
                f"From: <sip:a@localhost>;tag={number}\r\nTo: <sip:somebody@localhost>\r\n"
                f"Call-ID: {number}@{address}\r\nCSeq: {number} OPTIONS\r\nMax-Forwards: 70\r\n"
                "Content-Length: 0\r\n\r\n").encode())
            return client.recv(4096).decode()

    def enter(self, user):
        answer = self.ask(ADDRESSES[user], PATIENCE_S)
        status = answer.split()[1]
        self.assertIn(status, ("200", "503"))
        return status == "200", answer

    def assert_told(self, text):
        self.assertRegex(text, r"\r\nRetry-After: [1-9]\d*\r\n")

if __name__ == "__main__":
    unittest.main()
