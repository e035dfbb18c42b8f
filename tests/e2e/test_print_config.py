#!/usr/bin/python3 -B
"""allowd --print-config, and the long names of options."""
import os
import re
import subprocess
import tempfile
import unittest

from harness import ALLOWD, PATIENCE_S, TOP, Daemon, run_allowd

LIMITS = "limits:\n  - {name: default, burst: 10, rate: 1/s}\n"


def entries(dump):
    """The lines of each name, those below log one by one, as tests/conf/conf.c takes them apart."""
    for entry in re.findall(r"^\S.*\n(?: .*\n)*", dump, re.M):
        head, *below = entry.splitlines(keepends=True)
        is_group = below and not below[0].startswith("  - ")
        yield from [head + line for line in below] if is_group else [entry]


class PrintConfig(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="allowd-e2e-")
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "allowd.yaml")

    def print(self, text, *options):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        status, out, error = run_allowd("--print-config", "-c", self.path, *options)
        self.assertEqual(status, 0)
        self.assertEqual([line for line in error.splitlines() if ": warning: " not in line], [])
        return out

    def test_reads_back_the_same(self):
        defaults = list(entries(run_allowd("--print-config")[1]))
        for case in sorted((TOP / "tests" / "conf").glob("ok-*.yaml")):
            with self.subTest(case.name):
                printed = self.print(case.read_text(encoding="utf-8"))
                self.assertEqual(
                    [entry for entry in entries(printed) if entry not in defaults],
                    list(entries(case.with_suffix(".dump").read_text(encoding="utf-8")
                                 .removeprefix("# the defaults\n"))))
                self.assertEqual(self.print(printed), printed)

    def test_defaults(self):
        status, out, error = run_allowd("--print-config")
        self.assertEqual((status, error), (0, ""))
        self.assertEqual(out, self.print((TOP / "etc" / "allowd.yaml").read_text(encoding="utf-8")))

    def test_the_manual_has_all_defaults(self):
        """Its first example, each of its names and no other."""
        _, out, _ = run_allowd("--print-config")
        manual = (TOP / "man" / "allowd.yaml.5").read_text(encoding="utf-8")
        example = re.search(r"^The defaults:\n\.Bd [^\n]*\n(.*?)^\.Ed", manual, re.M | re.S)[1]
        self.assertEqual(self.print(example), out)
        self.assertEqual(re.findall(r"^(\w+):", example, re.M), re.findall(r"^(\w+):", out, re.M))

    def test_listen_counts(self):
        out = self.print("listen: ['127.0.0.1:1']\n" + LIMITS, "-l", "127.0.0.1:2")
        self.assertRegex(out, r'\Alisten:\n  - "127\.0\.0\.1:2"\n[a-z_]+:')

    def test_faults(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("threads: 65\n" + LIMITS)
        for options in (("--print-config",), ("-t", "--print-config")):
            status, out, error = run_allowd(*options, "-c", self.path)
            self.assertEqual((status, out), (6, ""))
            self.assertIn(":1:10: threads", error)

    def test_no_token(self):
        token = self.path + ".token"
        with open(token, "w", encoding="utf-8") as file:
            file.write("a-token-that-is-not-to-be-seen")
        os.chmod(token, 0o600)
        out = self.print(f"admin_token_file: {token}\n" + LIMITS)
        self.assertIn(f'admin_token_file: "{token}"', out)
        self.assertNotIn("not-to-be-seen", out)

    def test_no_password(self):
        password = self.path + ".password"
        with open(password, "w", encoding="utf-8") as file:
            file.write("not-to-be-seen")
        os.chmod(password, 0o600)
        out = self.print(f"fleet: {{name: f, store: [redis://a], user: u, password_file: {password}}}\n" + LIMITS)
        self.assertIn(f'  user: "u"\n  password_file: "{password}"\n', out)
        self.assertNotIn("not-to-be-seen", out)
        self.assertEqual(self.print(out), out)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([ALLOWD, "--print-config"], stdout=full, timeout=PATIENCE_S,
                                  check=False)
        self.assertEqual(done.returncode, 1)

    def test_starts_nothing(self):
        with Daemon(LIMITS) as daemon:
            out = self.print(LIMITS, "-l", "127.0.0.1:%d" % daemon.address[1])
            self.assertIn("127.0.0.1:%d" % daemon.address[1], out)


class LongOptions(unittest.TestCase):
    def test_are_those_of_the_short_ones(self):
        self.assertEqual(run_allowd("--version"), run_allowd("-V"))
        self.assertEqual(run_allowd("--help"), run_allowd("-h"))
        self.assertEqual(run_allowd("--check"), run_allowd("-t"))
        self.assertEqual(run_allowd("--check", "--config", "/nonexistent"),
                         run_allowd("-t", "-c", "/nonexistent"))
        self.assertEqual(run_allowd("--check", "--config=/nonexistent")[0], 6)
        self.assertEqual(run_allowd("--print-config", "--listen", "127.0.0.1:5"),
                         run_allowd("--print-config", "-l", "127.0.0.1:5"))

    def test_are_in_the_help(self):
        usage = run_allowd("-h")[1]
        for option in ("--config", "--listen", "--check", "--help", "--version", "--print-config", "--from-nginx"):
            self.assertIn(option, usage)

    def test_errors(self):
        for arguments in (("--config",), ("--listen",), ("--check=1",), ("--nonsense",)):
            status, out, error = run_allowd(*arguments)
            self.assertEqual((status, out), (2, ""))
            self.assertIn("allowd -h", error)


if __name__ == "__main__":
    unittest.main()
