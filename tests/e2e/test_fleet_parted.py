#!/usr/bin/python3 -B
"""
A fleet whose network is parted: a store and a sidecar on hosts of their own, network namespaces that a bridge in a third one
joins. Frames of a host that is taken out of the bridge go nowhere, and nobody is told, as when a switch fails. What all
sidecars together admit is counted as in test_fleet.py; clients ask them by Unix sockets, which no namespace parts.
"""
import os
import subprocess
import time
import unittest

from fleet_world import (Crowd, Redis, admitted, configuration, fleet_of, get, is_up, most_beyond, start_sidecar)
from harness import ENDS_WITH_US, wait_until
from recipes import free_port, require_program

RATE_PER_S, BURST = 200, 100
LIMIT = f"name: default, burst: {BURST}, rate: {RATE_PER_S}/s, scope: fleet"


class Namespace:
    """A network of its own, as long as a process is in it."""

    def __init__(self):
        self.process = subprocess.Popen([*ENDS_WITH_US, "unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        wait_until(self._is_there, "it has a network of its own")
        self.run("link", "set", "lo", "up")

    def _is_there(self):
        if self.process.poll() is not None:
            raise unittest.SkipTest("no network namespace can be made here")
        return (os.readlink(f"/proc/{self.process.pid}/exe").endswith("sleep")
                and os.readlink(f"/proc/{self.process.pid}/ns/net") != os.readlink("/proc/self/ns/net"))

    @property
    def under(self):
        """What runs a command in it."""
        return ("nsenter", f"--net=/proc/{self.process.pid}/ns/net")

    def run(self, *words):
        subprocess.run([*self.under, "ip", *words], check=True, stdin=subprocess.DEVNULL)

    def close(self):
        self.process.kill()
        self.process.wait()


class Switch:
    """Hosts 10.0.0.1, 10.0.0.2, ..., and what joins them."""

    def __init__(self, count):
        self.middle = Namespace()
        self.hosts = []
        try:
            self.middle.run("link", "add", "switch", "type", "bridge")
            self.middle.run("link", "set", "switch", "up")
            for number in range(1, count + 1):
                self._add(number)
        except BaseException:
            self.close()
            raise

    def _add(self, number):
        host, port = Namespace(), f"port{number}"
        self.hosts.append(host)
        self.middle.run("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.process.pid))
        self.middle.run("link", "set", port, "up")
        host.run("address", "add", f"10.0.0.{number}/24", "dev", "eth0")
        host.run("link", "set", "eth0", "up")
        self.join(number)

    def join(self, number):
        self.middle.run("link", "set", f"port{number}", "master", "switch")

    def part(self, number):
        self.middle.run("link", "set", f"port{number}", "nomaster")

    def close(self):
        for namespace in (*self.hosts, self.middle):
            namespace.close()


class Parted(unittest.TestCase):
    STORE, SIDECAR = 1, 2  # hosts

    def setUp(self):
        if os.geteuid() != 0:
            self.skipTest("who is not root makes no network namespaces")
        for program in ("ip", "unshare", "nsenter"):
            require_program(program)
        self.switch = Switch(2)
        self.addCleanup(self.switch.close)
        self.store = Redis(("bind 10.0.0.1", "protected-mode no"), port=free_port(), under=self.host(self.STORE).under)
        self.addCleanup(self.store.close)
        self.store.begin_full()
        # Two beside the store, and one elsewhere.
        self.daemons = [self.start(f"unix:{self.store.socket_path}") for _ in range(2)]
        self.daemons.append(self.start(f"redis://10.0.0.1:{self.store.port}", under=self.host(self.SIDECAR).under))
        self.addCleanup(lambda: [daemon.stop() for daemon in self.daemons])

    def host(self, number):
        return self.switch.hosts[number - 1]

    def start(self, store, **more):
        return start_sidecar(configuration(store, (LIMIT,)), listen=("unix:{directory}/s",), **more)

    def part_and_heal(self, host):
        """Whichever end is parted, the sidecar elsewhere spends its hand and no more, and comes back."""
        one = self.daemons[2]
        with Crowd(self.daemons, "parted") as crowd:
            for parted_s in (0.5, 4):
                wait_until(lambda since_s=time.monotonic(): admitted(crowd.asked(2), since_s) > 10, "all are served")
                self.switch.part(host)
                parted_at_s = time.monotonic()
                time.sleep(parted_s)
                if parted_s > 3:
                    wait_until(lambda: not is_up(one), "it is told")
                    until_s = time.monotonic()
                    self.assertEqual(admitted(crowd.asked(2), parted_at_s + 2.2, until_s), 0, "its lease is over")
                    self.assertGreater(admitted(crowd.asked(), parted_at_s + 2.2, until_s), 0.5 * RATE_PER_S)
                    self.assertTrue(fleet_of(one)["trouble"])
                    self.assertEqual(get(one, "/allow?key=parted").json().get("reason"), "without_store")
                self.switch.join(host)
            healed_s = time.monotonic()
            wait_until(lambda: admitted(crowd.asked(2), healed_s) > 10, "it has come back")
            wait_until(lambda: is_up(one), "and tells so")
        self.assertLessEqual(most_beyond(crowd.asked(), RATE_PER_S), BURST)

    def test_a_sidecar_that_is_parted(self):
        self.part_and_heal(self.SIDECAR)

    def test_a_store_that_is_parted(self):
        self.part_and_heal(self.STORE)


if __name__ == "__main__":
    unittest.main()
