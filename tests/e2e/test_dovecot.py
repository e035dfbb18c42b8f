#!/usr/bin/python3 -B
"""
The recipe for Dovecot, with the real server and a client that logs in over IMAP.
"""
import os
import pwd
import unittest

from callers import BURST, USERS, StuckCaller, log_in_by_imap
from share import load_tests  # which unittest calls


class Dovecot(StuckCaller, unittest.TestCase):
    neighbour = "Dovecot"
    program = "dovecot"
    fails_open = stuck_opens = True
    stuck_s = 2
    patience_ms = 10000

    # What Debian's dovecot.conf and conf.d put around it, with paths and ports of its own.
    around = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = /dev/stderr
protocols = imap
ssl = no
listen = 127.0.0.1
auth_failure_delay = 0
auth_policy_server_timeout_msecs = {patience_ms}
mail_location = maildir:{directory}/mail/%u
first_valid_uid = {uid}
passdb {{
  driver = passwd-file
  args = {directory}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={directory}/mail/%u
}}
service imap-login {{
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
!include {directory}/dovecot.conf
"""

    def setUp(self):
        if os.getuid() != 0:
            self.skipTest("Dovecot starts as root only")
        super().setUp()

    def start(self):
        nobody = pwd.getpwnam("nobody")
        mail = self.directory / "mail"
        mail.mkdir(exist_ok=True)
        os.chown(mail, nobody.pw_uid, nobody.pw_gid)
        (self.directory / "users").write_text(
            "".join(f"{user}:{{PLAIN}}right\n" for user in USERS), encoding="ascii")
        self.write_recipe("dovecot.conf")
        (self.directory / "around.conf").write_text(self.around.format(
            directory=self.directory, port=self.port, patience_ms=self.patience_ms, uid=nobody.pw_uid, gid=nobody.pw_gid),
            encoding="utf-8")
        self.start_program()

    def command(self):
        return [self.path, "-F", "-c", f"{self.directory}/around.conf"]

    def enter(self, user):
        return log_in_by_imap(self.port, user, "right")

    def assert_told(self, text):
        self.assertRegex(text, r"\[ALERT\] Too many logins\. Try again in [1-9]\d* s\.")

    def test_allowd_stuck(self):
        self.patience_ms = 2000  # which is Dovecot's own
        super().test_allowd_stuck()

    def test_guessing_is_limited(self):
        for _ in range(BURST):
            is_in, text = log_in_by_imap(self.port, "dave", "wrong")
            self.assertFalse(is_in)
            self.assertIn("AUTHENTICATIONFAILED", text)
        for password in ("wrong", "right"):
            is_in, text = log_in_by_imap(self.port, "dave", password)
            self.assertFalse(is_in)
            self.assert_told(text)

if __name__ == "__main__":
    unittest.main()
