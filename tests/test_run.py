#!/usr/bin/python3 -B
"""Checks run.py: what hangs is ended and all that it started with it, what works is not, however long it takes."""
import os
import pathlib
import subprocess
import sys
import unittest

RUN = pathlib.Path(__file__).resolve().parent / "run.py"
ENDED = 124
CIRCLE = "while :; do :; done"


def run(command, *options, **variables):
    """The status of a shell's command under run.py, and what was printed."""
    done = subprocess.run([sys.executable, RUN, *options, "sh", "-c", command], text=True, check=False,
                          stdout=subprocess.PIPE, env=os.environ | variables)
    return done.returncode, done.stdout


def is_alive(pid):
    """Whether there is such a process."""
    return os.path.exists(f"/proc/{pid}")


class Run(unittest.TestCase):
    """Each with a test of its own to run."""

    def test_the_status_is_the_tests(self):
        for command, status in (("exit 0", 0), ("exit 77", 77), ("kill -SEGV $$", 128 + 11)):
            with self.subTest(command):
                self.assertEqual(run(command)[0], status)

    def test_no_command(self):
        done = subprocess.run([sys.executable, RUN, "/nowhere"], check=False, capture_output=True)
        self.assertEqual(done.returncode, 127)

    def test_what_hangs_is_ended(self):
        status, said = run("sleep 1000 & echo pid $!; sleep 1000", TEST_IDLE_S="1")
        self.assertEqual(status, ENDED)
        self.assertIn("it hangs", said)
        self.assertIn(" sleep, ", said)
        self.assertFalse(is_alive(said.split()[1]))

    def test_what_hangs_and_bears_no_sigterm_is_killed(self):
        self.assertEqual(run("trap : TERM; sleep 1000; sleep 1000; sleep 1000", TEST_IDLE_S="1")[0], ENDED)

    def test_what_works_is_not_ended(self):
        """Nor is it for a child that does the work, nor one that nobody waits for."""
        for command in (f"timeout 3 sh -c '{CIRCLE}'; true", f"(timeout 3 sh -c '{CIRCLE}' &); sleep 3"):
            with self.subTest(command):
                self.assertNotEqual(run(command, TEST_IDLE_S="1")[0], ENDED)

    def test_a_circle_is_ended_after_the_bound(self):
        status, said = run(CIRCLE, TEST_BOUND_S="1", TEST_IDLE_S="1")
        self.assertEqual(status, ENDED)
        self.assertIn("it has not ended", said)

    def test_what_is_left_is_ended(self):
        """Also what has left the session."""
        status, said = run("setsid sleep 1000 & echo pid $!")
        self.assertEqual(status, 0)
        self.assertFalse(is_alive(said.split()[1]))

    def test_one_processor(self):
        status, said = run("nproc", "--one-processor")
        self.assertEqual((status, said.split()[0]), (0, "1"))


if __name__ == "__main__":
    unittest.main()
