#!/usr/bin/python3 -B
"""
Other init systems, for real: the sysvinit script with start-stop-daemon, runit and s6
with their supervisors, each on a directory of its own.

What is not installed is skipped, but never in CI (CI=true).
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import (ALLOWD, PATIENCE_S, PR_SET_PDEATHSIG, TOP, Connection, libc, request_bytes,
                     wait_until)

INIT = pathlib.Path(os.environ.get("BUILDDIR") or TOP / "build") / "etc" / "init"
LIMITS = "tick: 10s\nlimits:\n  - {name: default, burst: %d, rate: 1/d}\n"
FAULTY = LIMITS % 0


class InitCase(unittest.TestCase):
    """A directory with a configuration, and the settings that every script takes."""

    program = None

    def setUp(self):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        if shutil.which(self.program) is None:
            if os.environ.get("CI") == "true":
                raise AssertionError(f"{self.program} is not installed, and CI must test with it")
            self.skipTest(f"{self.program} is not installed")
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.socket = str(self.directory / "socket")
        self.config = self.directory / "allowd.yaml"
        self.configure(LIMITS % 10)
        self.settings = {
            "ALLOWD_DAEMON": ALLOWD,
            "ALLOWD_CONFIG": self.config,
            "ALLOWD_OPTIONS": f"'-l unix:{self.socket}'",
        }

    def configure(self, text):
        self.config.write_text(text, encoding="utf-8")

    def write_settings(self, path):
        path.write_text("".join(f"{name}={value}\n" for name, value in self.settings.items()),
                        encoding="utf-8")

    def burst(self):
        """Of the running daemon; None: it does not answer."""
        with contextlib.suppress(OSError), Connection(self.socket) as connection:
            connection.send(request_bytes("GET", "/status?key=a"))
            response = connection.receive()
            return response and response.json()["burst"]
        return None

    def wait_for_burst(self, burst):
        wait_until(lambda: self.burst() == burst, f"a burst of {burst}")


class Sysvinit(InitCase):
    program = "start-stop-daemon"

    def setUp(self):
        super().setUp()
        self.pid_file = self.directory / "allowd.pid"
        self.log = self.directory / "allowd.log"
        self.settings |= {"ALLOWD_PIDFILE": self.pid_file, "ALLOWD_LOG": self.log}
        self.addCleanup(self.end)

    def pid(self):
        return int(self.pid_file.read_text(encoding="ascii"))

    def end(self):
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.pid(), signal.SIGKILL)

    def run_script(self, *arguments, **options):
        """Its exit status, and what it said."""
        defaults = self.directory / "defaults"
        self.write_settings(defaults)
        done = subprocess.run(["sh", INIT / "sysvinit" / "allowd", *arguments],
                              env={**os.environ, "ALLOWD_DEFAULTS": str(defaults)},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=2 * PATIENCE_S,
                              check=False, **options)
        return done.returncode, done.stdout

    def expect(self, status, *arguments, **options):
        got = self.run_script(*arguments, **options)
        log = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        self.assertEqual(got[0], status, f"{arguments}: {got[1]}\n{log}")
        return got[1]

    def test_a_whole_life(self):
        self.assertEqual(self.expect(3, "status"), "allowd: not running\n")
        self.assertEqual(self.expect(0, "start"), "allowd: started\n")
        self.assertEqual(self.burst(), 10)  # at once: start has waited until it answers
        first = self.pid()
        self.assertEqual(self.expect(0, "status"), "allowd: running\n")
        self.expect(0, "start")
        self.assertEqual(self.pid(), first)
        for number, action in enumerate(("reload", "force-reload"), 11):
            self.configure(LIMITS % number)
            self.assertEqual(self.expect(0, action), "allowd: reloaded\n")
            self.wait_for_burst(number)
        self.assertEqual(self.pid(), first)
        for number, action in enumerate(("restart", "try-restart"), 13):
            self.configure(LIMITS % number)
            self.assertEqual(self.expect(0, action), "allowd: restarted\n")
            self.assertEqual(self.burst(), number)
        self.assertNotEqual(self.pid(), first)
        self.assertEqual(self.expect(0, "stop"), "allowd: stopped\n")
        self.assertIsNone(self.burst())
        self.assertFalse(self.pid_file.exists())
        self.expect(0, "stop")
        self.expect(3, "status")
        self.assertNotIn("warning", self.log.read_text(encoding="utf-8"))

    def test_restart_starts_one_that_does_not_run(self):
        self.expect(0, "restart")
        self.assertEqual(self.burst(), 10)
        self.expect(0, "stop")

    def test_try_restart_does_not(self):
        self.expect(0, "try-restart")
        self.expect(3, "status")

    def test_dead_with_a_pid_file(self):
        self.expect(0, "start")
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self.run_script("status")[0] != 0, "it is dead")
        wait_until(lambda: self.burst() is None, "its socket has gone with it")
        self.assertEqual(self.expect(1, "status"), f"allowd: dead, but {self.pid_file} is there\n")
        self.expect(7, "reload")
        self.expect(0, "start")
        self.assertEqual(self.burst(), 10)
        self.expect(0, "stop")

    def test_the_pid_of_another_process_is_left_alone(self):
        with subprocess.Popen(["sleep", "1000"]) as other:
            self.addCleanup(other.kill)
            self.pid_file.write_text(f"{other.pid}\n", encoding="ascii")
            self.assertIn(self.run_script("status")[0], (1, 3))
            self.expect(0, "stop")
            self.assertIsNone(other.poll())
            other.kill()

    def test_a_wrong_configuration_stops_nothing(self):
        self.expect(0, "start")
        self.configure(FAULTY)
        for action in ("reload", "force-reload", "restart", "try-restart"):
            with self.subTest(action):
                self.assertIn(f"{self.config} is wrong", self.expect(6, action))
                self.assertEqual(self.burst(), 10)
        self.expect(0, "stop")
        self.expect(6, "start")
        self.expect(6, "restart")

    def test_one_that_cannot_start(self):
        self.settings["ALLOWD_OPTIONS"] = f"'-l unix:{self.directory}/nothing/socket'"
        self.assertIn(f"see {self.log}", self.expect(1, "start"))
        self.assertIn("cannot bind", self.log.read_text(encoding="utf-8"))
        self.expect(3, "status")

    def test_not_running(self):
        self.expect(7, "reload")
        self.expect(7, "force-reload")

    def test_usage(self):
        for arguments in ((), ("begin",), ("start", "now"), ("",)):
            with self.subTest(arguments):
                self.assertIn("usage: ", self.expect(2, *arguments))

    def test_not_installed(self):
        self.settings["ALLOWD_DAEMON"] = self.directory / "nothing"
        for action in ("start", "stop", "restart", "reload"):
            with self.subTest(action):
                self.expect(5, action)

    def test_without_the_privilege(self):
        if os.geteuid() != 0:
            self.settings["ALLOWD_PIDFILE"] = "/allowd.pid"
            self.expect(4, "start")
            return
        self.directory.chmod(0o755)
        for action in ("start", "stop", "restart", "reload"):
            with self.subTest(action):
                self.expect(4, action, user="nobody", group="nogroup", extra_groups=[])

    def test_the_header(self):
        text = (INIT / "sysvinit" / "allowd").read_text(encoding="utf-8")
        header = text.split("### BEGIN INIT INFO\n")[1].split("### END INIT INFO\n")[0]
        names = [line[2:].split(":")[0] for line in header.splitlines()]
        self.assertEqual(names, ["Provides", "Required-Start", "Required-Stop", "Default-Start",
                                 "Default-Stop", "Short-Description", "Description"])


class SupervisedCase(InitCase):
    """A supervisor on a copy of the service directory."""

    source = supervisor = None

    # To stop a service both supervisors send SIGCONT after SIGTERM. At exit the leak sanitizer
    # attaches to every thread and waits for each to stop: a SIGCONT in between takes the stop
    # away, and both wait for ever. So here it does not look; every other end-to-end test does.
    environment = os.environ | {
        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}

    def setUp(self):
        super().setUp()
        self.service = self.directory / "allowd"
        shutil.copytree(TOP / "etc" / "init" / self.source, self.service,
                        ignore=shutil.ignore_patterns("*.in"))
        shutil.copytree(INIT / self.source, self.service, dirs_exist_ok=True,
                        ignore=shutil.ignore_patterns("*.in"))
        self.settings["ALLOWD_LOG_DIRECTORY"] = self.directory / "log"
        self.write_settings(self.service / "conf")

    def supervise(self, *command):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=self.service.parent,
                                   env=self.environment,
                                   preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM))
        self.addCleanup(process.wait, PATIENCE_S)
        self.addCleanup(process.terminate)
        return process

    def control(self, *command):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S,
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def wait_for_log(self, text):
        log = self.directory / "log" / "current"
        wait_until(lambda: log.exists() and text in log.read_text(encoding="utf-8"),
                   f"the log says {text!r}")


class Runit(SupervisedCase):
    program, source = "runsv", "runit"

    def pid(self):
        return int((self.service / "supervise" / "pid").read_text(encoding="ascii") or 0)

    def sv(self, action):
        return self.control("sv", action, str(self.service))

    def test_a_whole_life(self):
        self.supervise("runsv", str(self.service))
        self.wait_for_burst(10)
        first = self.pid()
        self.assertIn("run: ", self.sv("status"))
        self.configure(LIMITS % 11)
        self.sv("hup")
        self.wait_for_burst(11)
        self.assertEqual(self.pid(), first)

        os.kill(first, signal.SIGKILL)
        wait_until(lambda: self.pid() not in (0, first), "a new one runs")
        self.wait_for_burst(11)

        second = self.pid()
        self.sv("restart")
        wait_until(lambda: self.pid() not in (0, second), "a new one runs")
        self.wait_for_burst(11)
        self.sv("stop")
        self.assertIn("down: ", self.sv("status"))
        self.assertIsNone(self.burst())
        self.sv("start")
        self.wait_for_burst(11)
        self.wait_for_log("allowd: stopped")
        self.sv("exit")


class S6(SupervisedCase):
    program, source = "s6-supervise", "s6"

    def svc(self, *options):
        self.control("s6-svc", *options, str(self.service))

    def pid(self):
        return int(self.control("s6-svstat", "-o", "pid", str(self.service)))

    def supervise_both(self):
        """What s6-svscan does: the logger on the service's output."""
        reading, writing = os.pipe()
        for service, ends in ((self.service, {"stdin": subprocess.DEVNULL, "stdout": writing}),
                              (self.service / "log", {"stdin": reading})):
            process = subprocess.Popen(
                ["s6-supervise", service], **ends, env=self.environment,
                preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM))
            self.addCleanup(process.wait, PATIENCE_S)
            self.addCleanup(process.terminate)
        os.close(reading)
        os.close(writing)

    def test_a_whole_life(self):
        self.supervise_both()
        wait_until(lambda: (self.service / "supervise" / "control").exists(), "it is supervised")
        # Readiness is told, so nothing need be tried again once it is.
        self.control("s6-svwait", "-U", "-t", str(PATIENCE_S * 1000 - 1000), str(self.service))
        self.assertEqual(self.burst(), 10)
        first = self.pid()
        self.configure(LIMITS % 11)
        self.svc("-h")
        self.wait_for_burst(11)
        self.assertEqual(self.pid(), first)

        self.svc("-k")
        wait_until(lambda: self.pid() not in (-1, first), "a new one runs")
        self.control("s6-svwait", "-U", "-t", str(PATIENCE_S * 1000 - 1000), str(self.service))
        self.assertEqual(self.burst(), 11)

        self.svc("-wR", "-T", str(PATIENCE_S * 1000 - 1000), "-r")
        self.assertEqual(self.burst(), 11)
        self.svc("-wD", "-T", str(PATIENCE_S * 1000 - 1000), "-d")
        self.assertIsNone(self.burst())
        self.wait_for_log("allowd: stopped")

    def test_never_ready(self):
        """A configuration that is wrong: up again and again, but never ready."""
        self.configure(FAULTY)
        self.supervise_both()
        self.wait_for_log(":3:")
        self.assertEqual(self.control("s6-svstat", "-o", "ready", str(self.service)), "false\n")


class Openrc(unittest.TestCase):
    def test_it_is_a_script_without_a_slip(self):
        script = INIT / "openrc" / "allowd"
        done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertNotRegex(script.read_text(encoding="utf-8"), r"@\w+@")


if __name__ == "__main__":
    unittest.main()
