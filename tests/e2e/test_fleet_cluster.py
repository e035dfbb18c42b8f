#!/usr/bin/python3 -B
"""
Limits of scope fleet whose store is a Redis Cluster of three masters: what all sidecars together admit of each key, counted
as in test_fleet.py, while slots move from one master to another, a master joins, and one is killed and comes back.
"""
import binascii
import contextlib
import os
import subprocess
import tempfile
import time
import unittest

from fleet_world import (Crowd, Redis, Reply, admitted, configuration, fleet_of, free_port, get, is_up, most_beyond,
                         start_sidecar)
from harness import TOP, run_allowd, wait_until
from metrics import Metrics
from recipes import require_program

RATE_PER_S, BURST = 200, 100
LIMIT = f"name: default, burst: {BURST}, rate: {RATE_PER_S}/s, scope: fleet"
SLOTS = 16384
SETTINGS = ("cluster-enabled yes", "cluster-node-timeout 2000", "cluster-require-full-coverage no",
            "appendonly yes", "appendfsync everysec")


def slot_of(record):
    """The slot of a record, by what stands between its braces."""
    return binascii.crc_hqx(record.partition(b"{")[2].partition(b"}")[0], 0) % SLOTS


class Node(Redis):
    """A master of a cluster."""

    def __init__(self, settings=()):
        self.bus_port = free_port()
        super().__init__((*SETTINGS, f"cluster-port {self.bus_port}", *settings), free_port())
        self.id = self.call("CLUSTER", "MYID").decode()

    def has_done(self, *words):
        with contextlib.suppress(Reply):
            return self.call(*words) == b"OK"
        return False

    def errors(self, word):
        """How often it has answered so."""
        for line in self.call("INFO", "errorstats").decode().splitlines():
            if line.startswith(f"errorstat_{word}:"):
                return int(line.partition("count=")[2])
        return 0

    def records(self, key="*"):
        return self.call("KEYS", f"allowd:test:{{*}}:default:{key}")


class Cluster:
    """Masters that have all slots between them."""

    def __init__(self, count=3):
        self.nodes = [Node() for _ in range(count)]
        for i, node in enumerate(self.nodes):
            node.call("CLUSTER", "ADDSLOTSRANGE", SLOTS * i // count, SLOTS * (i + 1) // count - 1)
            node.call("CONFIG", "SET", "cluster-announce-ip", "127.0.0.1")
        for epoch, node in enumerate(self.nodes, 1):
            node.call("CLUSTER", "SET-CONFIG-EPOCH", epoch)
        for node in self.nodes[1:]:
            self._meet(node)
        self.wait_until_agreed()

    def _meet(self, node):
        node.call("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port, self.nodes[0].bus_port)

    def join(self):
        """Another master, without slots."""
        node = Node()
        self._meet(node)
        self.nodes.append(node)
        self.wait_until_agreed()
        return node

    def replicate(self, master):
        """A replica of a master, which takes its place if that dies."""
        replica = self.join()
        wait_until(lambda: replica.has_done("CLUSTER", "REPLICATE", master.id), "it knows its master")
        wait_until(lambda: b"master_link_status:up" in replica.call("INFO", "replication"), "it follows")
        return replica

    def wait_until_agreed(self):
        def agree():
            infos = [node.call("CLUSTER", "INFO") for node in self.nodes]
            known = b"cluster_known_nodes:%d\r" % len(self.nodes)
            return all(b"cluster_state:ok" in info and known in info and b"cluster_slots_ok:16384" in info for info in infos)
        wait_until(agree, "the masters know each other, and who has which slots")

    def close(self):
        for node in self.nodes:
            node.close()

    @property
    def url(self):
        return f"cluster://127.0.0.1:{self.nodes[0].port}"

    def find(self, key):
        """The name of a key's record, and the master that has it, once somebody asks for the key."""
        return wait_until(lambda: next(((record, node) for node in self.nodes for record in node.records(key)), None),
                          f"there is a record of {key}")

    def errors(self, word):
        return sum(node.errors(word) for node in self.nodes)

    def begin_move(self, slot, source, target):
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)

    def move_keys(self, slot, source, target):
        while True:
            names = source.call("CLUSTER", "GETKEYSINSLOT", slot, 10)
            if not names:
                return
            source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *names)

    def end_move(self, slot, target):
        for node in [target, *self.nodes]:
            node.call("CLUSTER", "SETSLOT", slot, "NODE", target.id)


class Clustered(unittest.TestCase):
    """A cluster and two sidecars."""
    cool = 12
    settings = {}

    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)
        config = configuration(self.cluster.url, (LIMIT,), **self.settings)
        self.prepare()
        self.begin_full(config)
        self.daemons = [start_sidecar(config) for _ in range(2)]
        self.addCleanup(lambda: [daemon.stop() for daemon in self.daemons])

    def prepare(self):
        """What is to be done before anybody comes."""

    def begin_full(self, config):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(config)
            file.flush()
            status, said, told = run_allowd("--begin-fleet", "-c", file.name)
        self.assertEqual(status, 0, told)
        self.assertIn("all its buckets are full", said)

    @contextlib.contextmanager
    def load(self):
        """One hot key, of which more is asked than there is, and cool ones. Holds each against its bound at the end."""
        self.crowds = {"hot": Crowd(self.daemons, "hot")}
        for i in range(self.cool):
            self.crowds[f"cool{i}"] = Crowd(self.daemons, f"cool{i}", each=1, pause_s=0.05)
        with contextlib.ExitStack() as stack:
            for crowd in self.crowds.values():
                stack.enter_context(crowd)
            yield
        for key, crowd in self.crowds.items():
            self.assertLessEqual(most_beyond(crowd.asked(), RATE_PER_S), BURST, key)

    def assert_goes_on(self, keys, what, since_s=None):
        since_s = time.monotonic() if since_s is None else since_s
        for key in keys:
            least = RATE_PER_S // 10 if key == "hot" else 3
            wait_until(lambda: admitted(self.crowds[key].asked(), since_s) >= least, f"{what}: {key}")

    def denied(self, key):
        """The answer, if the key is denied for want of the store."""
        answer = get(self.daemons[0], f"/allow?key={key}").json()
        return not answer["allowed"] and answer.get("reason") == "without_store" and answer

    def metric(self, daemon, name, **labels):
        return Metrics(get(daemon, "/metrics").body.decode("utf-8")).value(name, **labels)


class Slots(Clustered):
    def test_records_are_spread_and_each_is_found(self):
        with self.load():
            moved = self.cluster.errors("MOVED")  # each master's first trial call, whose record only one has
            self.assert_goes_on(self.crowds, "they are served")
            for node in self.cluster.nodes:
                self.assertGreater(len(node.records()), 0)
                self.assertGreater(node.script_calls(), 0)
            self.assertEqual(self.cluster.errors("MOVED"), moved)
        for daemon in self.daemons:
            self.assertEqual(fleet_of(daemon)["calls_failed"], 0)

    def test_a_hot_slot_that_moves(self):
        with self.load():
            self.assert_goes_on(self.crowds, "they are served")
            for _ in range(2):
                record, source = self.cluster.find("hot")
                target = self.cluster.nodes[(self.cluster.nodes.index(source) + 1) % 3]
                slot = slot_of(record)
                asked, moved = source.errors("ASK"), source.errors("MOVED")
                self.cluster.begin_move(slot, source, target)
                self.assert_goes_on(["hot"], "its records are still there")
                self.cluster.move_keys(slot, source, target)
                self.assert_goes_on(["hot"], "its records are with the other one")
                self.assertGreater(source.errors("ASK"), asked)
                self.cluster.end_move(slot, target)
                self.assert_goes_on(["hot"], "its slot is the other one's")
                wait_until(lambda: source.errors("MOVED") > moved, "the old one says so")
                since = source.errors("MOVED")
                self.assert_goes_on(self.crowds, "all go on")
                self.assertLess(source.errors("MOVED") - since, 20, "the map was read again")

    def test_a_slot_that_has_moved_by_half(self):
        with self.load():
            self.assert_goes_on(self.crowds, "they are served")
            record, source = self.cluster.find("hot")
            target = self.cluster.nodes[(self.cluster.nodes.index(source) + 1) % 3]
            slot = slot_of(record)
            others = [key for key in self.crowds if slot_of(self.cluster.find(key)[0]) != slot]
            self.cluster.begin_move(slot, source, target)
            source.call("MIGRATE", "127.0.0.1", target.port, record, 0, 5000)  # and not the shard's epoch
            wait_until(lambda: self.denied("hot"), "it is denied")
            self.assertGreater(source.errors("TRYAGAIN"), 0)
            self.assert_goes_on(others, "the others go on")
            self.cluster.move_keys(slot, source, target)
            self.cluster.end_move(slot, target)
            self.assert_goes_on(self.crowds, "all go on")

    def test_a_reshard_of_half_a_master(self):
        with self.load():
            self.assert_goes_on(self.crowds, "they are served")
            one, other = self.cluster.nodes[:2]
            subprocess.run([require_program("redis-cli"), "--cluster", "reshard", f"127.0.0.1:{one.port}",
                            "--cluster-from", one.id, "--cluster-to", other.id, "--cluster-slots", "2700",
                            "--cluster-yes"], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
            self.assert_goes_on(self.crowds, "all go on")
        self.assertGreater(self.cluster.errors("MOVED"), 0)

    def test_a_master_that_joins(self):
        with self.load():
            self.assert_goes_on(self.crowds, "they are served")
            record, source = self.cluster.find("hot")
            target, slot = self.cluster.join(), slot_of(record)
            self.cluster.begin_move(slot, source, target)
            self.cluster.move_keys(slot, source, target)
            self.assert_goes_on(["hot"], "its records are with one that had no slots")
            self.cluster.end_move(slot, target)
            self.assert_goes_on(self.crowds, "all go on")
            self.assertEqual(self.cluster.find("hot")[1], target)


class Rights(Clustered):
    """The least rights that do, as the manual has them."""
    least = ("+evalsha", "+script|load", "+time", "+mget", "+set", "+cluster|slots", "+asking")

    def setUp(self):
        with tempfile.NamedTemporaryFile("w", prefix="allowd-secret-", delete=False) as file:
            file.write("secret")
        self.addCleanup(os.unlink, file.name)
        self.settings = {"user": "allowd", "password_file": file.name}
        super().setUp()

    def prepare(self):
        for node in self.cluster.nodes:
            node.call("ACL", "SETUSER", "allowd", "on", ">secret", "resetchannels", "~allowd:test:*", "-@all", *self.least)

    def test_the_least_do(self):
        with self.load():
            self.assert_goes_on(self.crowds, "they are served")
            record, source = self.cluster.find("hot")
            target, slot = self.cluster.nodes[(self.cluster.nodes.index(source) + 1) % 3], slot_of(record)
            self.cluster.begin_move(slot, source, target)
            self.cluster.move_keys(slot, source, target)
            self.assert_goes_on(["hot"], "its records are with the other one")
            self.cluster.end_move(slot, target)
            self.assert_goes_on(self.crowds, "all go on")

    def test_the_manual_has_them(self):
        page = (TOP / "man" / "allowd-fleet.7").read_text(encoding="utf-8")
        for right in self.least:
            self.assertIn(right, page)


class Death(Clustered):
    def test_a_replica_takes_the_place_of_a_master_that_is_killed(self):
        with self.load():
            self.assert_goes_on(self.crowds, "they are served")
            victim = self.cluster.find("hot")[1]
            replica = self.cluster.replicate(victim)
            victim.kill()
            wait_until(lambda: b"role:master" in replica.call("INFO", "replication"), "it is master")
            self.assert_goes_on(self.crowds, "all go on")
            for daemon in self.daemons:
                wait_until(lambda daemon=daemon: is_up(daemon), "it is told")

    def test_a_master_that_is_killed_takes_only_its_keys_along(self):
        with self.load():
            self.assert_goes_on(self.crowds, "they are served")
            victim = self.cluster.find("hot")[1]
            gone = {key for key in self.crowds if self.cluster.find(key)[1] is victim}
            others = set(self.crowds) - gone
            self.assertTrue(others)
            victim.kill()
            for daemon in self.daemons:
                wait_until(lambda daemon=daemon: not is_up(daemon), "it is told")
                self.assertRegex(get(daemon, "/readyz").json()["warnings"][0], "out of reach")
            answer = wait_until(lambda: self.denied("hot"), "its keys are denied")
            self.assertGreater(answer["retry_after_ms"], 0)
            since_s = time.monotonic() + 2.2
            self.assert_goes_on(others, "the others go on", since_s)
            for key in gone:
                self.assertEqual(admitted(self.crowds[key].asked(), since_s), 0, key)
            lost = [self.metric(daemon, "allowd_events_total", kind="fleet_lost") for daemon in self.daemons]
            self.assert_goes_on(others, "and go on")
            self.assertEqual([self.metric(daemon, "allowd_events_total", kind="fleet_lost") for daemon in self.daemons], lost)
            victim.start()
            self.cluster.wait_until_agreed()
            self.assert_goes_on(self.crowds, "all go on")
            for daemon in self.daemons:
                wait_until(lambda daemon=daemon: is_up(daemon), "it is told")


if __name__ == "__main__":
    unittest.main()
