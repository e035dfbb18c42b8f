#!/usr/bin/python3 -B
"""allowd --from-nginx: what a configuration of nginx comes to, and what is said of one that is faulty."""
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import ALLOWD, PATIENCE_S, TOP, run_allowd

ZONE = "limit_req_zone $binary_remote_addr zone=one:10m rate=10r/s;\n"


class Case(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="allowd-e2e-")
        self.addCleanup(directory.cleanup)
        self.folder = pathlib.Path(directory.name)
        self.path = self.folder / "nginx.conf"

    def write(self, text, name="nginx.conf"):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def translate(self, text):
        """The YAML of a configuration, which allowd must take without a word."""
        self.write(text)
        status, out, error = run_allowd("--from-nginx", str(self.path))
        self.assertEqual((status, error), (0, ""))
        self.write(out, "allowd.yaml")
        self.assertEqual(run_allowd("-t", "-c", str(self.folder / "allowd.yaml")),
                         (0, "", "allowd: the configuration is fine\n"))
        return out.replace(f"{self.folder}/", "")

    def limits(self, text):
        """The same without comments, and without what each has."""
        out = re.sub(r"^ *#.*\n", "", self.translate(text), flags=re.M)
        return out.partition("limits:\n")[2].partition("  - name: default\n")[0]

    def checks(self, text):
        out = re.sub(r"^ *#.*\n", "", self.translate(text), flags=re.M)
        return re.findall(r'name: "(.*)"\n    limit: "(.*)"\n    key: "(.*)"\n', out.partition("checks:\n")[2])

    def fault(self, text, name="nginx.conf"):
        """What is said of a faulty file, behind its place."""
        if text is not None:
            self.write(text)
        status, out, error = run_allowd("--from-nginx", str(self.folder / name))
        self.assertEqual((status, out), (6, ""))
        self.assertEqual(error.count("\n"), 1, error)
        return error.replace(f"{self.folder}/", "").rstrip("\n")


# ---- rates and bursts ----

class Numbers(Case):
    def terms(self, rate, words=""):
        out = self.limits(f"limit_req_zone $binary_remote_addr zone=one:10m rate={rate};\n"
                          f"server {{ limit_req zone=one {words}; }}")
        return tuple(re.fullmatch(r'  - name: "one"\n    burst: (\d+)\n    rate: (\S+)\n', out).groups())

    def test_a_burst_is_one_more(self):
        self.assertEqual(self.terms("10r/s"), ("1", "10/s"))
        self.assertEqual(self.terms("10r/s", "burst=5 nodelay"), ("6", "10/s"))
        self.assertEqual(self.terms("10r/s", "burst=05"), ("6", "10/s"))

    def test_a_minute_is_cut_off_as_nginx_does(self):
        for rate, expected in (("1r/m", "16/1000s"), ("2r/m", "33/1000s"), ("3r/m", "3/m"), ("7r/m", "116/1000s"),
                               ("30r/m", "30/m"), ("59r/m", "983/1000s"), ("100r/m", "1666/1000s"), ("60r/m", "60/m")):
            with self.subTest(rate):
                self.assertEqual(self.terms(rate, "burst=5 nodelay"), ("6", expected))

    def test_no_more_than_the_burst_in_a_millisecond(self):
        self.assertEqual(self.terms("5000r/s"), ("1", "1000/s"))
        self.assertEqual(self.terms("5000r/s", "burst=2 nodelay"), ("3", "3000/s"))
        self.assertEqual(self.terms("5000r/s", "burst=9 nodelay"), ("10", "5000/s"))

    def test_without_a_burst_one_in_a_whole_number_of_milliseconds(self):
        for rate, expected in (("100r/s", "100/s"), ("125r/s", "125/s"), ("306r/s", "250/s"), ("350r/s", "1/3ms"),
                               ("999r/s", "500/s"), ("1000r/s", "1000/s"), ("7919r/m", "125/s"), ("60000r/m", "1000/s")):
            with self.subTest(rate):
                self.assertEqual(self.terms(rate), ("1", expected))
        self.assertIn("lets no more than 250/s through",
                      self.translate("limit_req_zone $host zone=a:1m rate=306r/s; server { limit_req zone=a; }"))

    def test_the_tick_brings_a_tenth_of_a_burst_at_most(self):
        for rate, words, tick in (("10r/s", "", "10ms"), ("11r/s", "", "1ms"), ("100r/s", "burst=9", "10ms")):
            out = self.translate(f"limit_req_zone $host zone=a:1m rate={rate}; server {{ limit_req zone=a {words}; }}")
            self.assertIn(f"\ntick: {tick}\n", out)

    def test_who_is_held_back(self):
        out = self.translate(ZONE + "server { limit_req zone=one burst=20 delay=5; }")
        self.assertIn("burst: 21\n", out)
        self.assertRegex(out, r"# nginx holds [^\n]*, up to 15 at a time[^\n]*\n[^\n]* burst: 6 here, and wait: 1500ms ")
        self.assertNotIn("holds", self.translate(ZONE + "server { limit_req zone=one burst=20 nodelay; }"))


# ---- where it limits ----

class Places(Case):
    def asked(self, text):
        """Of each place: its line, and the check that is asked there."""
        return re.findall(r"^# (nginx\.conf:\d+|\S+, outside of all blocks).*:\n.*\n#     auth_request /_allowd-(.*);$",
                          self.translate(text), re.M)

    def test_a_location_has_what_is_around_it_unless_it_has_its_own(self):
        self.assertEqual(self.asked(ZONE + """limit_req_zone $host zone=two:1m rate=1r/s;
http {
limit_req zone=one burst=1;
server {
location / { }
location /a { limit_req zone=one burst=2; location /a/b { } location /a/c { limit_req zone=two; } }
}
server { limit_req zone=one burst=1; }
}"""), [("nginx.conf:3", "one"), ("nginx.conf:7", "one-2"), ("nginx.conf:7", "two"), ("nginx.conf:9", "one")])

    def test_a_dry_run_reaches_a_limit_from_around(self):
        out = self.limits(ZONE + "server { limit_req zone=one; location /a { limit_req_dry_run on; } }")
        self.assertEqual(re.findall(r"name: .*|shadow: .*", out), ['name: "one"', 'name: "one-2"', "shadow: true"])

    def test_on_is_on_however_it_is_written(self):
        for value, shadow in (("ON", True), ("On", True), ("Off", False)):
            with self.subTest(value):
                out = self.limits(ZONE + f"server {{ limit_req zone=one; limit_req_dry_run {value}; }}")
                self.assertEqual("shadow: true" in out, shadow)

    def test_a_status_is_told(self):
        out = self.translate(ZONE + "server { limit_req zone=one; limit_req_status 444; }")
        self.assertIn("nginx denied with status 444", out)
        self.assertNotIn("nginx denied", self.translate(ZONE + "server { limit_req zone=one; limit_req_status 429; }"))

    def test_lines_with_one_key_are_one_limit(self):
        out = self.limits(ZONE + "limit_req_zone $remote_addr zone=hour:1m rate=30r/m;\n"
                          "server { limit_req zone=one burst=5; limit_req zone=hour burst=100; }")
        self.assertEqual(out, """  - name: "one-hour"
    buckets:
      - name: "one"
        burst: 6
        rate: 10/s
      - name: "hour"
        burst: 101
        rate: 30/m
""")

    def test_lines_with_other_keys_are_other_checks(self):
        text = ZONE + "limit_req_zone $host zone=all:1m rate=30r/m;\nserver { limit_req zone=one; limit_req zone=all; }"
        self.assertEqual(self.checks(text), [("one", "one", "{client_ip}"), ("all", "all", "{host}")])
        self.assertRegex(self.translate(text), r"# DIFFERS: nginx limits here by 2 keys[^\n]*\n#     check all\n")

    def test_more_lines_with_one_key_than_buckets(self):
        zones = "".join(f"limit_req_zone $host zone=z{i}:1m rate={i}r/s;\n" for i in range(1, 7))
        out = self.limits(zones + "server {" + "".join(f"limit_req zone=z{i};" for i in range(1, 7)) + "}")
        self.assertEqual(re.findall(r'^  - name: "(.*)"', out, re.M), ["z1-z2-z3-z4", "z5-z6"])

    def test_buckets_whose_long_names_begin_alike(self):
        names = [40 * "n" + "1", 40 * "n" + "2"]
        out = self.limits("".join(f"limit_req_zone $host zone={name}:1m rate={i}r/s;\n" for i, name in enumerate(names, 1)) +
                          "server {" + "".join(f"limit_req zone={name};" for name in names) + "}")
        self.assertEqual(re.findall(r'^ +- name: "(.*)"', out, re.M), [39 * "n", 28 * "n", 20 * "n" + "-1"])

    def test_outside_of_all_blocks(self):
        """A file that another one includes in its http."""
        text = "limit_req_zone $arg_a zone=one:1m rate=1r/s;\nlimit_req zone=one;\n"
        self.assertEqual(self.asked(text), [("nginx.conf, outside of all blocks", "one")])
        self.assertIn("#   and in each server:\n"
                      '#     if ($uri != /_allowd-one) { set $allowd_key "${arg_a}"; }\n', self.translate(text))

    def test_what_shares_a_zone(self):
        self.assertRegex(self.translate(ZONE + "server { limit_req zone=one; location /a { limit_req zone=one burst=2; } }"),
                         r"# DIFFERS: in nginx all lines with zone one draw on one bucket; here one and one-2 ")

    def test_what_does_not_carry_over(self):
        out = self.translate(ZONE + "limit_req_zone $host zone=none:1m rate=1r/s;\n"
                             "server { limit_req zone=one; limit_conn addr 7; }")
        self.assertIn("nginx.conf:2: limit_req_zone $host zone=none:1m rate=1r/s; is used by no limit_req", out)
        self.assertRegex(out, r"nginx\.conf:3: limit_conn addr 7; stays in nginx[^\n]*\n[^\n]*concurrent: 7")

    def test_a_zone_that_is_in_sync(self):
        self.assertIn("scope: fleet", self.translate(
            "limit_req_zone $host zone=a:1m rate=1r/s sync; server { limit_req zone=a; }"))


# ---- keys ----

class Keys(Case):
    def key(self, key, maps=""):
        """The template, and what nginx is to send for it."""
        out = self.translate(f"{maps}\nlimit_req_zone {key} zone=a:1m rate=1r/s;\n"
                             "server { location / { limit_req zone=a; } }")
        sent = re.findall(r"^#     ((?:set|proxy_set_header) .*;)$", out, re.M)
        return re.search(r'    key: "(.*)"\n', out)[1], sent

    def overrides(self, maps, key="$key"):
        out = self.limits(f"{maps}\nlimit_req_zone {key} zone=a:1m rate=1r/s; server {{ limit_req zone=a; }}")
        return re.findall(r'key: "(.*)"\n        (action: allow|burst: 1)\n', out)

    def test_parts_of_a_check(self):
        for key, template in (("$binary_remote_addr", "{client_ip}"), ("${remote_addr}", "{client_ip}"),
                              ("$host", "{host}"), ("$request_method", "{method}"), ("$uri", "{path}"),
                              ("$binary_remote_addr$host", "{client_ip} {host}"),
                              ("'a: $remote_addr/$uri'", "a: {client_ip}/{path}")):
            with self.subTest(key):
                self.assertEqual(self.key(key), (template, []))

    def test_a_header_field(self):
        self.assertEqual(self.key("$http_x_api_key"),
                         ("{header:X-Api-Key}", ['proxy_set_header X-Api-Key "$http_x_api_key";']))

    def test_what_nginx_puts_together(self):
        for key, value in (("$cookie_sid", "${cookie_sid}"), ("$arg_user", "${arg_user}"),
                           ("$server_name", "${server_name}"), ("all", "all"), ("'a\"b'", 'a\\"b'),
                           ("$binary_remote_addr$http_a", "${remote_addr}${http_a}"),
                           ("$http_x_forwarded_for", "${http_x_forwarded_for}"), ("$http_cookie", "${http_cookie}"),
                           ("'$remote_addr}'", "${remote_addr}}"), (r"'a\t\r\n\d$remote_addr'", r"a???\\d${remote_addr}"),
                           (r"$remote_addr\ b$arg_a", r"${remote_addr}\\ b${arg_a}"), (65 * "$a", 65 * "$a"),
                           ("$http_a$uri", "${http_a}${request_uri}")):
            with self.subTest(key):
                self.assertEqual(self.key(key), ("{header:X-Allowd-Key}", [
                    f'set $allowd_key "{value}";', "proxy_set_header X-Allowd-Key $allowd_key;"]))

    def test_in_a_server_the_question_does_not_set_it(self):
        out = self.translate("limit_req_zone $arg_a zone=a:1m rate=1r/s; server { limit_req zone=a; }")
        self.assertIn('#     if ($uri != /_allowd-a) { set $allowd_key "${arg_a}"; }\n', out)

    GEO = "geo $g { default 1; 10.0.0.0/8 0; 10.1.2.3/16 1; 192.0.2.1 0; 2001:DB8::/32 0; 172.16.0.0/12 1; }\n"
    MAP = "map $g $key { 0 ''; 1 $binary_remote_addr; }\n"

    def test_a_map_that_lets_networks_pass(self):
        self.assertEqual(self.key("$key", self.GEO + self.MAP), ("{client_ip}", []))
        self.assertEqual(self.overrides(self.GEO + self.MAP), [
            ("10.0.0.0/8", "action: allow"), ("10.1.0.0/16", "burst: 1"), ("192.0.2.1", "action: allow"),
            ("2001:db8::/32", "action: allow")])

    def test_a_map_that_limits_some_networks(self):
        self.assertEqual(self.overrides("geo $g { 192.0.2.0/24 1; }\nmap $g $key { 1 $remote_addr; }"), [
            ("0.0.0.0/0", "action: allow"), ("::/0", "action: allow"), ("192.0.2.0/24", "burst: 1")])
        self.assertEqual(self.overrides("geo $g { default 0; 0.0.0.0/0 1; ::/0 0; }\nmap $g $key { 1 $remote_addr; }"), [
            ("0.0.0.0/0", "burst: 1"), ("::/0", "action: allow")])

    def test_a_map_that_is_volatile(self):
        self.assertEqual(self.overrides("map $remote_addr $key { volatile; default $remote_addr; 10.0.0.1 ''; }"),
                         [("10.0.0.1", "action: allow")])
        self.assertEqual(self.overrides("geo $g { default 1; 10.0.0.1 0; }\n" + self.MAP.replace("{", "{ volatile;")),
                         [("10.0.0.1", "action: allow")])

    def test_a_map_of_addresses(self):
        self.assertEqual(self.overrides("map $remote_addr $key { default $remote_addr; 10.0.0.1 ''; ::1 ''; }"),
                         [("10.0.0.1", "action: allow"), ("::1", "action: allow")])

    def test_of_two_maps_of_a_variable_the_last_holds(self):
        maps = "map $remote_addr $key { default $remote_addr; 10.0.0.1 ''; }\n"
        self.assertEqual(self.overrides(maps + maps.replace("10.0.0.1", "10.0.0.2")), [("10.0.0.2", "action: allow")])
        self.assertEqual(self.key("$key", maps + "http { map $host $key { default $host; } }")[0], "{header:X-Allowd-Key}")

    def test_maps_that_stay_in_nginx(self):
        for maps in (self.GEO + "map $g $key { 0 $host; 1 $binary_remote_addr; }",
                     "map $remote_addr $key { ~^10 ''; default $remote_addr; }",
                     "map $http_a $key { b ''; default $remote_addr; }", "geo $key { default a; 10.0.0.0/8 b; }",
                     "geo $g { ranges; default 1; 10.0.0.0-10.0.0.9 0; }" + self.MAP,
                     "geo $g { proxy 10.0.0.1; default 1; }" + self.MAP,
                     "geo $http_a $g { default 1; 10.0.0.0/8 0; }" + self.MAP,
                     "geo $g { default 1; 10.0.0.0/33 0; }" + self.MAP,
                     "geo $g { default 1; ::ffff:10.0.0.0/104 0; }" + self.MAP,
                     "geo $g { default 1; 10.0.0.0/8 0; }" + self.MAP.replace("$g", '"$g$host"'),
                     # A map compares texts, so none of these is what an address is written as.
                     "map $remote_addr $key { 10.0.0.0/8 ''; default $remote_addr; }",
                     "map $remote_addr $key { 10.0.0.1/32 ''; default $remote_addr; }",
                     "map $remote_addr $key { 2001:db8:0::1 ''; default $remote_addr; }",
                     "geo $g { " + "".join(f"10.{i}.0.0/16 0;" for i in range(65)) + "}" + self.MAP):
            with self.subTest(maps):
                template, sent = self.key("$key", maps)
                self.assertEqual((template, sent[0]), ("{header:X-Allowd-Key}", 'set $allowd_key "${key}";'))


    def test_a_map_that_makes_bytes_is_to_make_text(self):
        out = self.translate("map $http_a $who { default $binary_remote_addr; }\nmap $request_method $key {\n POST $who; }\n"
                             "limit_req_zone $key zone=a:1m rate=1r/s; server { limit_req zone=a; }")
        self.assertEqual(re.findall(r"^#   and in (nginx.conf:\d+): (.*), \$remote_addr in place of \$binary_remote_addr\.$",
                                    out, re.M), [("nginx.conf:1", "map $http_a $who")])


# ---- how it is written ----

class Syntax(Case):
    def test_quotes_comments_and_lua(self):
        out = self.checks(r"""
# limit_req_zone $host zone=no:1m rate=1r/s;
log_format main '$remote_addr "{" # ; \' }';
limit_req_zone "$remote_addr" "zone=o\"ne:10m" rate=10r/s; # } {
http { init_by_lua_block { -- }
  local a = "}" .. '\'}' .. [[ } ]] .. [==[ ]] } ]==] --[[ }
  } ]] f({})
} server { if ($a = "b") { return 403; } location ~ ^/x${b}y { limit_req zone=o"ne; } } }""")
        self.assertEqual(out, [("o-ne", "o-ne", "{client_ip}")])

    def test_includes(self):
        """Relative to the folder of the first file, as nginx has it; a pattern may match nothing."""
        self.write("server { include conf.d/inner; }", "conf.d/b.conf")
        self.write("server { limit_req zone=one burst=1; }", "conf.d/a.conf")
        self.write("limit_req zone=one burst=2;", "conf.d/inner")
        out = self.translate("http { include none/*.conf; " + ZONE + f"include {self.folder}/conf.d/*.conf; }}")
        self.assertEqual(re.findall(r"# (\S+): limit_req zone", out), ["conf.d/a.conf:1", "conf.d/inner:1"])

    def test_many_names_and_many_networks(self):
        names = " ".join(f"{i}.example" for i in range(1000))
        self.write("".join(f"10.{i // 256}.{i % 256}.0/24 0; # of a country\n" for i in range(60000)), "networks")
        self.assertEqual(self.checks("geo $g { default 1; include networks; }\nmap $g $k { 1 $binary_remote_addr; }\n"
                                     "limit_req_zone $k zone=one:1m rate=1r/s;\n"
                                     f"server {{ server_name {names}; limit_req zone=one; }}"),
                         [("one", "one", "{header:X-Allowd-Key}")])

    def test_no_text_of_nginx_ends_a_comment(self):
        out = self.translate(ZONE + "server { location '/ä\u2028\n- evil: x' { limit_req zone=one; } }")
        self.assertNotRegex(out, r"(?m)^- evil|[^\n -~]")

    def test_faults(self):
        for text, fault in (
                ("http {", "nginx.conf:1: the file ends within a block; "),
                ("http { } }", 'nginx.conf:1: unexpected "}"; '),
                ("\n;", 'nginx.conf:2: unexpected ";"; '),
                ("a b", '"a" of line 1 has no end; write a semicolon behind it'),
                ("\na 'b", "nginx.conf:2: the quote that begins here has no end"),
                ("a 'b'c;", '"c" directly behind a closing quote; '),
                ("x_by_lua_block { \"}\"", "nginx.conf:1: the block of Lua that begins here has no end"),
                ("a\0;", "has a byte of 0"),
                ("a " + "b" * 4096 + ";", "longer than 4095 bytes; "),
                ("a " * 5000 + ";", "more than 4095 words; "),
                (ZONE + "server { limit_req_dry_run yes; }", 'limit_req_dry_run "yes" is neither on nor off; '),
                ("a {" * 100, "more than 64 blocks and files within each other; "),
                ("include nginx.conf;", "more than 64 blocks and files within each other; "),
                ("\ninclude none.conf;", "none.conf cannot be opened: No such file or directory; paths begin in the folder of "),
                ("events { }", "nginx.conf: has no limit_req line"),
                (ZONE, "nginx.conf: has no limit_req line"),
                ("server { limit_req zone=one; }", 'no limit_req_zone has the name "one"; '),
                (ZONE + "\nserver { limit_req zone=one brust=2; }", 'nginx.conf:3: "brust=2" is nothing that limit_req '),
                (ZONE + "server { limit_req burst=2; }", "limit_req has no zone; "),
                (ZONE + "server { limit_req zone=one; limit_req zone=one; }", 'zone "one" limits here already; '),
                (ZONE + ZONE, 'zone "one" is there already, in line 1 of '),
                ("server { " + ZONE + "}", "nginx takes it in http alone"),
                ("limit_req_zone $a zone=a:1m rate=1r/h;", 'rate "1r/h" is none of nginx; write one such as '),
                ("limit_req_zone $a zone=a:1m rate=0r/s;", 'rate "0r/s" is none of nginx; '),
                ("limit_req_zone $a zone=a:1m rate=r/s;", 'rate "r/s" is none of nginx; '),
                ("limit_req_zone $a zone=a:1m rats=1r/s;", 'no parameter "rats=1r/s"; '),
                ("limit_req_zone $a zone=a:1m r\u00e4te=1r/s;", 'no parameter "r??te=1r/s"; '),
                ("".join(f"limit_req_zone $a zone=z{i}:1m rate=1r/s;\n" for i in range(33)) + "server {\n" +
                 "".join(f"limit_req zone=z{i};\n" for i in range(33)) + "}",
                 "nginx.conf:67: more than 32 limit_req lines in one block"),
                ("limit_req_zone $a rate=1r/s;", "needs a key, a zone and a rate"),
                ("limit_req_zone $a rate=1r/s sync;", "has no zone; "),
                (ZONE + "server { limit_req zone=one; limit_req_status 200; }", 'limit_req_status "200" is no status; '),
                (ZONE + "server { limit_req zone=one; limit_req_status 600; }", 'limit_req_status "600" is no status; '),
                ("limit_req_zone $a zone=a:1m rate=1r/m; server { limit_req zone=a burst=1000000000; }",
                 "allowd cannot count such a burst at such a rate; ")):
            with self.subTest(text[:60]):
                self.assertIn(fault, self.fault(text))

    def test_a_file_that_is_there_is_not_looked_for_elsewhere(self):
        self.assertTrue(self.fault(f"include {self.folder};").endswith(
            " is a directory; the configuration must be a regular file"))

    def test_more_files_than_are_read(self):
        for i in range(2000):
            self.write("", f"many/{i:04}")
        self.assertEqual(self.fault("include many/*;"), "many/1999: is one file more than the 2000 that are read")

    def test_many_checks(self):
        zones = ZONE + "server {" + "".join(f"location /{i} {{ limit_req zone=one burst={i + 1}; }}\n" for i in range(101))
        self.assertIn("more than 100 checks; ", self.fault(zones + "}"))

    def test_files_that_are_none(self):
        self.assertEqual(self.fault(None, "none"), "none: cannot be opened: No such file or directory")
        self.assertIn("must be a regular file", self.fault(None, ""))
        os.mkfifo(self.folder / "fifo")
        self.assertIn("must be a regular file", self.fault(None, "fifo"))


class Page(Case):
    """allowd-migrating(7)."""

    def test_its_examples_are_taken_as_they_stand(self):
        text = (TOP / "man" / "allowd-migrating.7").read_text(encoding="utf-8")
        examples = [block for block in re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed", text, re.M | re.S)]
        self.assertGreater(len(examples), 8)
        for example in examples:
            with self.subTest(example):
                self.write(example, "allowd.yaml")
                self.assertEqual(run_allowd("-t", "-c", str(self.folder / "allowd.yaml")),
                                 (0, "", "allowd: the configuration is fine\n"))

    def test_its_example_of_nginx_is_what_the_option_makes(self):
        out = self.limits("limit_req_zone $k zone=perip:1m rate=10r/s; geo $g { default 1; 10.0.0.0/8 0; }\n"
                          "map $g $k { 0 ''; 1 $binary_remote_addr; } server { limit_req zone=perip burst=20 nodelay; }")
        self.assertEqual(out.replace('"', ""), "  - name: perip\n    burst: 21\n    rate: 10/s\n    overrides:\n"
                         "      - key: 10.0.0.0/8\n        action: allow\n")


class Option(Case):
    def test_it_needs_a_file(self):
        status, out, error = run_allowd("--from-nginx")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("allowd -h", error)

    def test_output_that_cannot_be_written(self):
        self.write(ZONE + "server { limit_req zone=one; }")
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([ALLOWD, "--from-nginx", self.path], stdout=full, timeout=PATIENCE_S, check=False)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    unittest.main()
