#!/usr/bin/python3 -B
"""
The state of a sidecar of a fleet: room for what is in hand, and whose it is. The fleet's store is not there.

What becomes of what is in hand is for Kept in test_fleet.py.
"""
import os
import struct
import subprocess
import unittest

import test_state
from harness import closed_port, wait_until
from test_fleet_daemon import fleet

PAGE = 4096
ROOM = PAGE + 65536 * 512  # src/keep/share_records.c
HOME, SEAL = 8, 32
MOVED = r"state \S+: moved to get room for what is in hand of the fleet$"


class Fleet(test_state.StateCase):
    def setUp(self):
        super().setUp()
        held, port = closed_port()
        self.addCleanup(held.close)
        self.fleet = fleet(f"redis://127.0.0.1:{port}")

    def shared(self, more="", state=None):
        return self.config(self.fleet + more, state) + \
            "  - {name: shared, match: 'shared:*', burst: 10, rate: 1/h, scope: fleet}\n"

    # -- the section, which stands at the end --

    def read(self, what, path=None):
        with open(path or self.path, "rb") as file:
            file.seek(what - ROOM, os.SEEK_END)
            return struct.unpack("=Q", file.read(8))[0]

    def write(self, what, value):
        with open(self.path, "r+b") as file:
            file.seek(what - ROOM, os.SEEK_END)
            file.write(struct.pack("=Q", value))

    def assert_nobodys(self, path=None):
        self.assertEqual(self.read(SEAL, path), 0)

    def assert_somebodys(self, path=None):
        self.assertNotEqual(self.read(SEAL, path), 0)

    def killed(self, config=None):
        daemon = self.start(config or self.shared())
        self.take(daemon, "key", 4)
        daemon.kill()

    # -- where it is --

    def test_a_new_state_has_room_if_there_is_a_fleet(self):
        daemon = self.start()
        daemon.stop()
        without = os.stat(self.path).st_size
        os.remove(self.path)
        daemon = self.start(self.shared())
        daemon.stop()
        self.assertNotIn("moved", "\n".join(daemon.log()))
        self.assertEqual(os.stat(self.path).st_size, without + ROOM)
        self.assertLess(os.stat(self.path).st_blocks * 512, 2 << 20)
        self.assert_somebodys()

    def test_one_that_has_none_is_moved_when_a_fleet_comes(self):
        daemon = self.start()
        self.take(daemon, "key", 4)
        lease = daemon.call("POST", "/acquire?key=held&ttl=1h").json()["lease"]
        daemon.kill()
        before = os.stat(self.path)
        daemon = self.start(self.shared())
        daemon.wait_for_line(MOVED)
        self.assertEqual(self.remaining(daemon, "key"), 6)
        self.assertEqual(daemon.call("POST", f"/renew?lease={lease}").status, 200)
        self.assert_sound(daemon)
        self.assertEqual(os.listdir(self.directory), ["state"])
        self.assertEqual(os.stat(self.path).st_size, before.st_size + ROOM)
        self.assert_somebodys()
        daemon.kill()
        before = os.stat(self.path)
        for config in (self.shared(), self.config(), self.shared()):
            daemon = self.start(config)
            self.assertEqual(self.remaining(daemon, "key"), 6)
            self.assertEqual(daemon.call("POST", f"/renew?lease={lease}").status, 200)
            self.assertNotIn("moved", "\n".join(daemon.log()))
            daemon.kill()
            self.assertEqual((os.stat(self.path).st_size, os.stat(self.path).st_ino), (before.st_size, before.st_ino))

    def test_it_stays_when_the_fleet_goes_and_the_number_of_keys_changes(self):
        daemon = self.start(self.shared("max_keys: 100\n"))
        daemon.kill()
        daemon = self.start(self.config("max_keys: 200\n"))
        daemon.wait_for_line("moved from max_keys 100 to 200$")
        daemon.kill()
        daemon = self.start(self.shared("max_keys: 200\n"))
        self.assertNotIn("moved", "\n".join(daemon.log()))
        self.assert_sound(daemon)
        daemon.stop()

    def test_what_is_in_the_way_of_it_stays(self):
        daemon = self.start()
        self.take(daemon, "key", 4)
        daemon.kill()
        os.mkdir(self.path + ".new")
        for _ in range(2):
            daemon = self.start(self.shared())
            daemon.wait_for_line(r"cannot make \S+\.new: something else is there; move it away, then restart; ")
            daemon.wait_for_line(r"warning: state \S+ has no room for what is in hand of the fleet, ")
            self.assertEqual(self.remaining(daemon, "key"), 6)
            self.assert_sound(daemon)
            daemon.kill()
        os.rmdir(self.path + ".new")
        daemon = self.start(self.shared())
        daemon.wait_for_line(MOVED)
        self.assertEqual(self.remaining(daemon, "key"), 6)
        daemon.stop()

    def test_a_fleet_that_a_reload_brings_waits_for_the_next_start(self):
        daemon = self.start()
        self.take(daemon, "key", 4)
        daemon.reload(self.shared())
        self.assert_sound(daemon)
        daemon.kill()
        daemon = self.start(self.shared())
        daemon.wait_for_line(MOVED)
        self.assertEqual(self.remaining(daemon, "key"), 6)
        daemon.stop()

    # -- whose it is --

    def test_in_a_life_without_a_fleet_it_is_somebodys(self):
        self.killed()
        daemon = self.start()
        self.assert_somebodys() # a reload may bring the fleet back
        daemon.kill()

    def test_it_moves_along(self):
        self.killed(self.shared("max_keys: 100\n"))
        link = self.path + "2"
        os.link(self.path, link)
        daemon = self.start(self.shared("max_keys: 5000\n"))
        daemon.wait_for_line("moved from max_keys 100 to 5000$")
        self.assert_somebodys()
        self.assert_nobodys(link) # which is the file that it has left
        daemon.kill()
        daemon = self.start(self.shared("max_keys: 5000\n"))
        daemon.stop()

    # -- while it serves --

    def test_while_the_file_is_gone_it_is_nobodys(self):
        self.killed()
        for threads in (0, 1):
            daemon = self.start(self.shared(f"threads: {threads}\n"))
            link = f"{self.path}{threads}"
            os.rename(self.path, link)
            daemon.wait_for_line("is no longer there: ")
            wait_until(lambda: self.read(SEAL, link) == 0, "it is nobody's") # the state thread is told after the log has it
            self.assertRegex(self.hup(daemon), "made anew")
            self.assert_nobodys(link)
            self.assert_somebodys()
            self.assertNotEqual(self.read(HOME), self.read(HOME, link))
            daemon.kill()
            daemon = self.start(self.shared(f"threads: {threads}\n"))
            os.rename(self.path, link)
            daemon.wait_for_line("is no longer there: ")
            wait_until(lambda: self.read(SEAL, link) == 0, "it is nobody's") # the state thread is told after the log has it
            os.rename(link, self.path)
            self.assertRegex(self.hup(daemon), "is there again")
            self.assert_somebodys()
            daemon.kill()
        daemon = self.start(self.shared())
        daemon.stop()

    def test_once_the_file_has_failed_it_is_nobodys(self):
        with test_state.Failing.small_disk(self, "256k") as place:
            self.path = place + "/state"
            self.killed(self.shared("max_keys: 20000\n"))
            daemon = self.start(self.shared("max_keys: 20000\n"))
            self.assert_somebodys()
            self.fill(daemon, 15000)
            daemon.wait_for_line(r"state \S+ has failed")
            self.assert_degraded(daemon, "has failed")
            self.assert_nobodys()
            subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
            self.assertIn("state: made anew", self.hup(daemon))
            self.assert_somebodys()
            daemon.stop()


if __name__ == "__main__":
    unittest.main()
