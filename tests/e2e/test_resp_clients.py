#!/usr/bin/python3 -B
"""Real clients of Redis, each as its users have it: redis-cli, redis-benchmark, ioredis and node-redis
from npm (tests/e2e/redis_clients), redis-py and Ruby's with their pools, and hiredis."""
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

import npm_package
from harness import PATIENCE_S, TOP, Daemon
from resp import command, resp_address

TOKEN = "a-token-for-admins-of-tests"
DEBIAN_PYTHON = "/usr/bin/python3"

CONFIG = """
listen_resp: ["127.0.0.1:0"]
admin_token_file: {token}
limits:
  - {{name: default, burst: 100, rate: 1/h}}
"""

# What redis-py's users write; a pipeline without MULTI, and a pool that threads share.
REDIS_PY = f"""
import concurrent.futures, json, redis, sys
for protocol in (2, 3):
    name = f"redis-py-{{protocol}}"
    try:
        client = redis.Redis(port=int(sys.argv[1]), password={TOKEN!r}, protocol=protocol)
        client.ping()
    except TypeError:  # a version that knows RESP2 only
        client = redis.Redis(port=int(sys.argv[1]), password={TOKEN!r})
    client.execute_command("RESET", name)
    first = client.execute_command("ALLOW", name, 10)
    try:
        error = client.execute_command("ALLOW", name, "x")
    except redis.ResponseError as fault:
        error = str(fault)
    few = redis.Redis(connection_pool=redis.BlockingConnectionPool(
        max_connections=4, port=int(sys.argv[1]), password={TOKEN!r}))
    pipeline = client.pipeline(transaction=False)
    for _ in range(10000):
        pipeline.execute_command("ALLOW", name + "-pipeline")
    answers = pipeline.execute()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        pooled = list(pool.map(lambda _: client.execute_command("ALLOW", name + "-pool"), range(500)))
        pooled += pool.map(lambda _: few.execute_command("ALLOW", name + "-few"), range(500))
    print(json.dumps({{"name": name, "first": first, "error": error, "answers": len(answers),
                       "allowed": sum(1 - answer[0] for answer in answers),
                       "pooled": sum(1 - answer[0] for answer in pooled),
                       "throttle": client.execute_command("CL.THROTTLE", name, 15, 30, 60),
                       "ping": "PONG" if client.ping() else None}}))
"""


def need(*words):
    """Skips the tests if this fails; where a change is judged, that is a failure."""
    try:
        subprocess.run(words, check=True, capture_output=True)
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        if os.environ.get("CI") == "true":
            raise
        raise unittest.SkipTest(f"{words[0]}: {error}") from None


class ClientCase(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-resp-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        token = cls.directory / "token"
        token.touch(0o600)
        token.write_text(TOKEN, encoding="ascii")
        cls.daemon = Daemon(CONFIG.format(token=token))
        cls.addClassCleanup(cls.daemon.stop)
        cls.port = str(resp_address(cls.daemon)[1])

    def run_program(self, *words, **options):
        done = subprocess.run(words, capture_output=True, timeout=PATIENCE_S, **options)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout)
        return done.stdout.decode()

    def assert_given(self, given):
        """What each client's users are given alike."""
        self.assertEqual(given["first"][:4], [0, 100, 90, -1])
        self.assertRegex(given["error"], "tokens is \"x\"")
        self.assertEqual((given["answers"], given["allowed"]), (10000, 100))
        self.assertEqual(given["throttle"], [0, 16, 15, -1, 2])
        self.assertEqual(given["ping"], "PONG")


class RedisCli(ClientCase):
    @classmethod
    def setUpClass(cls):
        need("redis-cli", "--version")
        super().setUpClass()

    def ask(self, *words, **options):
        return self.run_program("redis-cli", "--no-auth-warning", "-p", self.port, *words, **options)

    def test_a_command(self):
        self.assertEqual(self.ask("ALLOW", "cli", "10").split()[:4], ["0", "100", "90", "-1"])
        self.assertEqual(self.ask("-3", "ALLOW", "cli3", "10").split()[:4], ["0", "100", "90", "-1"])
        self.assertEqual(self.ask("CL.THROTTLE", "user123", "15", "30", "60").split(),
                         ["0", "16", "15", "-1", "2"])

    def test_the_token(self):
        self.assertIn("NOAUTH ", self.ask("RESET", "cli-token"))
        self.assertEqual(self.ask("-a", TOKEN, "RESET", "cli-token").split()[0], "0")
        self.assertEqual(self.ask("-3", "-a", TOKEN, "RESET", "cli-token").split()[0], "0")

    def test_lines_that_people_type(self):
        said = self.ask(input=b"PING\nALLOW typed 1\nFOO\nPING\n")
        self.assertEqual(said.split()[:5], ["PONG", "0", "100", "99", "-1"])
        self.assertIn("ERR unknown command 'FOO'", said)
        self.assertEqual(said.split()[-1], "PONG")

    def test_ten_thousand_by_its_pipe(self):
        said = self.ask("--pipe", input=command("ALLOW", "piped") * 10000)
        self.assertIn("errors: 0, replies: 10000", said)
        self.assertEqual(self.ask("ALLOW", "piped", "0").split()[2], "0")

    def test_redis_benchmark(self):
        for depth in ("1", "16", "1000"):
            said = self.run_benchmark("-n", "20000", "-c", "32", "-P", depth, "ALLOW", "benchmark")
            self.assertRegex(said, r"requests per second")

    def run_benchmark(self, *words):
        done = subprocess.run(["redis-benchmark", "-q", "-p", self.port, *words], check=True, capture_output=True,
                              timeout=PATIENCE_S)
        return done.stdout.decode()


class Npm(ClientCase):
    def test_ioredis_and_node_redis(self):
        need("node", "--version")
        directory = npm_package.install("redis_clients")
        self.addCleanup(shutil.rmtree, directory)
        lines = self.run_program("node", "ask.mjs", self.port, TOKEN, cwd=directory).splitlines()
        given = {answer["name"]: answer for answer in map(json.loads, lines)}
        self.assertEqual(set(given), {"ioredis", "redis-2", "redis-3"})
        for name, answer in given.items():
            with self.subTest(name):
                self.assert_given(answer)


class RedisPy(ClientCase):
    def test_with_its_pool(self):
        need(DEBIAN_PYTHON, "-c", "import redis")
        lines = self.run_program(DEBIAN_PYTHON, "-c", REDIS_PY, self.port).splitlines()
        for answer in map(json.loads, lines):
            with self.subTest(answer["name"]):
                self.assert_given(answer)
                self.assertEqual(answer["pooled"], 200)
        self.assertEqual(len(lines), 2)


class Ruby(ClientCase):
    def test_with_a_pool_of_connections(self):
        need("ruby", "-e", 'require "redis"; require "connection_pool"')
        answer = json.loads(self.run_program("ruby", TOP / "tests" / "e2e" / "redis_pool.rb", self.port, TOKEN))
        self.assert_given(answer)
        self.assertEqual(answer["pooled"], 100)


class Hiredis(ClientCase):
    def test_a_blocking_one(self):
        program = pathlib.Path(os.environ["BUILDDIR"], "tests", "e2e", "hiredis_client")
        self.assert_given(json.loads(self.run_program(program, self.port, TOKEN)))


if __name__ == "__main__":
    unittest.main()
