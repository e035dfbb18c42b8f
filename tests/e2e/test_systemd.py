#!/usr/bin/python3 -B
"""
The units for systemd: nothing for it to complain about, and a sandbox as tight as promised.

systemd itself runs in no container; what it hears and passes is played by
test_manager.py, test_inherited.py and test_restart.py.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import ALLOWD, PATIENCE_S, TOP

BUILD = pathlib.Path(os.environ.get("BUILDDIR") or TOP / "build")


class Units(unittest.TestCase):
    def setUp(self):
        if shutil.which("systemd-analyze") is None:
            if os.environ.get("CI") == "true":
                raise AssertionError("systemd-analyze is not installed, and CI must test the units")
            self.skipTest("systemd-analyze is not installed")
        directory = tempfile.TemporaryDirectory(prefix="allowd-e2e-")
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)
        shutil.copy(TOP / "etc" / "systemd" / "allowd.socket", self.directory)
        self.unit = (BUILD / "etc" / "systemd" / "allowd.service").read_text(encoding="utf-8")

    def install(self):
        """As make install would, but for the program that was just built."""
        path = self.directory / "allowd.service"
        path.write_text(re.sub(r"(?m)^(Exec\w+=)/\S*/allowd ", rf"\1{ALLOWD} ", self.unit),
                        encoding="utf-8")
        return path

    def analyze(self, *arguments):
        done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout, done.stderr

    def test_it_says_where_things_are(self):
        self.assertNotRegex(self.unit, r"@\w+@")
        self.assertRegex(self.unit, r"(?m)^ExecStart=/\S+/allowd -c /\S+/allowd\.yaml$")

    def test_verify_is_silent(self):
        service = self.install()
        status, out, told = self.analyze("verify", "--man=no", str(service), str(self.directory / "allowd.socket"))
        # It complains of units of others too, as far as these are on the machine.
        ours = [line for line in told.splitlines() if not line.startswith(("/lib/systemd/", "/usr/lib/systemd/"))]
        self.assertEqual((status, out, ours), (0, "", []))

    def test_verify_would_complain(self):
        """The test before is worth something."""
        self.unit += "\n[Service]\nWatchdogSecs=1\n"
        status, _, said = self.analyze("verify", "--man=no", str(self.install()))
        self.assertIn("WatchdogSecs", said, status)

    def test_the_sandbox(self):
        status, said, error = self.analyze("security", "--offline=yes", "--threshold=15",
                                           "--no-pager", str(self.install()))
        self.assertEqual(status, 0, said + error)

    def test_what_it_promises(self):
        for line in ("Type=notify", "DynamicUser=yes", "StateDirectory=allowd",
                     "RuntimeDirectory=allowd", "WatchdogSec=10s",
                     "ExecReload=/bin/sh -c 'kill -HUP $MAINPID'"):
            self.assertIn(f"\n{line}\n", self.unit)


if __name__ == "__main__":
    unittest.main()
