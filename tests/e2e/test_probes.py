#!/usr/bin/python3 -B
"""
Health checks of real programs, as plain as they come: HAProxy's httpchk and check_http.

A program that is not installed is skipped, but never in CI (CI=true).
"""
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import ENDS_WITH_US, PATIENCE_S, Case, wait_until
from share import load_tests  # which unittest calls

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/lib/nagios/plugins"


def find(test, name):
    """Where a program is installed."""
    path = shutil.which(name, path=PATH)
    if path is None:
        if os.environ.get("CI") == "true":
            raise AssertionError(f"{name} is not installed")
        test.skipTest(f"{name} is not installed")
    return path


class Haproxy(Case):
    """One that does nothing but look after its servers."""

    def judge(self, *options):
        """What HAProxy makes of allowd: its columns in `show stat`, once it has checked."""
        program = find(self, "haproxy")
        folder = tempfile.TemporaryDirectory(prefix="allowd-probes-")
        self.addCleanup(folder.cleanup)
        stats, config = (pathlib.Path(folder.name) / name for name in ("stats", "haproxy.cfg"))
        host, port = self.daemon.address
        config.write_text(f"global\n  stats socket {stats}\n"
                          "defaults\n  mode http\n  timeout connect 10s\n  timeout client 10s\n"
                          "  timeout server 10s\n  timeout check 10s\n"
                          "backend limiter\n" + "".join(f"  {option}\n" for option in options) +
                          f"  server one {host}:{port} check inter 100ms fall 1 rise 1\n",
                          encoding="ascii")
        process = subprocess.Popen([*ENDS_WITH_US, program, "-db", "-f", str(config)],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

        def columns():
            if process.poll() is not None:
                raise AssertionError(f"HAProxy has ended with status {process.returncode}")
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(PATIENCE_S)
                    connection.connect(str(stats))
                    connection.sendall(b"show stat\n")
                    said = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            rows = [line.split(",") for line in said.splitlines() if line]
            found = [dict(zip(rows[0], row)) for row in rows if row[1] == "one"]
            return found and found[0]["check_code"] and found[0]

        return wait_until(columns, "HAProxy has checked its server")

    def test_plain_httpchk_finds_it_up(self):
        for options in (["option httpchk"], ["option httpchk GET /healthz"], ["option httpchk GET /readyz"],
                        ["option httpchk HEAD /healthz"],
                        ["option httpchk", "http-check send meth GET uri /healthz ver HTTP/1.1 hdr Host a"]):
            with self.subTest(options):
                found = self.judge(*options)
                self.assertEqual((found["status"], found["check_status"], found["check_code"]),
                                 ("UP", "L7OK", "200"))

    def test_httpchk_of_a_path_that_is_none_finds_it_down(self):
        """So that the test above tells something."""
        found = self.judge("option httpchk GET /nosuch")
        self.assertEqual((found["status"], found["check_code"]), ("DOWN", "404"))


class CheckHttp(Case):
    def run_check(self, *arguments):
        host, port = self.daemon.address
        done = subprocess.run([find(self, "check_http"), "-I", host, "-p", str(port), *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout

    def test_it_is_ok_without_a_host(self):
        """-H alone would give it one; without, it speaks HTTP/1.0."""
        for path in ("/healthz", "/readyz", "/status"):
            with self.subTest(path):
                status, said = self.run_check("-u", path)
                self.assertRegex(said, "^HTTP OK: HTTP/1.1 200 OK ")
                self.assertEqual(status, 0)
        self.assertEqual(self.run_check("-u", "/nosuch")[0], 1)  # a warning

    def test_its_bytes_are_answered(self):
        """What check_http 2.3 of Debian 12 sends, where it is not installed too."""
        connection = self.connect()
        connection.send(b"GET /healthz HTTP/1.0\r\n"
                        b"User-Agent: check_http/v2.3.3 (monitoring-plugins 2.3.3)\r\n"
                        b"Connection: close\r\n\r\n")
        self.assertEqual([response.status for response in connection.receive_all()], [200])


if __name__ == "__main__":
    unittest.main()
