#!/usr/bin/python3 -B
"""
The recipe for Exim, with the real server and clients that send mail. Debian installs no Exim beside a
Postfix, so where there is none its package is unpacked for the test.
"""
import os
import shutil
import smtplib
import unittest

from callers import ADDRESSES, BURST, SwitchedCaller
from harness import PATIENCE_S
from recipes import require_program, unpack
from share import load_tests  # which unittest calls


class Exim(SwitchedCaller, unittest.TestCase):
    neighbour = "Exim"
    program = "exim4"
    fails_open = stuck_opens = True
    stuck_s = 1
    patience = [("{1s}", "{60s}")]
    switch = [("}{ }{}}", "}{ }}")]

    # What Debian's configuration puts around it, with paths and a port of its own.
    around = """
spool_directory = {directory}/spool
log_file_path = {directory}/%slog
keep_environment =
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max_per_host =
tls_advertise_hosts =
acl_smtp_rcpt = rcpt
begin acl
rcpt:
{recipe}
  accept
"""

    @classmethod
    def setUpClass(cls):
        path = os.environ.get("PATH", "") + ":/usr/sbin"
        if shutil.which("exim4", path=path) is None and shutil.which("apt-get") is not None:
            cls.path = str(unpack("exim4-daemon-light", cls) / "usr" / "sbin" / "exim4")
        else:
            cls.path = require_program("exim4")

    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("Exim starts as root only")
        super().setUp()

    def start(self):
        self.write_recipe("exim.conf")
        recipe = (self.directory / "exim.conf").read_text(encoding="utf-8")
        (self.directory / "around.conf").write_text(
            self.around.format(directory=self.directory, port=self.port, recipe=recipe), encoding="utf-8")
        # It wants a user of its own, whom its package would make.
        (self.directory / "passwd").write_text("root:x:0:0::/:/bin/sh\nDebian-exim:x:65533:65533::/:/bin/false\n",
                                               encoding="ascii")
        (self.directory / "group").write_text("root:x:0:\nDebian-exim:x:65533:\n", encoding="ascii")
        self.environment = {"NSS_WRAPPER_PASSWD": f"{self.directory}/passwd", "LD_PRELOAD": "libnss_wrapper.so",
                            "NSS_WRAPPER_GROUP": f"{self.directory}/group"}
        spool = self.directory / "spool"
        spool.mkdir(exist_ok=True)
        os.chown(spool, 65533, 65533)
        os.chown(self.directory, 65533, 65533)
        self.start_program()

    def command(self):
        return [self.path, "-C", f"{self.directory}/around.conf", "-bdf"]

    def enter(self, user):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE_S,
                          source_address=(ADDRESSES[user], 0)) as client:
            client.helo("localhost")
            client.mail("a+b&c@example.org")
            status, text = client.rcpt("somebody@localhost")
        self.assertIn(status, (250, 451), text)
        return status == 250, text.decode()

    def assert_told(self, text):
        self.assertRegex(text, r"^4\.7\.1 Too much mail\. Try again in [1-9]\d* s\.$")

    def test_each_recipient_counts(self):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE_S) as client:
            client.helo("localhost")
            client.mail("a@example.org")
            statuses = [client.rcpt(f"user{number}@localhost")[0] for number in range(BURST + 1)]
        self.assertEqual(statuses, [250] * BURST + [451])

if __name__ == "__main__":
    unittest.main()
