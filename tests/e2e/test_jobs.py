#!/usr/bin/python3 -B
"""
The job runners of etc/examples, in sh and Python, as they stand but for port and times: several on
one folder do no more jobs at a time than there are slots, go on where one was killed, and give up
on a job that fails.
"""
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import ENDS_WITH_US, FORM, PATIENCE_S, Daemon, wait_until
from recipes import ALLOWD_ADDRESS, EXAMPLES, free_port, replaced, require_program
from share import load_tests  # which unittest calls

SLOTS = 3
BURST = 60
# A lease that nobody renews ends this soon. The runners take whole seconds, and two of their renewals
# may fail in a row.
TIMES = {"TTL_S": "5", "RENEW_S": "1", "CALL_S": "1", "WAIT_S": "10", "MAX_TRIES": "3"}

# What jobs do, as scripts: they have marks made of what happens, a line each.
QUICK = "echo begin >>marks; echo end >>marks\n"
HELD = "echo begin >>marks; until [ -e go ]; do sleep 0.05; done; echo end >>marks\n"
FAILING = "echo begin >>marks; echo out of order; echo end >>marks; exit 3\n"
# The first try lasts until it is ended, and says which process did it; the second is quick.
ENDLESS = """
if mkdir begun 2>/dev/null; then echo $PPID $$ >first; exec sleep 1000; fi
echo again >>marks
"""
# The same, of a process below the one that the runner has begun.
ENDLESS_BELOW = """
if mkdir begun 2>/dev/null; then sleep 1000 & echo $PPID $! >first; wait; fi
echo again >>marks
"""


def is_running(process_id):
    """A process that has ended, and that nobody has asked for its status yet, is not."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        status = pathlib.Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
        return status.rpartition(")")[2].split()[0] != "Z"
    return False


class Folder:
    """Of jobs, and its runners; the subclasses say which one is started as the next."""

    kinds = None

    def setUp(self):
        for program in ("curl", "setsid", "setpriv"):
            require_program(program)
        self.address = f"127.0.0.1:{free_port()}"
        # None of its tokens come back in time.
        self.config = replaced((EXAMPLES / "job-runner.yaml").read_text(encoding="utf-8"), [
            (ALLOWD_ADDRESS, self.address), ("rate: 60/m", "rate: 60/30d")])
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.queue = self.directory / "queue of jobs"
        (self.queue / "todo").mkdir(parents=True)
        self.start_allowd()
        self.addCleanup(lambda: self.daemon.stop())
        self.started = []

    def start_allowd(self, state=""):
        self.daemon = Daemon(self.config + state, listen=())

    # -- the runners --

    def add(self, script, *names):
        for name in names:
            (self.queue / "todo" / name).write_text(script, encoding="ascii")

    def start(self, count=1):
        """The next runners; the last of them."""
        for _ in range(count):
            program = EXAMPLES / self.kinds[len(self.started) % len(self.kinds)]
            environment = {**os.environ, **TIMES, "ALLOWD_URL": f"http://{self.address}"}
            runner = subprocess.Popen([*ENDS_WITH_US, program, self.queue, "sh"], env=environment,
                                      stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self.started.append(runner)
            self.addCleanup(self.end, runner)
        return runner

    def end(self, runner):
        if runner.returncode is None:
            runner.kill()
            runner.communicate()

    def finish(self):
        """What they wrote to standard error, once all have ended as they should."""
        written = []
        for runner in self.started:
            if runner.returncode is None:
                written.append(runner.communicate(timeout=PATIENCE_S)[1])
                self.assertEqual(runner.returncode, 0, written)
        return "".join(written)

    def listed(self, folder):
        path = self.queue / folder
        return sorted(file.name for file in path.iterdir()) if path.exists() else []

    def lines(self, name):
        with contextlib.suppress(FileNotFoundError):
            return (self.queue / name).read_text(encoding="ascii").splitlines()
        return []

    def wait_for_first(self):
        """Of an endless job: its runner's process id, its own, and its lease."""
        runner, job = wait_until(lambda: self.lines("first"), "a job has begun")[0].split()
        claim, = self.listed("running")
        return int(runner), int(job), claim.partition(".")[0]

    # -- allowd --

    def call(self, method, target, form=None):
        headers, body = ([FORM], form.encode()) if form else ([], None)
        return self.daemon.call(method, target, headers, body)

    def state(self, lease):
        return self.call("GET", f"/status?lease={lease}").json()["state"]

    def free(self):
        """Slots and tokens that are there."""
        buckets = self.call("GET", "/status?key=jobs:all").json()["buckets"]
        return tuple(bucket["remaining"] for bucket in buckets)

    def gauge(self, name):
        metrics = self.call("GET", "/metrics").body.decode("ascii")
        return int(re.search(rf"^{name} (\d+)$", metrics, re.M)[1])


class Runners(Folder):
    """What each of them does."""

    def test_no_more_at_a_time_than_slots(self):
        jobs = [f"job {number}" for number in range(12)]
        self.add(HELD, *jobs)
        self.start(SLOTS + 2)
        wait_until(lambda: len(self.lines("marks")) == SLOTS, "as many have begun as may")
        wait_until(lambda: self.gauge("allowd_waiting") == 2, "the other runners wait")
        self.assertEqual((self.lines("marks"), self.free()[0]), (["begin"] * SLOTS, 0))
        (self.queue / "go").touch()
        self.assertEqual(self.finish(), "")
        running, most = 0, 0
        for mark in self.lines("marks"):
            running += 1 if mark == "begin" else -1
            most = max(most, running)
        self.assertEqual((running, most, len(self.lines("marks"))), (0, SLOTS, 2 * len(jobs)))
        self.assertEqual((self.listed("done"), self.listed("running")), (sorted(jobs), []))
        self.assertEqual(self.free(), (SLOTS, BURST - len(jobs)))

    def test_a_job_that_fails(self):
        self.add(FAILING, "bad job")
        self.add(QUICK, "good job")
        self.start()
        self.assertIn("bad job has failed 3 times, see log/bad job", self.finish())
        self.assertEqual((self.listed("done"), self.listed("failed")), (["good job"], ["bad job"]))
        self.assertEqual(self.lines("log/bad job"), ["out of order"] * 3)
        self.assertEqual(self.lines("marks"), ["begin", "end"] * 4)
        self.assertEqual(self.free(), (SLOTS, BURST - 1))  # the token of each failure came back

    def check_killed(self, script):
        self.add(script, "job")
        killed = self.start()
        runner, job, lease = self.wait_for_first()
        self.assertEqual(runner, killed.pid)
        killed.kill()  # which nobody can see coming
        killed.communicate()
        wait_until(lambda: not is_running(job), "what it had begun has ended")
        self.assertEqual(self.lines("marks"), [])
        self.start()
        self.assertEqual(self.finish(), "")
        self.assertEqual((self.lines("marks"), self.listed("done")), (["again"], ["job"]))
        self.assertEqual(self.lines("tries/job"), ["2"])
        self.assertEqual(self.state(lease), "expired")
        # The token of a lease that ended by itself stays taken.
        self.assertEqual(self.free(), (SLOTS, BURST - 2))

    def test_a_runner_that_is_killed(self):
        self.check_killed(ENDLESS)

    def test_the_slot_of_a_runner_that_is_killed(self):
        """It is granted again when the lease has ended, and no sooner."""
        jobs = [f"job {number}" for number in range(SLOTS + 2)]
        self.add("echo $PPID $$ >>held\n" + HELD, *jobs)
        self.start(SLOTS + 1)
        wait_until(lambda: len(self.lines("marks")) == SLOTS, "as many have begun as may")
        leases = [name.partition(".")[0] for name in self.listed("running")]
        runner, job = self.lines("held")[0].split()
        killed, = (started for started in self.started if started.pid == int(runner))
        killed.kill()
        killed.communicate()
        wait_until(lambda: not is_running(job), "its job has ended")
        wait_until(lambda: len(self.lines("marks")) > SLOTS, "another has begun")
        self.assertEqual(sorted(map(self.state, leases)), ["expired"] + ["held"] * (SLOTS - 1))
        (self.queue / "go").touch()
        self.assertEqual((self.finish(), self.listed("done")), ("", jobs))
        self.assertEqual((self.free()[0], self.lines("marks").count("begin")), (SLOTS, len(jobs) + 1))

    def test_a_job_whose_lease_is_gone(self):
        """It is ended, and done again."""
        self.add(ENDLESS_BELOW, "job")
        self.start()
        _, job, lease = self.wait_for_first()
        self.assertEqual(self.call("POST", "/release", f"lease={lease}&used=0").status, 200)
        self.assertEqual(self.finish(), "")
        self.assertFalse(is_running(job))
        self.assertEqual((self.lines("marks"), self.listed("done")), (["again"], ["job"]))
        self.assertEqual(self.free(), (SLOTS, BURST - 1))

    def test_allowd_is_killed(self):
        """With a state the lease outlives it, and the job goes on."""
        self.daemon.stop()
        state = f"state: {self.directory}/state\n"
        self.start_allowd(state)
        self.add(HELD, "job")
        self.start()
        wait_until(lambda: self.lines("marks"), "the job has begun")
        lease, = [name.partition(".")[0] for name in self.listed("running")]
        self.daemon.kill()
        self.start_allowd(state)
        self.assertEqual((self.state(lease), self.free()), ("held", (SLOTS - 1, BURST - 1)))
        (self.queue / "go").touch()
        self.assertEqual(self.finish(), "")
        self.assertEqual((self.lines("marks"), self.state(lease)), (["begin", "end"], "released"))

    def test_a_runner_that_is_asked_to_end(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(number):
                self.add(ENDLESS_BELOW, "job")
                asked = self.start()
                _, job, lease = self.wait_for_first()
                asked.send_signal(number)
                self.assertEqual(asked.communicate(timeout=PATIENCE_S)[1], "")
                self.assertEqual(asked.returncode, 128 + number)
                wait_until(lambda job=job: not is_running(job), "what it had begun has ended")
                self.assertEqual((self.listed("todo"), self.lines("tries/job")), (["job"], ["0"]))
                self.assertEqual((self.state(lease), self.free()), ("released", (SLOTS, BURST)))
                (self.queue / "begun").rmdir()
                (self.queue / "first").unlink()

    def test_a_runner_that_waits_is_asked_to_end(self):
        """At once, and nothing is kept for it."""
        held = self.call("POST", "/acquire", f"key=jobs:all&slots={SLOTS}&tokens=0").json()["lease"]
        self.add(QUICK, "job")
        asked = self.start()
        wait_until(lambda: self.gauge("allowd_waiting") == 1, "it waits")
        asked.terminate()
        self.assertEqual(asked.communicate(timeout=PATIENCE_S)[1], "")
        self.assertEqual(asked.returncode, 128 + signal.SIGTERM)
        wait_until(lambda: self.gauge("allowd_waiting") == 0, "allowd has seen that")
        self.assertEqual(self.call("POST", "/release", f"lease={held}").status, 200)
        self.assertEqual((self.listed("todo"), self.free()), (["job"], (SLOTS, BURST)))

    def test_allowd_down(self):
        """No job without a lease; and on they go when it is back."""
        self.daemon.stop()
        self.add(QUICK, "job")
        runner = self.start()
        with self.assertRaises(subprocess.TimeoutExpired):
            runner.wait(2)
        self.assertEqual(self.lines("marks"), [])
        self.start_allowd()
        self.assertEqual(self.finish(), "")
        self.assertEqual(self.listed("done"), ["job"])

    def test_a_key_that_may_not(self):
        """A denial that no wait cures is said, and not asked for again and again."""
        self.daemon.reload(self.config.replace(
            "  - {name: default", '    overrides: [{key: "jobs:all", action: deny}]\n  - {name: default'))
        self.add(QUICK, "job")
        runner = self.start()
        self.assertRegex(runner.communicate(timeout=PATIENCE_S)[1], "allowd refuses: 429 .*override")
        self.assertEqual((runner.returncode, self.lines("marks")), (1, []))


class Shell(Runners, unittest.TestCase):
    kinds = ["job-runner.sh"]

    def test_a_runner_that_is_killed_and_what_its_job_began(self):
        """Which ends before the lease."""
        self.check_killed(ENDLESS_BELOW)


class Python(Runners, unittest.TestCase):
    kinds = ["job_runner.py"]


class Both(Runners, unittest.TestCase):
    """On one folder."""

    kinds = ["job-runner.sh", "job_runner.py"]


class Readme(Folder, unittest.TestCase):
    """The commands of the README beside them, as they stand but for the port."""

    def test_they_do_what_it_says(self):
        readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
        chapter = readme[readme.index("## Doing jobs a few at a time"):].partition("\n## ")[0]
        commands, = re.findall(r"^```sh\n(.*?)^```$", chapter, re.M | re.S)
        for name in ("job-runner.sh", "job_runner.py"):
            shutil.copy(EXAMPLES / name, self.directory)
        done = subprocess.run(["sh", "-euc", replaced(commands, [("allowd -c job-runner.yaml &\n", "")])],
                              cwd=self.directory, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=PATIENCE_S, check=False,
                              env={**os.environ, "ALLOWD_URL": f"http://{self.address}"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, r"^\S+: 10 has failed 3 times, see log/10\n$")
        nine = "".join(f"{number}\n" for number in range(1, 10))
        self.assertIn(f"queue/done:\n{nine}\nqueue/failed:\n10\n", done.stdout)
        self.assertTrue(done.stdout.endswith("no luck\n" * 3), done.stdout)


if __name__ == "__main__":
    unittest.main()
