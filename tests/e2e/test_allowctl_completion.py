#!/usr/bin/python3 -B
"""
What bash and zsh complete of allowctl's command line, as somebody at a terminal gets it.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import TOP
from terminal import ALL, TAB, Shell
from test_allowctl import ALLOWCTL
from test_completion import LIBRARY, Bash

COMPLETIONS = TOP / "etc" / "completion"
COMMANDS = {"status", "allow", "refund", "charge", "reset", "keys", "top", "events", "explain", "override", "leases",
            "reload", "check", "bench-key"}


class Zsh(Shell):
    """A zsh that knows the completions."""

    command = ["zsh", "-f", "-i", "-o", "no_prompt_sp", "-o", "no_prompt_cr", "-o", "no_beep"]
    prompt = "[ready]? "
    prompt_shown = prompt + "\x1b[?2004h"  # behind which the terminal is told to say what is pasted

    def __init__(self, directory):
        super().__init__(directory, [
            "bindkey -e", f"fpath=({COMPLETIONS} $fpath)", "autoload -Uz compinit && compinit -D -u",
            # What inserts all that fits.
            "zle -C all-matches complete-word _generic", "bindkey '\\e*' all-matches",
            "zstyle ':completion:all-matches::::' completer _all_matches _complete",
            "zstyle ':completion:all-matches:*' insert true"])

    def words(self, line, keys=ALL):
        """The words after the last one of the line that was typed whole."""
        said = self.run_printing_words(line, keys)
        return re.findall("<([^<>]*)>", said.rpartition("\x1b[?2004l")[2])


class Completion:
    """What holds for each shell."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="allowctl-completion-")
        self.addCleanup(shutil.rmtree, self.directory)
        os.makedirs(f"{self.directory}/bin")
        os.makedirs(f"{self.directory}/etc")
        for name in ("etc/one.yaml", "etc/two.yaml"):
            pathlib.Path(self.directory, name).touch()
        pathlib.Path(self.directory, "bin/allowctl").symlink_to(ALLOWCTL)
        self.shell = self.start()
        self.addCleanup(self.shell.close)

    def offered(self, line):
        words = self.shell.words(line)
        self.assertEqual(words[0], "allowctl")
        return words[len(line.split()) - (not line.endswith(" ")):]

    def completed(self, line):
        return self.shell.words(line, TAB)

    def test_commands(self):
        self.assertEqual(sorted(self.offered("allowctl ")), sorted(COMMANDS))
        self.assertEqual(self.completed("allowctl ev"), ["allowctl", "events"])
        self.assertEqual(sorted(self.offered("allowctl -s unix:/x ")), sorted(COMMANDS))
        self.assertEqual(sorted(self.offered("allowctl --timeout 5s r")), ["refund", "reload", "reset"])

    def test_commands_of_two_words(self):
        self.assertEqual(sorted(self.offered("allowctl override ")), ["delete", "list", "put"])
        self.assertEqual(self.completed("allowctl leases rel"), ["allowctl", "leases", "release"])

    def test_options(self):
        usage = subprocess.run([ALLOWCTL, "override", "put", "-h"], capture_output=True, text=True, check=True).stdout
        options = set(re.findall(r"(?:^  |, )(-[^\s,=]+)", usage, re.M))
        self.assertLessEqual({"-l", "--limit", "--burst", "--until", "-s", "--server"}, options)
        self.assertEqual(set(self.offered("allowctl override put --")), {o for o in options if o.startswith("--")})
        self.assertEqual(self.completed("allowctl override put --bur"), ["allowctl", "override", "put", "--burst"])
        self.assertNotIn("--burst", self.offered("allowctl allow --"))
        self.assertEqual(self.completed("allowctl allow key --wa"), ["allowctl", "allow", "key", "--wait"])
        self.assertEqual(set(self.offered("allowctl --t")), {"--token-file", "--timeout"})

    def test_values(self):
        self.assertEqual(self.completed("allowctl check etc/o"), ["allowctl", "check", "etc/one.yaml"])
        self.assertEqual(self.completed("allowctl --token-file etc/t"), ["allowctl", "--token-file", "etc/two.yaml"])
        self.assertEqual(sorted(self.offered("allowctl keys --sort ")), ["denied", "remaining"])
        self.assertEqual(self.completed("allowctl override put --action d"),
                         ["allowctl", "override", "put", "--action", "deny"])


# Where a change is judged, its absence is a failure.
@unittest.skipUnless(LIBRARY.exists() or os.environ.get("CI") == "true", "bash-completion is not installed")
class InBash(Completion, unittest.TestCase):
    def start(self):
        return Bash(self.directory, COMPLETIONS / "allowctl")

    def test_addresses(self):
        self.assertEqual(self.completed("allowctl -s unix:etc/on"), ["allowctl", "-s", "unix:etc/one.yaml"])
        self.assertEqual(self.completed("allowctl -s u"), ["allowctl", "-s", "unix:/"])

    def test_a_command_without_help(self):
        command = pathlib.Path(self.directory, "bin/allowctl")
        command.unlink()
        command.write_text("#!/bin/sh\nexit 1\n", encoding="ascii")
        command.chmod(0o755)
        self.assertEqual(self.completed("allowctl st"), ["allowctl", "st"])


@unittest.skipUnless(shutil.which("zsh") or os.environ.get("CI") == "true", "zsh is not installed")
class InZsh(Completion, unittest.TestCase):
    def start(self):
        return Zsh(self.directory)


if __name__ == "__main__":
    unittest.main()
