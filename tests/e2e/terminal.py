"""
A shell on a pseudo-terminal, which completes what is typed as it does for somebody at a terminal.
"""
import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time

from harness import PATIENCE_S

TAB, LINE_START = "\t", "\x01"
ALL = "\x1b*"  # inserts all completions that there are


class Shell:
    """An interactive shell in a directory of its own, with the programs of its bin; the subclasses say which shell."""

    command = None
    prompt = None  # PS1, and as it is shown once a command has ended
    prompt_shown = None

    def __init__(self, directory, lines):
        """lines: typed before anything else."""
        master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 4000, 0, 0))
        self.master = master
        environment = {"PATH": f"{directory}/bin:{os.environ['PATH']}", "HOME": directory,
                       "TERM": "dumb", "LC_ALL": "C", "PS1": self.prompt}
        self.process = subprocess.Popen(self.command, stdin=slave, stdout=slave, stderr=slave, cwd=directory,
                                        env=environment, start_new_session=True)
        os.close(slave)
        self._read_to_prompt()
        for line in lines:
            self.run(line)

    def _type(self, text):
        os.write(self.master, text.encode())

    def _read_to_prompt(self):
        said, deadline = "", time.monotonic() + PATIENCE_S
        while not said.endswith(self.prompt_shown):
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"{self.command[0]} shows no prompt: {said!r}")
            said += os.read(self.master, 1 << 16).decode()
        return said

    def run(self, keys):
        """Types this and a line end; all that is shown until the next prompt is."""
        self._type(keys + "\n")
        return self._read_to_prompt()

    def run_printing_words(self, line, keys):
        """The same, with a line that prints the words after the last one of the line that was typed whole."""
        return self.run(line + keys + LINE_START + "printf '<%s>' ")

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)
