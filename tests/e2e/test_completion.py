#!/usr/bin/python3 -B
"""
Bash's completion of allowd's command line, as somebody at a terminal gets it.

An interactive bash on a pseudo-terminal completes what is typed (readline's insert-completions
puts all it finds into the line), and then prints the words of the line.
"""
import contextlib
import fcntl
import os
import pathlib
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from harness import ALLOWD, PATIENCE_S, TOP

LIBRARY = pathlib.Path("/usr/share/bash-completion/bash_completion")
COMPLETION = TOP / "etc" / "completion" / "allowd"
# Readline shows the last line of it again when it likes, and the first when a command has ended.
PROMPT, PROMPT_SHOWN = "\n[ready]\n? ", "\r\n[ready]\r\n? "
TAB, ALL, LINE_START = "\t", "\x1b*", "\x01"

OTHER_HELP = """\
Usage: allowd [-c FILE]
  -c, --config FILE  read FILE - or what - it says
  --ready-fd=FD      write to FD
  -x                 cross
      --listen ADDRESS  listen -there
See allowd(8).
"""


class Bash:
    """An interactive bash that knows a completion, in a directory of its own."""

    def __init__(self, directory, completion=COMPLETION):
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 4000, 0, 0))
        self.master = master
        environment = {"PATH": f"{directory}/bin:{os.environ['PATH']}", "HOME": directory,
                       "TERM": "dumb", "LC_ALL": "C", "PS1": PROMPT}
        self.process = subprocess.Popen(
            ["bash", "--norc", "--noprofile", "-i"], stdin=slave, stdout=slave, stderr=slave,
            cwd=directory, env=environment, start_new_session=True)
        os.close(slave)
        self._read_to(PROMPT_SHOWN)
        for line in (f". {LIBRARY}", f". {completion}", "bind 'set bell-style none'"):
            self._type(line + "\n")
            self._read_to(PROMPT_SHOWN)

    def _type(self, text):
        os.write(self.master, text.encode())

    def _read_to(self, end):
        said, deadline = "", time.monotonic() + PATIENCE_S
        while not said.endswith(end):
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"bash has not come to {end!r}: {said!r}")
            said += os.read(self.master, 1 << 16).decode()
        return said

    def words(self, line, keys=ALL):
        """The words after the last one of the line that was typed whole."""
        self._type(line + keys + LINE_START + "printf '<%s>' \n")
        said = self._read_to(PROMPT_SHOWN)
        return re.findall("<([^>]*)>", said.removesuffix(PROMPT_SHOWN).splitlines()[-1])

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)


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
