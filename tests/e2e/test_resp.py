#!/usr/bin/python3 -B
"""Redis's protocol: what is asked over RESP is what HTTP asks about, in pipelines of any length and cut
anywhere, by as many as like; who waits, leaves, does not read or sends what is no RESP harms nobody."""
import os
import selectors
import signal
import socket
import tempfile
import threading
import time
import unittest

from harness import PATIENCE_S, Case, Daemon, wait_until
from metrics import Metrics
from resp import Client, Refused, command, resp_address

TOKEN = "a-token-for-admins-of-tests"

CONFIG = """
listen_resp: ["127.0.0.1:0"]
tick: 10ms
limits:
  - {name: waits, match: "waits:*", burst: 1, rate: 4/s}
  - {name: slow, match: "slow:*", burst: 1, rate: 1/3s}
  - {name: other, match: "other:*", burst: 7, rate: 1/h}
  - {name: jobs, match: "jobs:*", concurrent: 3}
  - {name: trial, match: "trial:*", burst: 1, rate: 1/h, shadow: true}
  - name: default
    burst: 100
    rate: 1/h
    overrides:
      - {key: spam, action: deny}
      - {key: vip, action: allow}
"""


class RespCase(Case):
    config = CONFIG

    def client(self):
        client = Client(resp_address(self.daemon))
        self.addCleanup(client.close)
        return client

    def scrape(self):
        return Metrics(self.call("GET", "/metrics").body.decode())

    def refused(self, client, words, pattern):
        with self.assertRaisesRegex(Refused, pattern):
            client.call(*words)


class Throttle(RespCase):
    """The vectors that can be told without waiting; those in time are in test_resp.c."""
    config = CONFIG.replace("tick: 10ms", "tick: 1ms")

    def test_throttle_as_redis_cell_documents_it(self):
        """Its README's command and answer, and its own test's, with hours for seconds, so that no time passes."""
        client, key = self.client(), self.key()
        self.assertEqual(client.call("CL.THROTTLE", "user123", 15, 30, 60, 1), [0, 16, 15, -1, 2])
        for quantity, answer in ((6, [1, 5, 5, -1, 0]), (1, [0, 5, 4, -1, 1]), (1, [0, 5, 3, -1, 2]),
                                 (1, [0, 5, 2, -1, 3]), (1, [0, 5, 1, -1, 4]), (1, [0, 5, 0, -1, 5]),
                                 (1, [1, 5, 0, 1, 5]), (0, [0, 5, 0, -1, 5]), (5, [1, 5, 0, 5, 5])):
            given = client.call("CL.THROTTLE", key, 4, 1, 3600, quantity)
            hours = [seconds if seconds == -1 else -(-seconds // 3600) for seconds in given[3:]]
            self.assertEqual(given[:3] + hours, answer, quantity)


class Questions(RespCase):
    def test_they_are_about_the_buckets_of_http(self):
        client, key = self.client(), self.key()
        self.assertEqual(self.allow(key, "&tokens=10").status, 200)
        self.assertEqual(client.call("ALLOW", key, 20)[:3], [0, 100, 70])
        self.assertEqual(client.call("STATUS", key)[:3], [0, 100, 70])
        self.assertEqual(self.remaining(key), 70)
        *charged, owed, taken = client.call("CHARGE", key, 100)
        self.assertEqual((charged[2:4], owed, taken), ([0, -1], 30, 100))
        full_ms = 130 * 3600 * 1000 # less the ticks that have come meanwhile
        self.assertTrue(full_ms - PATIENCE_S * 1000 < charged[4] <= full_ms, charged)
        self.assertEqual(client.call("REFUND", key, 40)[:3], [0, 100, 10])
        self.assertEqual(client.call("RESET", key)[:3], [0, 100, 100])
        self.assertEqual(self.remaining(key), 100)

    def test_limits_by_name(self):
        client, key = self.client(), self.key("other:")
        self.assertEqual(client.call("allow", key, "limit", "default")[:3], [0, 100, 99])
        self.assertEqual(client.call("ALLOW", key, 2, "LIMIT", "other")[:3], [0, 7, 5])
        self.refused(client, ("ALLOW", key, "LIMIT", "none"), 'ERR there is no limit named "none"')
        self.refused(client, ("ALLOW", self.key("jobs:")), 'ERR limit "jobs" takes leases')

    def test_denials(self):
        client, key = self.client(), self.key("other:")
        self.assertEqual(client.call("ALLOW", key, 7)[:4], [0, 7, 0, -1])
        denied = client.call("ALLOW", key)
        self.assertEqual(denied[:3], [1, 7, 0])
        self.assertTrue(3590000 < denied[3] <= 3600000, denied)
        self.assertEqual(client.call("ALLOW", key, 8)[3], -2)
        self.assertEqual(client.call("ALLOW", "spam")[0], 1)
        self.assertEqual(client.call("ALLOW", "vip", 1000)[0], 0)
        trial = self.key("trial:")
        self.assertEqual([client.call("ALLOW", trial)[0] for _ in range(3)], [0, 0, 0])

    def test_any_key_that_http_takes(self):
        client = self.client()
        for key in ("a b", "ключ", "x" * 255, "a\"b\\c", "*", "$5"):
            self.assertEqual(client.call("ALLOW", key, "LIMIT", "default")[2], 99, key)
        for key in (b"", b"x" * 256, b"\xff", b"a\0", b"a\r\nb"):
            self.refused(client, ("ALLOW", key), "ERR key ")

    def test_throttle(self):
        client, key = self.client(), self.key()
        self.assertEqual(client.call("CL.THROTTLE", key, 15, 30, 60), [0, 16, 15, -1, 2])
        self.assertEqual(client.call("CL.THROTTLE", key, 15, 30, 60, 15)[:4], [0, 16, 0, -1])
        self.assertEqual(client.call("CL.THROTTLE", key, 15, 30, 60)[:4], [1, 16, 0, 2])
        self.assertEqual(self.remaining(key), 100)
        self.assertGreaterEqual(self.scrape().value("allowd_throttles_total", result="denied"), 1)

    def test_commands_are_counted(self):
        client, before = self.client(), self.scrape()
        for words in (("ALLOW", "a"), ("ALLOW", "a"), ("STATUS", "a"), ("PING",)):
            client.call(*words)
        self.refused(client, ("GET", "a"), "ERR unknown command 'GET'")
        after = self.scrape()
        grown = {kind: after.value("allowd_resp_commands_total", command=kind) -
                 before.value("allowd_resp_commands_total", command=kind)
                 for kind in ("allow", "admin", "session", "unknown")}
        self.assertEqual(grown, {"allow": 2, "admin": 1, "session": 1, "unknown": 1})
        self.assertGreaterEqual(after.value("allowd_connections"), 2)


class Pipelines(RespCase):
    def test_ten_thousand_in_one_piece(self):
        client, key = self.client(), self.key()
        sender = threading.Thread(target=client.send, args=(command("ALLOW", key) * 10000,))
        sender.start()
        answers = [client.value() for _ in range(10000)]
        sender.join()
        self.assertEqual([answer[0] for answer in answers], [0] * 100 + [1] * 9900)

    def test_cut_at_every_byte(self):
        key = self.key()
        data = command("ALLOW", key, 0) + b"PING\r\n" + command("ECHO", "x\r\ny")
        for cut in range(1, len(data)):
            with self.subTest(cut=cut):
                client = self.client()
                client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.send(data[:cut])
                client.send(data[cut:])
                self.assertEqual([client.value()[:3], client.value(), client.value()],
                                 [[0, 100, 100], "PONG", "x\r\ny"])
                client.close()

    def test_of_many_connections_each_gets_its_own_answers(self):
        clients, rounds, depth = 100, 5, 16
        crowd = [self.client() for _ in range(clients)]
        for turn in range(rounds):
            for number, client in enumerate(crowd):
                client.send(b"".join(command("ALLOW", f"crowd-{number}") + command("ECHO", f"{number}.{turn}.{i}")
                                     for i in range(depth)))
            for number, client in enumerate(crowd):
                for i in range(depth):
                    self.assertEqual(client.value()[2], 99 - turn * depth - i)
                    self.assertEqual(client.value(), f"{number}.{turn}.{i}")

    def test_a_client_that_does_not_read(self):
        client, other = self.client(), self.client()
        client.socket.setblocking(False)
        data, sent = command("ALLOW", self.key()) * 1000, 0
        with selectors.DefaultSelector() as selector:
            selector.register(client.socket, selectors.EVENT_WRITE)
            while selector.select(1.0):
                sent += client.socket.send(data[sent % len(data):])
        self.assertEqual(other.call("PING"), "PONG")
        client.socket.settimeout(PATIENCE_S)
        whole = sent // len(data) * 1000 + sent % len(data) // (len(data) // 1000)
        for _ in range(whole):
            self.assertEqual(client.value()[1], 100)


class Waits(RespCase):
    def test_the_answer_comes_with_the_tokens_and_holds_back_the_others(self):
        client, key = self.client(), self.key("waits:")
        began = time.monotonic()
        client.send(command("ALLOW", key) + command("ALLOW", key, "WAIT", 5000) + command("PING"))
        self.assertEqual(client.value()[0], 0)
        self.assertEqual(client.value()[0], 0)
        self.assertEqual(client.value(), "PONG")
        self.assertGreater(time.monotonic() - began, 0.15)

    def test_who_cannot_be_served_in_time_is_told_at_once(self):
        client, key = self.client(), self.key("other:")
        client.call("ALLOW", key, 7)
        self.assertEqual(client.call("ALLOW", key, "WAIT", 30000)[0], 1)
        self.refused(client, ("ALLOW", key, "WAIT", 30001), "ERR WAIT is \"30001\"")

    def test_who_leaves_gives_its_place_back(self):
        key = self.key("slow:")
        for leave in (lambda client: client.close(),
                      lambda client: client.socket.shutdown(socket.SHUT_WR)):
            client, other = self.client(), self.client()
            left = self.counters()["waits_left"]
            client.send(command("ALLOW", key) + command("ALLOW", key, 1, "WAIT", 30000))
            client.value()
            for _ in range(8):
                client = self.client()
                client.send(command("ALLOW", key, "WAIT", 30000))
            wait_until(lambda: self.counters()["waiting"] >= 5, "they wait")
            leave(client)
            wait_until(lambda: self.counters()["waits_left"] > left, "it has left")
            wait_until(lambda: other.call("RESET", key) and self.counters()["waiting"] == 0, "all others have gone on")


class Access(unittest.TestCase):
    def daemon(self, config):
        daemon = Daemon(config)
        self.addCleanup(daemon.stop)
        return daemon

    def token_file(self, text=TOKEN):
        path = os.path.join(self.enterContext(tempfile.TemporaryDirectory(prefix="allowd-resp-")), "token")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
            file.write(text)
        return path

    def test_with_a_token(self):
        path = self.token_file()
        daemon = self.daemon(f'listen_resp: ["127.0.0.1:0"]\nadmin_token_file: {path}\n')
        with Client(resp_address(daemon)) as client:
            with self.assertRaisesRegex(Refused, "^NOAUTH "):
                client.call("RESET", "a")
            with self.assertRaisesRegex(Refused, "^WRONGPASS "):
                client.call("AUTH", TOKEN[:-1])
            self.assertEqual(client.call("ALLOW", "a")[0], 0)
            self.assertEqual(client.call("AUTH", TOKEN), "OK")
            self.assertEqual(client.call("RESET", "a")[0], 0)
            with open(path, "w", encoding="ascii") as file:
                file.write(TOKEN + "2")
            daemon.reload(f'listen_resp: ["127.0.0.1:0"]\nadmin_token_file: {path}\n')
            with self.assertRaisesRegex(Refused, "^NOAUTH "):
                client.call("RESET", "a")
            hello = client.call("HELLO", 3, "AUTH", "default", TOKEN + "2")
            self.assertEqual((hello["server"], hello["proto"]), ("allowd", 3))
            self.assertEqual(client.call("RESET", "a")[0], 0)

    def test_with_admins_apart(self):
        daemon = self.daemon('listen_resp: ["127.0.0.1:0"]\nadmin_listen: ["127.0.0.1:0"]\n')
        with Client(resp_address(daemon)) as client:
            for words in (("RESET", "a"), ("REFUND", "a"), ("CHARGE", "a", 1), ("STATUS", "a")):
                with self.assertRaisesRegex(Refused, "^NOPERM "):
                    client.call(*words)
            self.assertEqual(client.call("ALLOW", "a")[0], 0)

    def test_on_a_unix_socket(self):
        directory = self.enterContext(tempfile.TemporaryDirectory(prefix="allowd-resp-"))
        daemon = self.daemon(f'listen_resp: ["unix:{directory}/resp.sock"]\nsocket_mode: "0600"\n')
        with Client(resp_address(daemon)) as client:
            self.assertEqual(client.call("ALLOW", "a")[0], 0)

    def test_without_listen_resp_nobody_speaks_it(self):
        daemon = self.daemon("{}")
        with Client(daemon.address) as client:
            client.send(command("PING"))
            self.assertTrue(client.file.readline() in (b"", b"HTTP/1.1 400 Bad Request\r\n"))


class Hostile(RespCase):
    def test_what_is_no_resp_is_told_and_ended(self):
        for data in (b"*1\r\nPING\r\n", b"*x\r\n", b"*65\r\n", b"*1\r\n$65537\r\n", b"*1\r\n$-1\r\n",
                     b"*1\r\n$4\r\nPINGx\r\n", b"a" * 4096, b"*1\r\n$65530\r\n" + b"a" * 65530):
            with self.subTest(data=data[:20]):
                client = self.client()
                client.send(command("PING") + data)
                self.assertEqual(client.value(), "PONG")
                self.assertRegex(str(client.value()), "^ERR Protocol error: ")
                self.assertTrue(client.is_at_end())

    def test_a_web_page_gets_nowhere(self):
        for head in (b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 30\r\n\r\n",
                     b"GET /ALLOW HTTP/1.1\r\nHost: a\r\n\r\n", b"OPTIONS / HTTP/1.1\r\n\r\n",
                     b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\n"):
            with self.subTest(head=head[:10]):
                key = self.key()
                client = self.client()
                client.send(head + command("CHARGE", key, 50) + b"CHARGE %s 50\r\n" % key.encode())
                self.assertRegex(str(client.value()), "^ERR unknown command ")
                self.assertTrue(client.is_at_end())
                self.assertEqual(self.remaining(key), 100)

    def test_clients_that_leave_at_any_time(self):
        for cut in range(0, 40, 3):
            client = self.client()
            client.send((command("ALLOW", self.key()) * 3)[:cut + 1])
            client.close()
        self.assertEqual(self.client().call("PING"), "PONG")
        wait_until(lambda: self.scrape().value("allowd_connections") <= 3, "all others are closed")


class TheEnd(unittest.TestCase):
    def test_a_drain_answers_what_is_there(self):
        daemon = Daemon(CONFIG)
        address = resp_address(daemon)
        with Client(address) as waits, Client(address) as idle, Client(address) as busy:
            waits.send(command("ALLOW", "waits:a") + command("ALLOW", "waits:a", "WAIT", 30000) * 6)
            waits.value()
            waits.value()
            idle.call("PING")
            busy.send(command("ALLOW", "a") * 5000)
            daemon.signal(signal.SIGTERM)
            answers = [busy.value() for _ in range(5000)]
            self.assertEqual(sum(1 - answer[0] for answer in answers), 100)
            self.assertTrue(busy.is_at_end())
            self.assertTrue(idle.is_at_end())
            self.assertEqual(daemon.wait(), 0)

    def test_there_is_room_for_so_many(self):
        daemon = Daemon('max_connections: 16\nthreads: 1\nlisten_resp: ["127.0.0.1:0"]\n')
        address = resp_address(daemon)
        crowd = [Client(address) for _ in range(16)]
        for client in crowd:
            client.call("PING")
        with Client(address) as late:
            self.assertRegex(str(late.value()), "^ERR max number of clients reached")
            self.assertTrue(late.is_at_end())
        for client in crowd:
            client.close()
        daemon.stop()

    def test_who_is_idle_is_ended(self):
        daemon = Daemon('idle_timeout: 1s\nlisten_resp: ["127.0.0.1:0"]\n')
        with Client(resp_address(daemon)) as client:
            client.call("PING")
            self.assertTrue(client.is_at_end())
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
