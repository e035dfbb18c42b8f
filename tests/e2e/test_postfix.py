#!/usr/bin/python3 -B
"""
The recipe for Postfix, with the real server and clients that send mail.
"""
import os
import smtplib
import subprocess
import unittest

from callers import ADDRESSES, BURST, SwitchedCaller
from harness import PATIENCE_S
from share import load_tests  # which unittest calls


class Postfix(SwitchedCaller, unittest.TestCase):
    neighbour = "Postfix"
    program = "postfix"
    fails_open = stuck_opens = True
    stuck_s = 0.5
    patience = [("timeout => 0.5", "timeout => 60")]
    switch = [(" : 'DUNNO'", " : '450 4.7.1 later'")]

    # What Debian's main.cf and master.cf put around it, with paths and a port of its own.
    main = """
compatibility_level = 3.6
queue_directory = {directory}/queue
data_directory = {directory}/data
maillog_file = /dev/stdout
mynetworks =
myhostname = localhost
mydestination = localhost
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
smtpd_client_connection_count_limit = 0
smtpd_error_sleep_time = 0
smtpd_peername_lookup = no
"""
    master = """
127.0.0.1:{port} inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
"""

    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("Postfix starts as root only")
        super().setUp()

    def start(self):
        script = self.directory / "allowd-postfix"
        self.write_recipe("allowd-postfix")
        script.chmod(0o755)
        self.write("postfix-main.cf", [("timeout=5s", "timeout=100s")] if self.waits == self.patience else [])
        self.write("postfix-master.cf", [("/usr/local/lib/allowd-postfix", str(script))])
        for name, around in (("main.cf", self.main), ("master.cf", self.master)):
            recipe = (self.directory / f"postfix-{name}").read_text(encoding="utf-8")
            (self.directory / name).write_text(
                around.format(directory=self.directory, port=self.port) + recipe, encoding="utf-8")
        (self.directory / "queue").mkdir(exist_ok=True)
        subprocess.run([self.path, "-c", str(self.directory), "check"], check=True, stdout=subprocess.DEVNULL)
        self.start_program()

    def command(self):
        # By itself, since whoever ends "postfix start-fg" does not end what that starts.
        return ["/usr/lib/postfix/sbin/master", "-d", "-c", str(self.directory)]

    def enter(self, user):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE_S,
                          source_address=(ADDRESSES[user], 0)) as client:
            client.helo("localhost")
            self.assertEqual(client.mail("a+b&c@example.org")[0], 250)
            status, text = client.rcpt("somebody@localhost")
        self.assertIn(status, (250, 450), text)
        return status == 250, text.decode()

    def assert_told(self, text):
        self.assertRegex(text, r"4\.7\.1 .*Too much mail\. Try again in [1-9]\d* s\.")

    def test_each_recipient_counts(self):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE_S) as client:
            client.helo("localhost")
            client.mail("a@example.org")
            statuses = [client.rcpt(f"user{number}@localhost")[0] for number in range(BURST + 1)]
        self.assertEqual(statuses, [250] * BURST + [450])

if __name__ == "__main__":
    unittest.main()
