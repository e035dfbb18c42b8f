#!/usr/bin/python3 -B
"""
The recipe for Icecast, with the real server, a source that plays, and listeners.
"""
import base64
import os
import shutil
import socket
import unittest

from callers import USERS, StuckCaller
from harness import PATIENCE_S
from share import load_tests  # which unittest calls


class Icecast(StuckCaller, unittest.TestCase):
    neighbour = "Icecast"
    program = "icecast2"
    fails_open = stuck_opens = False
    stuck_s = 15

    # What Debian's icecast.xml has around a mount, with paths and a port of its own.
    around = """\
<icecast>
<limits><clients>1000</clients><sources>2</sources><source-timeout>3600</source-timeout></limits>
<authentication>
<source-password>source</source-password><admin-user>admin</admin-user>
<admin-password>admin</admin-password>
</authentication>
<hostname>localhost</hostname>
<listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
{recipe}
<paths>
<basedir>{directory}</basedir><logdir>{directory}/logs</logdir>
<webroot>{directory}/web</webroot><adminroot>{directory}/admin</adminroot>
</paths>
<logging><accesslog>access</accesslog><errorlog>-</errorlog><loglevel>3</loglevel></logging>
</icecast>
"""

    def start(self):
        self.addresses = {user: f"127.0.0.{number}" for number, user in enumerate(USERS, 2)}
        for name in ("logs", "web", "admin"):
            (self.directory / name).mkdir(exist_ok=True)
        self.write_recipe("icecast.xml")
        recipe = (self.directory / "icecast.xml").read_text(encoding="utf-8")
        (self.directory / "around.xml").write_text(self.around.format(
            directory=self.directory, port=self.port, recipe=recipe), encoding="utf-8")
        if os.getuid() == 0:
            shutil.chown(self.directory / "logs", "nobody")
        self.start_program()
        self.start_source()

    def command(self):
        # It does not run as root.
        drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=KILL"]
        return [*(drop if os.getuid() == 0 else []), self.path, "-c", f"{self.directory}/around.xml"]

    def start_source(self):
        """Somebody who plays, or there is nothing to listen to."""
        self.source = socket.create_connection(("127.0.0.1", self.port), PATIENCE_S)
        self.addCleanup(self.source.close)
        credentials = base64.b64encode(b"source:source").decode()
        self.source.sendall(f"SOURCE /stream.ogg HTTP/1.0\r\nAuthorization: Basic {credentials}\r\n"
                            "Content-Type: audio/mpeg\r\n\r\n".encode())
        self.assertIn(b" 200 ", self.source.recv(1000))

    def enter(self, user):
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S,
                                      (self.addresses[user], 0)) as listener:
            listener.sendall(b"GET /stream.ogg HTTP/1.0\r\n\r\n")
            head = listener.makefile("rb").readline().decode("latin-1")
        status = int(head.split()[1])
        self.assertIn(status, (200, 401))
        return status == 200, head

    def assert_told(self, text):
        self.assertIn(" 401 ", text)
        self.assertRegex(self.running.log(), r'failed with "too often; again in [1-9]\d* s"')

if __name__ == "__main__":
    unittest.main()
