#!/usr/bin/python3 -B
"""
Configurations that programs write, and read and write again.

A rich configuration is written by each of the writers below from the same JSON. allowd reads it and
prints it; the writer reads that and writes it; allowd reads that again. It must be the same
configuration each time. What a writer does that allowd cannot take, such as anchors, has to be told
as a fault that says what to set.

A writer that is not installed is skipped, but CI must test it (CI=true).
"""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import npm_package
from harness import ALLOWD, PATIENCE_S, TOP, run_allowd

README = TOP / "etc" / "examples" / "README.md"

# Debian's packages are for this one, whichever runs the tests.
PYTHON = "/usr/bin/python3"

# ---- what is written ----

# Keys that are something else to one parser or another, if a writer leaves out their quotes.
KEYS = [
    "null", "~", "true", "True", "no", "Yes", "on", "off", "y", "N", "0", "-1", "+1", "007", "0660",
    "0o17", "0x1F", "0b1", "1_000", "1,000", "12345678901234567890", "1e3", "1e+06", "1.2345678e+07",
    "1.0", "1.", ".5", ".inf", "-.INF", ".nan", "12:30", "12:30:45", "190:20:30", "2026-12-31",
    "2026-12-31T23:59:59Z", "2026-12-31 23:59:59", "=", "<<", "!", "!x", "!!str", "&a", "*", "*b",
    "api:*", "%TAG", "@at", "`tick", "#hash", "a #b", "a: b", "a:", ":", ": c", "::1", "- x", "-",
    "--", "---", "--- x", "...", "? q", "?", "[x]", "[a-z]*", "]", "{y}", "}", "'q'", '"dq"', "it's",
    "back\\slash", "\\\\*", " lead", "trail ", "two  blanks", ",", "a,b", "|", "|-", ">", "> x",
    "é", "日本語", "😀", "a😀b😁", "\u00a0", "2001:db8::1", "192.0.2.1", "a" * 250,
    "long words " * 20 + "end", "\ufffd",
]


def terms(number):
    """What an override has, of each kind in turn."""
    return ({"action": "deny"}, {"action": "allow"}, {"burst": 500, "rate": "200/s"},
            {"action": "deny", "until": "2999-12-31T23:59:59Z"},
            {"buckets": [{"name": "second", "burst": 9, "rate": "1/s"},
                         {"name": "1e3", "burst": 90, "rate": "1/366d"}]})[number % 5]


RICH = {
    "listen": ["127.0.0.1:10429", "[::1]:10429", "unix:/run/allowd/allowd.sock"],
    "admin_listen": ["127.0.0.1:10430"],
    "socket_mode": "0660",
    "threads": 2,
    "tick": "50ms",
    "max_keys": 2000000,
    "state": "/var/lib/allowd/state",
    "when_full": "deny",
    "headers": "none",
    "log": {"level": "error", "format": "json", "denials": "10/s"},
    "limits": [
        {"name": "null", "match": "*:end", "burst": 1, "rate": "1/s", "shadow": True},
        {"name": "no", "match": "[0-9]?\\*", "burst": 999999999, "rate": "1000/1m",
         "overrides": [{"key": "5x*", "action": "deny"}]},
        {"name": "default", "burst": 10, "rate": "7/m", "shadow": False,
         "overrides": [{"key": key, **terms(number)} for number, key in enumerate(KEYS)]},
    ],
    "checks": [
        {"name": "edge", "limit": "default", "key": "{client_ip/64}", "deny_status": 429,
         "missing": "allow", "trusted_proxies": ["127.0.0.1", "::1", "10.0.0.0/8", "unix"],
         "answers": {"missing": {"status": 400, "headers": ["X-Why: no key"],
                                 "body": "who\nare: you?\n"},
                     "never": {"status": 200, "body": "\"no\" {retry_after}\n\n  and {{}}"}}},
        {"name": "007", "key": "{header:X-Api-Key|client_ip}:{path}", "trusted_proxies": [],
         "skip": [{"methods": ["OPTIONS"]}], "cost": [{"paths": ["/search*"], "tokens": 5}]},
    ],
}
JSON = json.dumps(RICH, ensure_ascii=False)

# ---- who writes ----

PERL = ("perl", "-MJSON::PP")
PERL_READ = "local $/; my $text = <STDIN>;"
PHP_IN = "file_get_contents('php://stdin')"
SYMFONY = "require '/usr/share/php/Symfony/Component/Yaml/autoload.php'; use Symfony\\Component\\Yaml\\Yaml;"
LUA = "local yaml = require 'lyaml'; io.write(yaml.dump({yaml.load(io.read('a'))}))"
NODE = ("node", "--input-type=module", "-e")
NODE_IN = "import fs from 'node:fs'; const text = fs.readFileSync(0, 'utf8');"
JS_YAML = NODE_IN + "import {load, dump} from 'js-yaml';"
NPM_YAML = NODE_IN + "import {parse, stringify} from 'yaml';"
RUAMEL = ("import json, sys, ruamel.yaml; yaml = ruamel.yaml.YAML(typ='safe', pure=True);"
          "yaml.default_flow_style = False;")

# NAME: how it writes what it reads as JSON, and how it writes what it reads as YAML.
WRITERS = {
    "PyYAML": (
        (PYTHON, "-c", "import json, sys, yaml; yaml.safe_dump(json.load(sys.stdin), sys.stdout)"),
        (PYTHON, "-c", "import sys, yaml; yaml.safe_dump(yaml.safe_load(sys.stdin), sys.stdout)")),
    "PyYAML, in C": (
        (PYTHON, "-c", "import json, sys, yaml;"
         "yaml.dump(json.load(sys.stdin), sys.stdout, Dumper=yaml.CSafeDumper, allow_unicode=True)"),
        (PYTHON, "-c", "import sys, yaml; yaml.dump(yaml.load(sys.stdin, Loader=yaml.CSafeLoader),"
         "sys.stdout, Dumper=yaml.CSafeDumper, allow_unicode=True)")),
    "ruamel.yaml": (
        (PYTHON, "-c", RUAMEL + "yaml.dump(json.load(sys.stdin), sys.stdout)"),
        (PYTHON, "-c", RUAMEL + "yaml.dump(yaml.load(sys.stdin), sys.stdout)")),
    "Psych": (
        ("ruby", "-rjson", "-ryaml", "-e", "puts YAML.dump(JSON.parse(STDIN.read))"),
        ("ruby", "-ryaml", "-e", "puts YAML.dump(YAML.safe_load(STDIN.read))")),
    "YAML::XS": (
        (*PERL, "-MYAML::XS", "-e",
         f"$YAML::XS::Boolean = 'JSON::PP'; {PERL_READ} print Dump(decode_json($text))"),
        (*PERL, "-MYAML::XS", "-e",
         f"$YAML::XS::Boolean = 'JSON::PP'; {PERL_READ} print Dump(Load($text))")),
    "YAML::PP": (
        (*PERL, "-MYAML::PP", "-e", "my $yaml = YAML::PP->new(boolean => 'JSON::PP');"
         f"binmode STDOUT, ':utf8'; {PERL_READ} print $yaml->dump_string(decode_json($text))"),
        (*PERL, "-MYAML::PP", "-e", "my $yaml = YAML::PP->new(boolean => 'JSON::PP');"
         "binmode STDIN, ':utf8'; binmode STDOUT, ':utf8';"
         f"{PERL_READ} print $yaml->dump_string($yaml->load_string($text))")),
    "php-yaml": (
        ("php", "-r", f"echo yaml_emit(json_decode({PHP_IN}, true), YAML_UTF8_ENCODING);"),
        ("php", "-r", f"echo yaml_emit(yaml_parse({PHP_IN}), YAML_UTF8_ENCODING);")),
    "Symfony": (
        ("php", "-r", f"{SYMFONY} echo Yaml::dump(json_decode({PHP_IN}, true), 9, 2);"),
        ("php", "-r", f"{SYMFONY} echo Yaml::dump(Yaml::parse({PHP_IN}), 9, 2);")),
    "lyaml": (
        ("lua5.3", "-e", LUA),  # it reads JSON as YAML
        ("lua5.3", "-e", LUA)),
    "yq": (
        ("yq", "--yaml-output", "."),
        ("yq", "--yaml-output", ".")),
    "js-yaml": (
        (*NODE, JS_YAML + "process.stdout.write(dump(JSON.parse(text)))"),
        (*NODE, JS_YAML + "process.stdout.write(dump(load(text)))")),
    "yaml of npm": (
        (*NODE, NPM_YAML + "process.stdout.write(stringify(JSON.parse(text)))"),
        (*NODE, NPM_YAML + "process.stdout.write(stringify(parse(text)))")),
    # They write JSON, or from it, so others have read what was printed.
    "json of Python": (
        (PYTHON, "-c", "import json, sys; json.dump(json.load(sys.stdin), sys.stdout)"),
        (PYTHON, "-c", "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)")),
    "json of PHP": (
        ("php", "-r", f"echo json_encode(json_decode({PHP_IN}, true), JSON_PRETTY_PRINT);"),
        ("php", "-r", f"echo json_encode(yaml_parse({PHP_IN}));")),
    "jq": (
        ("jq", "--ascii-output", "."),
        ("yq", "--ascii-output", ".")),
    "jsonnet": (
        ("jsonnet", "--string", "-e", "std.manifestYamlDoc(std.parseJson(importstr '/dev/stdin'))"),
        ("sh", "-c", "yq . | jsonnet --string -e"
         " \"std.manifestYamlDoc(std.parseJson(importstr '/dev/stdin'))\"")),
}

packages = None  # where node finds those of npm


def setUpModule():
    global packages
    packages = npm_package.install("writers")
    unittest.addModuleCleanup(shutil.rmtree, packages)


def run(command, text):
    """What a writer makes of a text."""
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, cwd=packages,
                              timeout=PATIENCE_S, check=False)
        failure = done.stderr.decode(errors="replace")
        is_there = done.returncode == 0
    except FileNotFoundError as error:
        failure, is_there = str(error), False
    if not is_there:
        if os.environ.get("CI") == "true":
            raise AssertionError(f"{command[0]} failed, and CI must test it: {failure}")
        raise unittest.SkipTest(f"{command[0]}: {failure[-200:]}")
    return done.stdout


def faults_in(error):
    """Standard error without warnings, such as of keys here that others hide."""
    return [line for line in error.splitlines() if ": warning: " not in line]


class Case(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def allowd(self, option, written):
        """What allowd says of a file: its status, standard output and standard error."""
        path = self.directory / "allowd.yaml"
        path.write_bytes(written if isinstance(written, bytes) else written.encode())
        return run_allowd(option, "-c", str(path))

    def printed(self, written):
        status, out, error = self.allowd("--print-config", written)
        self.assertEqual((status, faults_in(error)), (0, []), written)
        return out

    def fault(self, written):
        status, _, error = self.allowd("-t", written)
        self.assertEqual(status, 6, written)
        return error


class Writers(Case):
    """Written, read by allowd, printed, read and written again, read by allowd."""

    @classmethod
    def setUpClass(cls):
        cls.wanted = None

    def setUp(self):
        super().setUp()
        if Writers.wanted is None:
            Writers.wanted = self.printed(JSON)
        self.wanted = Writers.wanted

    def test_what_is_printed_has_all(self):
        for key in KEYS:
            self.assertIn("- key: " + json.dumps(key, ensure_ascii=False), self.wanted)
        self.assertEqual(self.printed(self.wanted), self.wanted)

    def test_there_are_more_than_twelve(self):
        self.assertGreater(len(WRITERS), 12)


def add_test(name, from_json, from_yaml):
    def test(self):
        written = run(from_json, JSON)
        self.assertEqual(self.printed(written), self.wanted)
        again = run(from_yaml, self.wanted)
        self.assertEqual(self.printed(again), self.wanted)
    words = "".join(letter if letter.isalnum() else "_" for letter in name)
    test.__name__ = f"test_{words}"
    setattr(Writers, test.__name__, test)


for writer, commands in WRITERS.items():
    add_test(writer, *commands)


class Faults(Case):
    """What a writer does that cannot be taken is told with what to set, and that then helps."""

    SHARED = ("import sys, yaml; trust = ['::1']; checks = [{'name': name, 'key': '{path}',"
              "'trusted_proxies': trust} for name in 'ab'];")

    def test_anchors_of_pyyaml(self):
        """One list used twice; ignore_aliases has it written twice."""
        error = self.fault(run((PYTHON, "-c", self.SHARED + "yaml.safe_dump({'checks': checks}, sys.stdout)"), ""))
        self.assertIn("an anchor (&id001) is not accepted; leave it out, and write the value itself", error)
        self.printed(run((PYTHON, "-c", self.SHARED +
                          "yaml.SafeDumper.ignore_aliases = lambda *_: True;"
                          "yaml.safe_dump({'checks': checks}, sys.stdout)"), ""))

    def test_anchors_of_npm(self):
        shared = ("const trust = ['::1'];"
                  "const checks = ['a', 'b'].map(name => ({name, key: '{path}', trusted_proxies: trust}));")
        for module, plain, helped in ((JS_YAML, "dump({checks})", "dump({checks}, {noRefs: true})"),
                                      (NPM_YAML, "stringify({checks})",
                                       "stringify({checks}, {aliasDuplicateObjects: false})")):
            with self.subTest(plain):
                error = self.fault(run((*NODE, f"{module}{shared} process.stdout.write({plain})"), ""))
                self.assertIn("is not accepted; leave it out, and write the value itself", error)
                self.printed(run((*NODE, f"{module}{shared} process.stdout.write({helped})"), ""))

    def test_flow_style(self):
        """Some leave ::1 without quotes between brackets, which libyaml refuses."""
        value = "{checks: [{name: 'a', key: '{path}', trusted_proxies: ['unix', '::1']}]}"
        for module, plain, helped in (
                (JS_YAML, f"dump({value}, {{flowLevel: 2}})", f"dump({value}, {{flowLevel: 2, forceQuotes: true}})"),
                (NPM_YAML, f"stringify({value}, {{collectionStyle: 'flow'}})", f"stringify({value})")):
            with self.subTest(plain):
                written = run((*NODE, f"{module} process.stdout.write({plain})"), "")
                status, _, error = self.allowd("-t", written)
                if status != 0:
                    self.assertIn("put quotes around what begins with : or ? inside [ ] and { }", error)
                self.printed(run((*NODE, f"{module} process.stdout.write({helped})"), ""))

    def test_a_line_separator(self):
        """YAML 1.1 takes U+2028 for a line's end, YAML 1.2 does not."""
        value = r"{limits: [{name: 'default', burst: 1, rate: '1/s', overrides: [{key: 'a\u2028b', action: 'deny'}]}]}"
        error = self.fault(run((*NODE, f"{NPM_YAML} process.stdout.write(stringify({value}))"), ""))
        self.assertIn("put quotes around a text of several lines", error)
        written = run((*NODE, f"{NPM_YAML} process.stdout.write("
                       f"stringify({value}, {{defaultStringType: 'QUOTE_DOUBLE'}}))"), "")
        self.assertIn(r'key: "a\u2028b"', self.printed(written))

    def test_a_mode_that_was_read_as_a_number(self):
        for command in WRITERS["PyYAML"][1], WRITERS["js-yaml"][1], WRITERS["YAML::PP"][1]:
            with self.subTest(command[0]):
                error = self.fault(run(command, "socket_mode: 0660\n"))
                self.assertIn('a program may have read 0660 as a number; write "0660", in quotes', error)

    def test_times_that_were_read_as_dates(self):
        """They come back in other words, and mean the same."""
        text = ("limits: [{name: default, burst: 1, rate: 1/s, overrides:"
                " [{key: a, action: deny, until: 2999-12-31T23:59:59Z}]}]\n")
        wanted = self.printed(text)
        dated = (PYTHON, "-c", "import sys, yaml; yaml.dump(yaml.load(sys.stdin, Loader=yaml.FullLoader), sys.stdout)")
        psych = ("ruby", "-rdate", "-ryaml", "-e",
                 "puts YAML.dump(YAML.safe_load(STDIN.read, permitted_classes: [Time, Date]))")
        js = (*NODE, JS_YAML + "import {YAML11_SCHEMA} from 'js-yaml';"
              "process.stdout.write(dump(load(text, {schema: YAML11_SCHEMA}), {schema: YAML11_SCHEMA}))")
        for command in dated, psych, js:
            with self.subTest(command[0]):
                written = run(command, text)
                self.assertNotIn(b"2999-12-31T23:59:59Z", written)
                self.assertEqual(self.printed(written), wanted)

    def test_a_template_that_made_a_number(self):
        text = "limits: [{name: default, burst: 1, rate: 1/s, overrides: [{key: 1.2345678e+07, action: deny}]}]\n"
        status, _, error = self.allowd("-t", text)
        self.assertEqual(status, 0)
        self.assertIn("warning: key 1.2345678e+07 looks like a number that a program has made of it", error)
        self.assertIn("burst \"1e+06\" is not a number; write 1000000",
                      self.fault("limits: [{name: default, burst: 1e+06, rate: 1/s}]\n"))


class Validate(Case):
    """The recipe for Ansible: to_nice_yaml, and validate: allowd -t -c %s. to_nice_yaml is PyYAML's
    dump by indent; a file is moved into place only if the command ends with 0, which is run as the
    recipe has it."""

    NICE = ("import json, sys, yaml; yaml.dump(json.load(sys.stdin), sys.stdout, Dumper=yaml.SafeDumper,"
            "indent=2, allow_unicode=True, default_flow_style=False)")

    def deploy(self, configuration, target):
        """What Ansible does: writes a temporary file, has it validated, and moves it."""
        temporary = self.directory / "source"
        temporary.write_bytes(run((PYTHON, "-c", self.NICE), json.dumps(configuration)))
        recipe, = re.findall(r"^    validate: allowd (.*)$", README.read_text(encoding="utf-8"), re.M)
        done = subprocess.run([ALLOWD, *(recipe % temporary).split()], capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)
        if done.returncode == 0:
            temporary.rename(target)
        return done

    def test_a_good_file_is_moved_and_a_bad_one_is_not(self):
        target = self.directory / "allowd.yaml"
        self.assertEqual(self.deploy(RICH, target).returncode, 0)
        wanted = run_allowd("--print-config", "-c", str(target))[1]
        self.assertEqual(wanted, self.printed(JSON))
        bad = self.deploy({**RICH, "tick": "20s"}, target)
        self.assertEqual(bad.returncode, 6)
        self.assertRegex(bad.stderr, r':\d+:7: tick "20s" is out of range; write')
        self.assertEqual(run_allowd("--print-config", "-c", str(target))[1], wanted)


if __name__ == "__main__":
    unittest.main()
