#!/usr/bin/python3 -B
"""
Bash's completion of allowd's command line, as somebody at a terminal gets it.

An interactive bash on a pseudo-terminal completes what is typed (readline's insert-completions
puts all it finds into the line), and then prints the words of the line.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import ALLOWD, TOP
from terminal import ALL, TAB, Shell

LIBRARY = pathlib.Path("/usr/share/bash-completion/bash_completion")
COMPLETION = TOP / "etc" / "completion" / "allowd"

OTHER_HELP = """\
Usage: allowd [-c FILE]
  -c, --config FILE  read FILE - or what - it says
  --ready-fd=FD      write to FD
  -x                 cross
      --listen ADDRESS  listen -there
See allowd(8).
"""


class Bash(Shell):
    """A bash that knows a completion."""

    command = ["bash", "--norc", "--noprofile", "-i"]
    # Readline shows the last line of it again when it likes, and the first when a command has ended.
    prompt, prompt_shown = "\n[ready]\n? ", "\r\n[ready]\r\n? "

    def __init__(self, directory, completion=COMPLETION):
        super().__init__(directory, [f". {LIBRARY}", f". {completion}", "bind 'set bell-style none'"])

    def words(self, line, keys=ALL):
        """The words after the last one of the line that was typed whole."""
        said = self.run_printing_words(line, keys)
        return re.findall("<([^>]*)>", said.removesuffix(self.prompt_shown).splitlines()[-1])


# Where a change is judged, its absence is a failure.
@unittest.skipUnless(LIBRARY.exists() or os.environ.get("CI") == "true",
                     "bash-completion is not installed")
class Completion(unittest.TestCase):
    def setUp(self):
        directory = tempfile.mkdtemp(prefix="allowd-completion-")
        self.addCleanup(shutil.rmtree, directory)
        os.makedirs(f"{directory}/bin")
        os.makedirs(f"{directory}/etc")
        for name in ("etc/one.yaml", "etc/two.yaml", "etc/a space.yaml"):
            pathlib.Path(directory, name).touch()
        self.command = pathlib.Path(directory, "bin/allowd")
        self.command.symlink_to(ALLOWD)
        self.directory = directory
        self.bash = Bash(directory)
        self.addCleanup(self.bash.close)

    def replace_command(self, help_text):
        self.command.unlink()
        self.command.write_text(f"#!/bin/sh\n[ \"$*\" = -h ] && cat <<'END'\n{help_text}END\n",
                                encoding="utf-8")
        self.command.chmod(0o755)

    def test_options_are_those_of_the_help(self):
        usage = subprocess.run([ALLOWD, "-h"], capture_output=True, text=True, check=True).stdout
        options = re.findall(r"^ +(-[^\s,=]+)", usage, re.M)
        self.assertLessEqual({"-c", "-l", "-t", "-h", "-V"}, set(options))
        offered = self.bash.words("allowd -")
        self.assertEqual(offered[0], "allowd")
        self.assertLessEqual(set(options), set(offered[1:]))
        self.assertEqual(set(self.bash.words("allowd -t ")[2:]), set(offered[1:]))

    def test_a_path_to_the_command(self):
        for command in ("./bin/allowd", "~/bin/allowd", f"{self.directory}/bin/allowd"):
            self.assertIn("-c", self.bash.words(f"{command} -"), command)

    def test_files_after_c(self):
        self.assertEqual(self.bash.words("allowd -c etc/"),
                         ["allowd", "-c", "etc/a space.yaml", "etc/one.yaml", "etc/two.yaml"])
        self.assertEqual(self.bash.words("allowd -t -c etc/o", TAB),
                         ["allowd", "-t", "-c", "etc/one.yaml"])

    def test_addresses_after_l(self):
        for typed, address in (("1", "127.0.0.1:10429"), ("127.0.0.1:", "127.0.0.1:10429"),
                               ("127.0.0.1:104", "127.0.0.1:10429"), ("[", "[::1]:10429"),
                               ("[::1]:", "[::1]:10429"), ("u", "unix:/")):
            self.assertEqual(self.bash.words(f"allowd -l {typed}", TAB),
                             ["allowd", "-l", address], typed)
        socket = f"{self.directory}/etc"
        self.assertEqual(self.bash.words(f"allowd -l unix:{socket}/on", TAB),
                         ["allowd", "-l", f"unix:{socket}/one.yaml"])

    def test_options_to_come(self):
        self.replace_command(OTHER_HELP)
        self.assertEqual(sorted(self.bash.words("allowd -")[1:]),
                         ["--config", "--listen", "--ready-fd", "-c", "-x"])
        self.assertEqual(self.bash.words("allowd --r", TAB), ["allowd", "--ready-fd"])
        self.assertEqual(self.bash.words("allowd --config etc/t", TAB),
                         ["allowd", "--config", "etc/two.yaml"])
        self.assertEqual(self.bash.words("allowd --config=etc/t", TAB),
                         ["allowd", "--config=etc/two.yaml"])
        self.assertEqual(self.bash.words("allowd --listen [", TAB),
                         ["allowd", "--listen", "[::1]:10429"])
        self.assertEqual(self.bash.words("allowd --ready-fd ", TAB), ["allowd", "--ready-fd"])

    def test_a_command_without_help(self):
        self.replace_command("")
        self.assertEqual(self.bash.words("allowd -"), ["allowd", "-"])


if __name__ == "__main__":
    unittest.main()
