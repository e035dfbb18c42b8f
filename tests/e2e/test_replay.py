#!/usr/bin/python3 -B
"""
Limits of nginx, HAProxy, rspamd and nft beside those that they come to in allowd: one seeded schedule of arrivals for both, and
each decision of both is one that the same bucket makes at an instant within the jitter.

ALLOWD_SEED=123 takes other seeds.
"""
import contextlib
import errno
import fcntl
import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import unittest

import replay
from harness import Connection, Daemon, request_bytes, run_allowd
from recipes import Program, free_port, require_program
from share import load_tests  # which unittest calls

SEEDS = range(4)
SEED = int(os.environ.get("ALLOWD_SEED") or 1)
TICK_S = 0.001
DEFAULT = "  - {name: default, burst: 10, rate: 1/s}\n"


class Replay:
    """A program, and allowd with what its limits come to. Subclasses have `limits`, {name: (burst, rate_s)} of the buckets."""

    early_s = late_s = 0  # of the program: how far behind and ahead its clock may be
    lost = 0              # the part of a token that it may lose each time that it allows
    stands_still = False  # whether it may not refill while it allows
    tick_s = TICK_S

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        os.chmod(self.directory, 0o755)

    def run_program(self, command, port, directory=None):
        program = Program(directory or self.directory, command, {})
        self.addCleanup(program.stop)
        program.wait_for_port(port)
        return program

    def start_allowd(self, config=None):
        daemon = Daemon(config or self.config())
        self.addCleanup(daemon.stop)
        return daemon

    def config(self):
        return f"tick: {TICK_S * 1000:.0f}ms\nlimits:\n" + DEFAULT + "".join(
            f"  - {{name: {name}, burst: {burst}, rate: {self.rates[name]}}}\n"
            for name, (burst, _) in self.limits.items())

    @staticmethod
    def question_of(name):
        return request_bytes("GET", f"/allow?limit={name}&key=a")

    def ask_allowd(self, daemon):
        return self.enterContext(replay.asking(daemon.address, self.question_of,
                                               first=request_bytes("GET", "/healthz")))

    def judge(self, program, allowd):
        self.assertEqual(sum(map(len, program.values())), sum(map(len, allowd.values())))
        for name, (burst, rate_s) in self.limits.items():
            with self.subTest(name):
                for who, trace, bucket in (
                        ("program", program[name], replay.Bucket(burst, rate_s, self.early_s, self.late_s, self.lost,
                                                                 self.stands_still)),
                        ("allowd", allowd[name], replay.Bucket(burst, rate_s, self.tick_s))):
                    self.assertIsNone(replay.unexplained(trace, bucket), who)
                    self.assertIn(True, {is_allowed for _, _, is_allowed in trace})
        flips = sum(a[2] != b[2] for name in program for a, b in zip(program[name], allowd[name]))
        count = sum(map(len, program.values()))
        print(f"{type(self).__name__}: {count} decisions of each under {len(self.limits)} limits, {flips} differ, "
              "none of them outside of the jitter", file=sys.stderr)

    def play(self, seed):
        ask = self.enterContext(self.start())
        self.judge(*replay.play(replay.schedules(f"{SEED} {seed}", self.limits), ask, self.ask_allowd(self.start_allowd())))


def seeded(cls):
    """A test for each seed."""
    for seed in SEEDS:
        setattr(cls, f"test_seed_{seed}", lambda self, seed=seed: self.play(seed))
    return cls


# ---- nginx ----

@seeded
class Nginx(Replay, unittest.TestCase):
    """`burst=B nodelay` beside what --from-nginx makes of it."""

    early_s = 0.001  # it counts in milliseconds,
    lost = 0.001     # and in thousandths of a request
    written = {"a": ("10r/s", 5), "b": ("7r/s", 2), "c": ("3r/s", 1), "d": ("50r/s", 10), "e": ("20r/s", 0),
               "f": ("100r/s", 20), "g": ("59r/m", 3), "h": ("100r/m", 5), "i": ("30r/m", 2), "j": ("100r/s", 0),
               "k": ("2000r/s", 1)}
    limits = {name: (burst + 1, min((burst + 1) * 1000, number if rate.endswith("r/s") else number * 1000 // 60 / 1000))
              for name, (rate, burst) in written.items() for number in [int(rate[:-3])]}

    def start(self):
        program = require_program("nginx")
        port = free_port()
        (self.directory / "site").mkdir()
        (self.directory / "site" / "page").write_text("yes", encoding="ascii")
        path = self.directory / "nginx.conf"
        path.write_text(f"""
daemon off;
pid nginx.pid;
error_log stderr crit;
events {{ }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    keepalive_requests 1000000;
    {"".join(f"limit_req_zone $http_client zone={name}:64k rate={rate};" for name, (rate, _) in self.written.items())}
    server {{
        listen 127.0.0.1:{port};
        root {self.directory}/site;
        {"".join(f"location = /{name}/page {{ alias {self.directory}/site/page; limit_req zone={name} "
                 f"{f'burst={burst} nodelay' if burst else ''}; }}" for name, (_, burst) in self.written.items())}
    }}
}}
""", encoding="utf-8")
        self.run_program([program, "-p", str(self.directory), "-e", "stderr", "-c", str(path)], port)
        return replay.asking(("127.0.0.1", port), lambda name: request_bytes("GET", f"/{name}/page", [("Client", "a")]),
                             no=(503,), first=request_bytes("GET", "/page"))

    def config(self):
        status, out, error = run_allowd("--from-nginx", str(self.directory / "nginx.conf"))
        self.assertEqual((status, error), (0, ""))
        return out

    @staticmethod
    def question_of(name):
        return request_bytes("GET", f"/check/{name}", [("Client", "a")])

    def ask_allowd(self, daemon):
        return self.enterContext(replay.asking(daemon.address, self.question_of, no=(403,),
                                               first=request_bytes("GET", "/healthz")))


# ---- HAProxy ----

@seeded
class HAProxy(Replay, unittest.TestCase):
    """At most one in P by gpc0_rate(P), which is one in two P."""

    early_s = 0.001
    periods_ms = {"a": 50, "b": 125, "c": 250, "d": 400, "e": 20}
    limits = {name: (1, 1000 / (2 * period_ms)) for name, period_ms in periods_ms.items()}
    rates = {name: f"1/{2 * period_ms}ms" for name, period_ms in periods_ms.items()}

    def start(self):
        program = require_program("haproxy")
        port = free_port()
        lines = "".join(f"""
  http-request track-sc0 path table {name} if {{ path /{name} }}
  http-request deny deny_status 429 if {{ path /{name} }} {{ sc0_gpc0_rate({name}) ge 1 }}""" for name in self.periods_ms)
        tables = "".join(f"backend {name}\n  stick-table type string size 10 expire 1m store gpc0_rate({period_ms}ms)\n"
                         for name, period_ms in self.periods_ms.items())
        path = self.directory / "haproxy.cfg"
        path.write_text(f"""
defaults
  mode http
  timeout connect 120s
  timeout client 120s
  timeout server 120s
frontend all
  bind 127.0.0.1:{port}{lines}
  http-request sc-inc-gpc0(0) if {{ sc0_tracked }}
  http-request return status 200
{tables}""", encoding="utf-8")
        self.run_program([program, "-db", "-f", str(path)], port)
        return replay.asking(("127.0.0.1", port), lambda name: request_bytes("GET", f"/{name}"),
                             first=request_bytes("GET", "/"))


# ---- rspamd ----

@seeded
class Rspamd(Replay, unittest.TestCase):
    """`"N / P"`, without the factors by which its limits move with spam: each limit is a header field of mails."""

    early_s = late_s = 0.001  # it rounds to milliseconds,
    stands_still = True       # and counts a mail after it has looked, as if no time had passed in between
    written = {"a": (3, "1s", 1), "b": (10, "1s", 1), "c": (10, "10s", 10), "d": (1, "1s", 1), "e": (20, "2s", 2), "f": (5, "2s", 2)}
    limits = {name: (number, number / period_s) for name, (number, _, period_s) in written.items()}
    rates = {name: f"{number}/{period}" for name, (number, period, _) in written.items()}

    def start(self):
        rspamd, redis = require_program("rspamd"), require_program("redis-server")
        port, store = free_port(), free_port()
        (self.directory / "store").mkdir()
        self.run_program([redis, "--port", str(store), "--bind", "127.0.0.1", "--save", ""], store, self.directory / "store")
        (self.directory / "tld").write_text("com\n", encoding="ascii")
        rates = "".join(f"""{name} {{ selector = "header('X-{name}')"; bucket {{ burst = {number}; rate = "{number} / {period}"; }} }}
""" for name, (number, period, _) in self.written.items())
        path = self.directory / "rspamd.conf"
        path.write_text(f"""
options {{ filters = ""; disable_hyperscan = true; control_socket = "{self.directory}/control mode=0600";
  url_tld = "{self.directory}/tld"; tempdir = "{self.directory}"; dns {{ nameserver = ["127.0.0.1:9"]; }} }}
logging {{ type = "console"; level = "warning"; color = false; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
redis {{ servers = "127.0.0.1:{store}"; }}
ratelimit {{
  ham_factor_rate = 1.0; spam_factor_rate = 1.0; ham_factor_burst = 1.0; spam_factor_burst = 1.0;
  rates {{ {rates} }}
}}
modules {{ path = "/usr/share/rspamd/plugins/ratelimit.lua"; }}
lua = "/usr/share/rspamd/rules/rspamd.lua";
metric {{ name = "default"; actions {{ reject = 1000; }} }}
""", encoding="utf-8")
        self.run_program([rspamd, "-f", "-i", "-c", str(path)], port)
        self.assertTrue(self.send(port, "none"))  # the first mail takes a while
        return contextlib.nullcontext(lambda name: self.send(port, name))

    @staticmethod
    def send(port, name):
        """Whether a mail passes. Each is a connection of its own."""
        with Connection(("127.0.0.1", port)) as connection:
            connection.send(request_bytes("POST", "/checkv2", [("IP", "192.0.2.1")],
                                          f"From: a@example.com\r\nX-{name}: {name}\r\n\r\nHi\r\n".encode()))
            answer = connection.receive()
        if answer.status != 200:
            raise AssertionError(answer)
        return answer.json()["action"] != "soft reject"


# ---- nft ----

def set_up(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", interface.encode(), 1))  # SIOCSIFFLAGS, IFF_UP


def send_packets(rules, arrivals):
    """What the test runs in a network of its own: what nft drops on the way out the sender is told at once."""
    set_up("lo")
    subprocess.run(["nft", "-f", "-"], input=rules, text=True, check=True)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))

        def send(name):
            try:
                sender.sendto(b"", ("127.0.0.1", int(name)))
                return True
            except ConnectionRefusedError:  # of the packet before, to a port where nobody listens
                return send(name)
            except PermissionError as error:
                assert error.errno == errno.EPERM
                return False
        json.dump(replay.play(arrivals, send)[0], sys.stdout)


@seeded
class Nft(Replay, unittest.TestCase):
    """`limit rate R/second burst B packets`: each limit is a port."""

    written = {"2001": (10, 5), "2002": (7, 3), "2003": (50, 10), "2004": (100, 1), "2005": (3, 2), "2006": (20, 1)}
    limits = {name: (burst, 1e9 / (10 ** 9 // rate)) for name, (rate, burst) in written.items()}
    rates = {name: f"{rate}/s" for name, (rate, _) in written.items()}

    def play(self, seed):
        require_program("nft")
        alone = ["unshare", *([] if os.getuid() == 0 else ["-r"]), "-n"]
        if subprocess.run([*alone, "nft", "list", "ruleset"], capture_output=True, check=False).returncode != 0:
            self.skipTest("no network of its own can be made here, or no nft in it")
        arrivals = replay.schedules(f"{SEED} {seed}", self.limits)
        rules = "table ip t { chain c { type filter hook output priority 0;\n" + "".join(
            f"udp dport {name} limit rate {rate}/second burst {burst} packets accept\nudp dport {name} drop\n"
            for name, (rate, burst) in self.written.items()) + "}\n}\n"
        with subprocess.Popen([*alone, sys.executable, "-B", __file__, "--send", rules], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as child:
            child.stdin.write(json.dumps(arrivals))
            child.stdin.close()
            allowd = replay.play(arrivals, self.ask_allowd(self.start_allowd()))[0]
            program = json.loads(child.stdout.read())
        self.judge(program, allowd)


# ---- the judge itself ----

class Judge(unittest.TestCase):
    """Traces of a bucket in virtual time, asked with some jitter."""

    def trace(self, burst, rate_s, jitter_s, seed):
        dice = replay.random.Random(seed)
        level, at_s, trace = burst, 0, []
        for arrival_s in replay.schedule(dice, burst, rate_s, 60, 400):
            asked_at = max(arrival_s, at_s)
            now = asked_at + dice.uniform(0, jitter_s)
            level, at_s = min(burst, level + (now - at_s) * rate_s), now
            is_allowed = level >= 1
            level -= is_allowed
            trace.append((asked_at, now + dice.uniform(0, jitter_s), is_allowed))
            at_s = now
        return trace

    def count(self, judged_burst, judged_rate_s, jitter_s=0.001, early_s=0):
        """Of 50 traces of 6 tokens at 10 a second, those that another bucket does not explain."""
        return sum(replay.unexplained(self.trace(6, 10, jitter_s, seed),
                                      replay.Bucket(judged_burst, judged_rate_s, early_s)) is not None
                   for seed in range(50))

    def test_the_same_bucket_explains_all(self):
        for jitter_s in (0, 0.001, 0.05, 1):
            self.assertEqual(self.count(6, 10, jitter_s), 0)
            self.assertEqual(self.count(6, 10, jitter_s, early_s=0.01), 0)

    def test_no_other_bucket_does(self):
        for burst, rate_s in ((5, 10), (7, 10), (6, 9.5), (6, 10.5)):
            self.assertGreater(self.count(burst, rate_s), 45, (burst, rate_s))

    def test_a_burst_of_one_less_shows_though_the_machine_is_slow(self):
        self.assertGreater(self.count(5, 10, 0.02), 45)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        send_packets(sys.argv[2], json.load(sys.stdin))
    else:
        unittest.main()
