#!/usr/bin/python3 -B
"""
The recipes for programs that run another first, and go by its exit status: git daemon, rsync's daemon and, by
PAM, sshd. Each is the real program with real clients.
"""
import getpass
import os
import re
import secrets
import socket
import subprocess
import unittest

from callers import ADDRESSES, BURST, SwitchedCaller
from harness import PATIENCE_S
from recipes import EXAMPLES
from share import load_tests  # which unittest calls

EMPTY = "/run/sshd"  # where sshd confines itself to nothing; its service makes it


class Hook(SwitchedCaller):
    fails_open = stuck_opens = True
    stuck_s = 0.5
    patience = [("-m 0.5", "-m 60")]
    switch = [("esac\nexit 0", "esac\nexit 1")]

    def start(self):
        self.hook = self.directory / "allowd-hook"
        self.write_recipe("allowd-hook")
        self.hook.chmod(0o755)
        self.write_around()
        self.start_program()

    def write_around(self):
        """The rest of the recipe."""

    def run_client(self, command, **environment):
        """Whether it ends well, and what it says."""
        done = subprocess.run(command, cwd=self.directory, env={**os.environ, **environment}, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=PATIENCE_S, check=False)
        return done.returncode == 0, done.stdout

    def assert_told(self, text):
        self.assertRegex(text, r"Too often\. Try again in [1-9]\d* s\.")


class GitDaemon(Hook, unittest.TestCase):
    neighbour = "git daemon"
    program = "/usr/lib/git-core/git-daemon"

    def write_around(self):
        (self.directory / "repositories").mkdir(exist_ok=True)
        subprocess.run(["git", "init", "-q", "--bare", "repositories/r.git"], cwd=self.directory, check=True)
        (self.directory / "repositories" / "r.git" / "git-daemon-export-ok").touch()

    def command(self):
        unit = (EXAMPLES / "git-daemon.service").read_text(encoding="utf-8")
        line = re.search(r"^ExecStart=(.*)$", unit, re.M)[1]
        for old, new in (("/srv/git", f"{self.directory}/repositories"), ("/usr/local/lib/allowd-hook", str(self.hook))):
            self.assertIn(old, line)
            line = line.replace(old, new)
        # A fault of who owns the repository is not what is tested.
        self.environment = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
        return [*line.split(), f"--port={self.port}", "--listen=127.0.0.1", "--reuseaddr"]

    def enter(self, user):
        request = b"git-upload-pack /r.git\0host=127.0.0.1\0"
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE_S, (ADDRESSES[user], 0)) as client:
            client.sendall(b"%04x" % (len(request) + 4) + request)
            with client.makefile("rb") as stream:
                if stream.read(4) == b"0000":  # an empty repository has no more
                    client.sendall(b"0000")
                    return True, ""
                return False, stream.read().decode()

    def test_a_real_client(self):
        url = f"git://127.0.0.1:{self.port}/r.git"
        for _ in range(BURST):
            self.assertEqual(self.run_client(["git", "ls-remote", url]), (True, ""))
        is_in, text = self.run_client(["git", "ls-remote", url])
        self.assertFalse(is_in)
        self.assert_told(text)


class RsyncDaemon(Hook, unittest.TestCase):
    neighbour = "rsync daemon"
    program = "rsync"

    def write_around(self):
        files = self.directory / "files"
        files.mkdir(exist_ok=True)
        (files / "page").write_text("a page\n", encoding="ascii")
        self.write("rsyncd.conf", [("/srv/files", str(files)), ("/usr/local/lib/allowd-hook", str(self.hook))])

    def command(self):
        return [self.path, "--daemon", "--no-detach", "--address=127.0.0.1", f"--port={self.port}",
                f"--config={self.directory}/rsyncd.conf"]

    def enter(self, user):
        return self.run_client([self.path, f"--address={ADDRESSES[user]}", "--port", str(self.port),
                                "127.0.0.1::files/page", "got"])


class Sshd(Hook, unittest.TestCase):
    neighbour = "sshd, by PAM"
    program = "sshd"
    by_key = False

    def write_around(self):
        if self.by_key:
            lines = [("auth requisite", "#auth requisite"), ("#account requisite", "account requisite")]
        else:
            lines = []
        self.write("pam-sshd", [*lines, ("/usr/local/lib/allowd-hook", str(self.hook))])
        if os.getuid() == 0 and not os.path.exists(EMPTY):
            os.mkdir(EMPTY, 0o755)
            self.addCleanup(os.rmdir, EMPTY)
        self.password = secrets.token_hex(16)
        for name, text in (("check", f'#!/bin/sh\nread -r word || :\n[ "$word" = {self.password} ]\n'),
                           ("askpass", f"#!/bin/sh\necho {self.password}\n")):
            (self.directory / name).write_text(text, encoding="ascii")
            (self.directory / name).chmod(0o700)
        pam = self.directory / "pam.d"
        pam.mkdir(exist_ok=True)
        (pam / "sshd").write_text(
            (self.directory / "pam-sshd").read_text(encoding="utf-8") +
            f"auth required pam_exec.so quiet expose_authtok {self.directory}/check\nauth optional pam_permit.so\n"
            "account required pam_permit.so\nsession required pam_permit.so\n", encoding="utf-8")
        for name in ("host", "user"):
            if not (self.directory / name).exists():
                subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name], cwd=self.directory,
                               check=True)
        (self.directory / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.directory}/host\nPidFile none\nUsePAM yes\n"
            f"AuthorizedKeysFile {self.directory}/user.pub\nStrictModes no\nPermitRootLogin yes\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication yes\n", encoding="utf-8")
        # Its files are this test's, not those of /etc/pam.d.
        self.environment = {"LD_PRELOAD": "libpam_wrapper.so", "PAM_WRAPPER": "1",
                            "PAM_WRAPPER_SERVICE_DIR": str(pam)}

    def command(self):
        return [self.path, "-D", "-e", "-f", f"{self.directory}/sshd_config"]

    def enter(self, user):
        method = "publickey" if self.by_key else "keyboard-interactive"
        return self.run_client(
            ["ssh", "-F", "none", "-p", str(self.port), "-b", ADDRESSES[user], "-i", f"{self.directory}/user",
             "-o", "IdentitiesOnly=yes", "-o", f"PreferredAuthentications={method}", "-o", "NumberOfPasswordPrompts=1",
             "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             f"{getpass.getuser()}@127.0.0.1", "true"],
            SSH_ASKPASS=f"{self.directory}/askpass", SSH_ASKPASS_REQUIRE="force")


class SshdByKey(Sshd):
    by_key = True


if __name__ == "__main__":
    unittest.main()
