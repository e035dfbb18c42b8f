#!/usr/bin/python3 -B
"""
Limits of scope fleet, with real stores: what all sidecars together admit, counted at their clients' side and held over
every window against burst + rate * (length + a tick of the store), while sidecars and stores are killed, stopped, emptied
and parted; that no warm decision waits for a store; and what is said of stores that are none.
"""
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import tempfile
import threading
import time
import unittest

from fleet_world import (Asked, Crowd, Cut, Redis, admitted, configuration, fleet_of, free_port, get, is_up, most_beyond,
                         start_sidecar)
from harness import (ALLOWD, ENDS_WITH_US, PATIENCE_S, TOP, Connection, Daemon, library, request_bytes, run_allowd,
                     wait_until)
from metrics import Metrics
from recipes import EXAMPLES, require_program

RATE_PER_S, BURST = 200, 100
# For tests that ask once: a busy machine may take longer for an answer than the defaults wait.
PATIENT = {"cold_wait": "5s", "op_timeout": "1s"}
LIMIT = f"name: default, burst: {BURST}, rate: {RATE_PER_S}/s, scope: fleet"


class Windows(unittest.TestCase):
    """What the others go by: the most beyond the rate in any window, against a slow search."""

    def test_it_finds_the_same_as_a_search_of_all(self):
        dice = random.Random(5)
        for _ in range(100):
            asked = []
            for _ in range(dice.randrange(1, 40)):
                sent_s = 3 * dice.random()
                asked.append(Asked(sent_s, sent_s + dice.random() / 2, dice.randrange(1, 4), dice.random() < 0.8, 0))
            rate_per_s = 20 * dice.random()
            yes = [one for one in asked if one.allowed]
            slow = max([0.0] + [sum(one.tokens for one in yes
                                    if one.sent_s >= first.sent_s and one.answered_s <= last.answered_s)
                                - rate_per_s * (last.answered_s - first.sent_s + 0.001)
                                for first in yes for last in yes if last.answered_s >= first.sent_s])
            self.assertAlmostEqual(most_beyond(asked, rate_per_s), slow, places=6)

    def test_one_too_many_is_seen(self):
        asked = [Asked(0.1 * i, 0.1 * i, 1, True, i % 2) for i in range(100)]
        self.assertLessEqual(most_beyond(asked, 10), 1)
        self.assertGreater(most_beyond([*asked, Asked(5.01, 5.01, 1, True, 0)], 10), 1.8)


class Fleet(unittest.TestCase):
    """A store and some sidecars, which the tests of a class have for themselves."""

    sidecars = 3
    limits = (LIMIT,)
    settings = {}
    store_settings = ()
    is_new = True

    def setUp(self):
        self.store = Redis(self.store_settings)
        self.addCleanup(self.store.close)
        if self.is_new:
            self.store.begin_full()
        self.daemons = []
        self.addCleanup(self.stop_all)
        for _ in range(self.sidecars):
            self.daemons.append(start_sidecar(self.config()))

    def stop_all(self):
        for daemon in self.daemons:
            if daemon is not None:
                daemon.stop()

    def config(self, store=None):
        return configuration(store or self.store.url, self.limits, **self.settings)

    def assert_bound(self, asked, beyond=0, rate_per_s=RATE_PER_S, burst=BURST):
        self.assertLessEqual(most_beyond(asked, rate_per_s), burst + beyond)

    def assert_goes_on(self, crowd, since_s, what, least=RATE_PER_S // 10):
        """Waits until so many more were admitted."""
        wait_until(lambda: admitted(crowd.asked(), since_s) >= least, what)


class Quiet(Fleet):
    limits = (LIMIT + ", overrides: [{key: vip, action: allow}]",)
    settings = PATIENT

    def test_all_together_get_what_the_limit_says(self):
        with Crowd(self.daemons, "quiet") as crowd:
            time.sleep(6)
        asked = crowd.asked()
        self.assert_bound(asked)
        took_s = asked[-1].answered_s - asked[0].sent_s
        self.assertGreater(admitted(asked), 0.9 * (BURST + RATE_PER_S * took_s))
        for sidecar in range(self.sidecars):
            self.assertGreater(admitted(crowd.asked(sidecar)), 0.15 * admitted(asked), "each gets its part")
        seen = fleet_of(self.daemons[0])
        self.assertRegex(seen["server"], r"^(redis|redict|valkey) \d")
        self.assertEqual((seen["store"], seen["calls_failed"], seen["lost"]), ("up", 0, 0))

    def test_a_quiet_key_leaves_no_record(self):
        self.assertEqual(get(self.daemons[0], "/allow?key=quieter").status, 200)
        self.assertEqual(len(self.store.call("KEYS", "allowd:*:quieter")), 1)
        wait_until(lambda: not self.store.call("KEYS", "allowd:*:quieter"), "it has given all back, and is full")

    def test_a_drain_gives_all_back_at_once(self):
        key = "drained"
        for _ in range(5):
            self.assertEqual(get(self.daemons[0], f"/allow?key={key}").status, 200)
        self.assertGreater(fleet_of(self.daemons[0])["hand"], 0)
        self.daemons[0].stop()
        self.daemons[0] = None
        answer = get(self.daemons[1], f"/allow?key={key}&tokens={BURST - 5}").json()
        self.assertTrue(answer["allowed"], answer)

    def test_answers_are_marked_and_reset_refund_and_charge_reach_the_others(self):
        one, other = self.daemons[:2]
        answer = get(one, "/allow?key=told&tokens=90").json()
        self.assertEqual((answer["allowed"], answer["remaining"], answer["estimate"]), (True, 10, True))
        self.assertEqual(get(other, "/allow?key=told&tokens=50").status, 429)
        self.assertEqual(get(other, "/reset?key=told", "POST").status, 200)
        wait_until(lambda: get(other, "/allow?key=told&tokens=80").status == 200, "the reset has reached the store")
        self.assertEqual(get(one, "/charge?key=told&tokens=100", "POST").json()["charged"], 100)
        wait_until(lambda: get(other, "/allow?key=told&tokens=30").status == 429, "the charge too")

    def test_overrides_once_and_lists_are_as_under_other_limits(self):
        one = self.daemons[0]
        self.assertEqual(get(one, "/allow?key=vip&tokens=100000").json()["reason"], "override")
        for _ in range(2):
            answer = get(one, "/allow?key=once&tokens=10&once=abc", "POST").json()
            self.assertTrue(answer["allowed"])
        self.assertGreaterEqual(get(one, "/allow?key=once&tokens=0").json()["remaining"], 90)
        with Connection(one.address) as connection:
            body = json.dumps({"requests": [{"key": "a", "tokens": 60}, {"key": "b", "tokens": 101}], "mode": "all"})
            connection.send(request_bytes("POST", "/allow", [("Content-Type", "application/json")], body.encode()))
            answer = connection.receive()
        self.assertEqual((answer.status, answer.json()["allowed"]), (429, False))

    def test_a_lease_is_refused_and_says_why(self):
        answer = get(self.daemons[0], "/acquire?key=leased", "POST")
        self.assertEqual(answer.status, 400)
        self.assertIn("scope: fleet", answer.json()["detail"])


SLOTS = 6


class Lease:
    """A lease of a key, asked of a sidecar."""

    def __init__(self, daemon, key, parameters="&ttl=1m"):
        self.daemon = daemon
        self.response = get(daemon, f"/acquire?key={key}{parameters}", "POST")
        self.answer = self.response.json()
        self.is_allowed = self.response.status == 200

    def ask(self, call, parameters="", daemon=None):
        return get(daemon or self.daemon, f"/{call}?lease={self.answer['lease']}{parameters}",
                   "GET" if call == "status" else "POST")


class Borrower(threading.Thread):
    """Holds leases of one key, one after the other, and remembers from when to when."""

    def __init__(self, crowd, dice):
        super().__init__()
        self.crowd, self.dice = crowd, dice
        self.held, self.denied = [], 0

    def run(self):
        while not self.crowd.is_over:
            sidecar = self.dice.randrange(len(self.crowd.daemons))
            lease = Lease(self.crowd.daemons[sidecar], self.crowd.key, "&ttl=10s")
            if not lease.is_allowed:
                self.denied += 1
                time.sleep(0.01)
                continue
            since_s = time.monotonic()
            time.sleep(0.2 * self.dice.random())
            until_s = time.monotonic()
            if lease.ask("release").status == 200:
                self.held.append((since_s, until_s, sidecar))


class Borrowers:
    """So many of them until the end of the block."""

    def __init__(self, daemons, key, count=16):
        self.daemons, self.key, self.is_over = daemons, key, False
        self.all = [Borrower(self, random.Random(number)) for number in range(count)]

    def __enter__(self):
        for one in self.all:
            one.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for one in self.all:
            one.join(PATIENCE_S)
            assert not one.is_alive(), "a caller was not answered"

    def served(self):
        """The sidecars that have lent any."""
        return {sidecar for one in self.all for _, _, sidecar in one.held}

    def most_at_once(self):
        edges = sorted([(since_s, 1) for one in self.all for since_s, _, _ in one.held] +
                       [(until_s, -1) for one in self.all for _, until_s, _ in one.held])
        now = most = 0
        for _, change in edges:
            now += change
            most = max(most, now)
        return most


class Slots(Fleet):
    """What all sidecars lend together."""
    limits = (f"name: default, concurrent: {SLOTS}, scope: fleet, overrides: [{{key: few, concurrent: 1}}]",
              f"name: tokens, burst: {BURST}, rate: {RATE_PER_S}/s, scope: fleet")
    settings = {**PATIENT, "on_partition": "allow"}

    def assert_denied(self, daemon, key):
        lease = Lease(daemon, key)
        self.assertEqual(lease.response.status, 429, lease.answer)
        return lease.answer

    def all_slots(self, daemon, key, ttl="1m"):
        leases = [Lease(daemon, key, f"&ttl={ttl}") for _ in range(SLOTS)]
        self.assertEqual([lease.is_allowed for lease in leases], SLOTS * [True])
        return leases

    def test_all_together_lend_no_more_than_there_are(self):
        all_sidecars = set(range(len(self.daemons)))
        with Borrowers(self.daemons, "crowded") as crowd:
            time.sleep(5)
            wait_until(lambda: crowd.served() == all_sidecars, "each sidecar lends some")
        self.assertEqual(crowd.most_at_once(), SLOTS)
        self.assertGreater(sum(one.denied for one in crowd.all), 0)

    def test_what_is_asked_and_told(self):
        one, other = self.daemons[:2]
        lease = Lease(one, "told", "&slots=4&ttl=30s")
        self.assertTrue(lease.is_allowed)
        self.assertEqual((lease.answer["slots"], lease.answer["remaining"], lease.answer["estimate"],
                          lease.answer["expires_after_ms"]), (4, SLOTS - 4, True, 30000))
        denied = Lease(other, "told", "&slots=3")
        self.assertEqual((denied.response.status, denied.answer["remaining"]), (429, 2))
        self.assertLessEqual(denied.answer["retry_after_ms"], 1100)
        self.assertNotIn("reason", denied.answer)
        self.assertTrue(Lease(other, "told", "&slots=2").is_allowed)
        self.assertEqual(get(one, f"/acquire?key=told&slots={SLOTS + 1}", "POST").status, 429)
        self.assertEqual(lease.ask("status").json()["state"], "held")
        self.assertGreater(lease.ask("renew", "&ttl=1h").json()["expires_after_ms"], 3500000)
        self.assertEqual(lease.ask("renew", daemon=other).status, 404)
        self.assertIn("another allowd gave it", lease.ask("renew", daemon=other).json()["detail"])
        self.assertEqual(lease.ask("release").status, 200)
        wait_until(lambda: Lease(other, "told", "&slots=4").is_allowed, "what is released comes to the other")
        self.assertTrue(Lease(one, "few").is_allowed)
        self.assert_denied(other, "few")
        for call in ("allow", "reset", "refund", "charge"):
            self.assertEqual(get(one, f"/{call}?key=told&tokens=1" if call != "reset" else "/reset?key=told",
                                 "POST").status, 400, call)
        self.assertIn("scope: fleet and counts tokens",
                      get(one, "/acquire?key=a&limit=tokens", "POST").json()["detail"])
        self.assertEqual(get(one, "/status?key=told").json()["remaining"], 0)

    def test_who_waits_gets_what_another_gives_back(self):
        one, other = self.daemons[:2]
        leases = self.all_slots(one, "waited")
        answers = []
        waits = threading.Thread(target=lambda: answers.append(Lease(other, "waited", "&wait=30s")))
        waits.start()
        wait_until(lambda: get(other, "/status").json()["counters"]["waiting"] == 1, "somebody waits")
        self.assertEqual(leases[0].ask("release").status, 200)
        waits.join(PATIENCE_S)
        self.assertTrue(answers[0].is_allowed)
        self.assertGreater(answers[0].answer["waited_ms"], 0)

    def test_the_slots_of_a_sidecar_that_is_killed_come_back_after_their_end(self):
        victim, other = self.daemons[:2]
        began_s = time.monotonic()
        self.all_slots(victim, "killed", "3s")
        victim.kill()
        self.daemons[0] = None
        while time.monotonic() < began_s + 2.9:
            lease = Lease(other, "killed")
            if time.monotonic() < began_s + 3:
                self.assertFalse(lease.is_allowed)
        wait_until(lambda: Lease(other, "killed", f"&slots={SLOTS}").is_allowed, "their leases are over")

    def test_the_slots_of_a_sidecar_that_is_stopped_come_back_after_their_end(self):
        leaves, other = self.daemons[:2]
        began_s = time.monotonic()
        kept = Lease(leaves, "drained", "&slots=2&ttl=3s")
        self.assertEqual(Lease(leaves, "drained", "&slots=4").ask("release").status, 200)
        self.assertTrue(kept.is_allowed)
        leaves.stop()
        self.daemons[0] = None
        self.assertTrue(Lease(other, "drained", "&slots=4").is_allowed, "what nobody had was given back at once")
        lease = Lease(other, "drained")
        if time.monotonic() < began_s + 3:
            self.assertFalse(lease.is_allowed)
        wait_until(lambda: Lease(other, "drained", "&slots=2").is_allowed, "the rest comes back at its end")

    def test_without_the_store_nothing_is_lent_or_renewed(self):
        one = self.daemons[0]
        lease = Lease(one, "parted", "&ttl=1h")
        self.assertTrue(lease.is_allowed)
        self.store.pause()
        answer = self.assert_denied(one, "parted")
        self.assertEqual(answer["reason"], "without_store")
        renewal = lease.ask("renew", "&ttl=2h")
        self.assertEqual(renewal.status, 503)
        self.assertIn("the fleet's store has not said in time", renewal.json()["detail"])
        self.assertEqual(lease.ask("status").json()["state"], "held")
        self.store.go_on()
        wait_until(lambda: lease.ask("renew", "&ttl=2h").status == 200, "the store is back")
        self.assertEqual(lease.ask("release").status, 200)

    def test_a_store_that_forgets_is_told_what_is_lent(self):
        one, other = self.daemons[:2]
        leases = self.all_slots(one, "forgotten")
        self.store.call("FLUSHALL")
        wait_until(lambda: self.store.call("KEYS", "allowd:*:forgotten"), "it is told")
        until_s = time.monotonic() + 4
        while time.monotonic() < until_s:
            self.assert_denied(other, "forgotten")
            time.sleep(0.1)
        self.assertEqual(leases[0].ask("release").status, 200)
        wait_until(lambda: Lease(other, "forgotten").is_allowed, "what is released can be lent")
        self.assert_denied(other, "forgotten")


class Steady(Fleet):
    sidecars = 2

    def test_nearly_all_of_the_limit_is_used(self):
        with Crowd(self.daemons, "steady", each=3) as crowd:
            time.sleep(2)
            since_s = time.monotonic()
            time.sleep(20)
            until_s = time.monotonic()
        asked = crowd.asked()
        self.assert_bound(asked)
        self.assertGreaterEqual(admitted(asked, since_s, until_s), 0.98 * RATE_PER_S * (until_s - since_s))


class Hot(Fleet):
    """One key that is asked for all the time."""
    sidecars = 1
    limits = ("name: default, burst: 1000000, rate: 1000000/s, scope: fleet",)

    def test_the_store_is_called_for_one_in_two_hundred_at_most(self):
        wait_until(lambda: get(self.daemons[0], "/allow?key=hot").status == 200, "it is warm")
        decisions, batch = 0, 50
        one = request_bytes("GET", "/allow?key=hot")
        calls = self.store.script_calls()
        with Connection(self.daemons[0].address) as connection:
            until_s = time.monotonic() + 3
            while time.monotonic() < until_s:
                connection.send(one * batch)
                self.assertEqual({connection.receive().status for _ in range(batch)}, {200})
                decisions += batch
        self.assertGreater(decisions, 3000)
        self.assertLessEqual((self.store.script_calls() - calls) / decisions, 1 / 200)

    def test_no_warm_decision_waits_for_a_store_that_stands(self):
        one = request_bytes("GET", "/allow?key=warm")
        took_s = []
        with Connection(self.daemons[0].address) as connection:
            def ask():
                connection.send(one)
                began_s = time.monotonic()
                status = connection.receive().status
                return status, time.monotonic() - began_s
            wait_until(lambda: ask()[0] == 200, "it is warm")
            for _ in range(300):  # so that the hand does for more than that
                self.assertEqual(ask()[0], 200)
            hand = fleet_of(self.daemons[0])["hand"]
            self.assertGreater(hand, 20)
            self.store.pause()
            for _ in range(min(hand, 200)):
                status, one_took_s = ask()
                self.assertEqual(status, 200)
                took_s.append(one_took_s)
            self.store.go_on()
        took_s.sort()
        self.assertLess(took_s[len(took_s) // 2], 0.005)


class Kills(Fleet):
    def test_a_sidecar_that_is_killed_and_started_again(self):
        with Crowd(self.daemons, "killed") as crowd:
            for _ in range(3):
                time.sleep(1)
                victim = self.daemons[0]
                self.daemons[0] = None
                victim.kill()
                time.sleep(0.3)
                self.daemons[0] = start_sidecar(self.config())
            self.assert_goes_on(crowd, time.monotonic(), "they go on")
        self.assert_bound(crowd.asked())

    def test_a_sidecar_that_stands_still(self):
        with Crowd(self.daemons, "stopped") as crowd:
            time.sleep(1)
            for pause_s in (0.3, 1, 4):
                self.daemons[0].signal(signal.SIGSTOP)
                time.sleep(pause_s)
                self.daemons[0].signal(signal.SIGCONT)
                time.sleep(1)
            self.assert_goes_on(crowd, time.monotonic(), "they go on")
        self.assert_bound(crowd.asked())


class Kept(Fleet):
    """Sidecars with a state file: what one that is killed had in hand the next one has, and no copy of the file grants it."""
    sidecars = 1
    limits = ("name: mine, match: 'mine:*', burst: 5, rate: 1/d", LIMIT)

    def setUp(self):
        self.folder = self.enterContext(tempfile.TemporaryDirectory(prefix="allowd-kept-"))
        super().setUp()

    def config(self, store=None, **more):
        return self.with_state("state", store, **more)

    def with_state(self, name, store=None, max_keys=1000):
        return f"state: {self.folder}/{name}\nmax_keys: {max_keys}\nmax_leases: 10\n" + super().config(store)

    def copy(self, name, of="state"):
        """With its holes, as cp has them."""
        subprocess.run(["cp", "--sparse=always", f"{self.folder}/{of}", f"{self.folder}/{name}"], check=True)

    def kill(self):
        victim, self.daemons[0] = self.daemons[0], None
        victim.kill()

    def start(self, config=None):
        self.daemons.append(start_sidecar(config or self.config()))
        return self.daemons[-1]


class KeptRate(Kept):
    def test_one_that_is_killed_and_started_again_at_once(self):
        self.daemons.append(start_sidecar(self.with_state("other")))
        with Crowd(self.daemons, "kept") as crowd:
            self.assertEqual(get(self.daemons[0], "/allow?key=mine:a&tokens=5").status, 200)
            for _ in range(3):
                self.assert_goes_on(crowd, time.monotonic(), "they go on", RATE_PER_S)
                self.kill()
                self.daemons[0] = start_sidecar(self.config())
                self.assertEqual(get(self.daemons[0], "/allow?key=mine:a").status, 429)  # by the file
        self.assert_bound(crowd.asked())

    def test_a_file_that_is_copied_grants_nothing_twice(self):
        self.daemons += [None, None]
        with Crowd(self.daemons, "copied") as crowd:
            self.assert_goes_on(crowd, time.monotonic(), "it is warm", RATE_PER_S)
            self.copy("live")
            self.daemons[1] = start_sidecar(self.with_state("live"))
            self.assert_goes_on(crowd, time.monotonic(), "both go on", RATE_PER_S)
            self.kill()
            self.copy("dead")
            self.daemons[0] = start_sidecar(self.config())
            self.daemons[2] = start_sidecar(self.with_state("dead"))
            for sidecar in range(3):
                wait_until(lambda sidecar=sidecar: admitted(crowd.asked(sidecar)) > 0, "each goes on")
            self.assert_goes_on(crowd, time.monotonic(), "they go on", 2 * RATE_PER_S)
        self.assert_bound(crowd.asked())


class KeptHand(Kept):
    """Nobody gives anything back, or loses it, while the test lasts."""
    sidecars = 0
    limits = ("name: mine, match: 'mine:*', burst: 1000, rate: 1/d, scope: fleet",
              "name: slots, match: 'slots:*', concurrent: 5, scope: fleet", LIMIT)
    settings = {**PATIENT, "ttl": "60s", "renew": "15s", "grace": "1s", "return_after": "60s"}

    def begin(self, config=None):
        """Some of a burst are taken, some are in hand, and the store has the rest."""
        daemon = self.start(config)
        for _ in range(20):
            self.assertEqual(get(daemon, "/allow?key=mine:a").status, 200)
        hand = wait_until(lambda: fleet_of(daemon)["hand"], "it has some in hand")
        self.assert_left(daemon, 980)
        return daemon, hand

    def assert_left(self, daemon, tokens):
        """In hand and with the store together, whatever others have out not counted."""
        wait_until(lambda: get(daemon, "/status?key=mine:a").json()["remaining"] == tokens, f"there are {tokens}")

    def die(self):
        self.daemons.pop().kill()

    def test_the_next_process_has_it_and_no_more(self):
        daemon, hand = self.begin()
        for spent in range(1, 4):
            self.die()
            daemon = self.start()
            daemon.wait_for_line("the fleet's store is asked for what the process before had in hand of 1 key$")
            wait_until(lambda daemon=daemon, spent=spent: fleet_of(daemon)["hand"] == hand - (spent - 1), "it has all that was in hand")
            self.assertEqual(get(daemon, "/allow?key=mine:a").status, 200)
            self.assert_left(daemon, 980 - spent)
        self.assertEqual(fleet_of(daemon)["lost"], 0)

    def test_no_copy_has_it(self):
        _, hand = self.begin()
        self.copy("live")
        self.assert_left(self.start(self.with_state("live")), 980 - hand)
        self.die()
        self.die()
        self.copy("dead")
        self.assert_left(self.start(self.with_state("dead")), 980 - hand)
        self.die()
        self.assert_left(self.start(), 980)

    def test_a_copy_in_its_place_has_not(self):
        _, hand = self.begin()
        self.die()
        self.copy("copy")
        os.remove(f"{self.folder}/state")
        self.copy("state", of="copy")
        self.assert_left(self.start(), 980 - hand)

    def test_a_copy_written_over_the_very_file_has_not(self):
        """The store has had orders since it was made, of what was spent and of what was charged."""
        daemon, _ = self.begin()
        self.copy("copy")
        self.assertEqual(get(daemon, "/allow?key=mine:a").status, 200)
        self.assertEqual(get(daemon, "/charge?key=mine:a&tokens=300", "POST").json()["charged"], 300)
        self.assert_left(daemon, 679)
        hand = fleet_of(daemon)["hand"]
        self.die()
        inode = os.stat(f"{self.folder}/state").st_ino
        self.copy("state", of="copy")
        self.assertEqual(os.stat(f"{self.folder}/state").st_ino, inode)
        daemon = self.start()
        daemon.wait_for_line("the fleet's store is asked for what the process before had in hand of 1 key$")
        wait_until(lambda: fleet_of(daemon)["lost"] > 0, "the store has refused it")
        self.assert_left(daemon, 679 - hand)

    def test_who_comes_too_late_has_not(self):
        """Another sidecar that starts on the very file, by another name, has gone on from it."""
        _, hand = self.begin()
        self.die()
        os.link(f"{self.folder}/state", f"{self.folder}/link")
        self.assert_left(self.start(self.with_state("link")), 980)
        self.die()
        self.assert_left(self.start(), 980)
        self.assertEqual(fleet_of(self.daemons[0])["hand"], hand)

    def test_it_moves_along_with_another_number_of_keys(self):
        self.begin()
        self.die()
        self.assert_left(self.start(self.config(max_keys=5000)), 980)

    def test_another_fleet_is_not_asked_for_it(self):
        """To its store it would look as if that had lost a record, which begins empty then."""
        _, hand = self.begin()
        self.die()
        self.store.begin_full("other")
        self.assert_left(self.start(self.config().replace("name: test\n", "name: other\n")), 1000)
        self.die()
        self.assert_left(self.start(), 980 - hand)

    def test_in_a_life_without_a_fleet_it_is_forgotten(self):
        _, hand = self.begin()
        self.die()
        local = f"state: {self.folder}/state\nmax_keys: 1000\nmax_leases: 10\nlimits:\n  - {{name: default, burst: 5, rate: 1/s}}\n"
        Daemon(local).stop()
        self.assert_left(self.start(), 980 - hand)

    def test_a_file_that_a_reload_has_made_anew_has_it(self):
        daemon, _ = self.begin()
        os.remove(f"{self.folder}/state")
        daemon.wait_for_line("is no longer there")
        daemon.reload(self.config())
        daemon.wait_for_line("made anew")
        self.die()
        self.assert_left(self.start(), 980)

    def test_a_charge_that_the_store_does_not_know_is_not_forgotten(self):
        daemon, _ = self.begin()
        self.store.pause()
        self.assertEqual(get(daemon, "/charge?key=mine:a&tokens=900", "POST").json()["charged"], 900)
        self.die()
        self.store.go_on()
        self.assert_left(self.start(), 80)

    def test_leases_keep_their_slots_and_none_is_there_twice(self):
        daemon = self.start()
        leases = [get(daemon, "/acquire?key=slots:a&ttl=10m", "POST").json()["lease"] for _ in range(3)]
        for _ in range(2):
            self.die()
            daemon = self.start()
            for lease in leases:
                wait_until(lambda daemon=daemon, lease=lease: get(daemon, f"/renew?lease={lease}", "POST").status == 200, "it is renewed")
            self.assertEqual(get(daemon, "/status?key=slots:a").json()["remaining"], 2)
        more = [get(daemon, "/acquire?key=slots:a&ttl=10m&wait=5s", "POST").status for _ in range(2)]
        self.assertEqual(more, [200, 200])
        self.assertEqual(get(daemon, "/acquire?key=slots:a&ttl=10m", "POST").status, 429)
        self.assertEqual(get(daemon, f"/release?lease={leases[0]}", "POST").status, 200)
        wait_until(lambda: get(daemon, "/status?key=slots:a").json()["remaining"] == 1, "it is free")


class StoreKills(Fleet):
    store_settings = ("appendonly yes", "appendfsync everysec")

    def test_a_store_that_is_killed_and_reads_its_log(self):
        with Crowd(self.daemons, "log") as crowd:
            for _ in range(2):
                time.sleep(1.5)
                self.store.kill()
                time.sleep(0.5)
                self.store.start()
                self.assert_goes_on(crowd, time.monotonic(), "they go on")
            time.sleep(1)
        self.assert_bound(crowd.asked())
        for daemon in self.daemons:
            wait_until(lambda daemon=daemon: is_up(daemon), "each has found it again")


class Forgets(Fleet):
    settings = {"ttl": "500ms", "renew": "125ms", "grace": "100ms"}
    beyond_a_loss = 0

    def test_a_store_that_is_emptied(self):
        with Crowd(self.daemons, "emptied") as crowd:
            for _ in range(3):
                time.sleep(1)
                self.store.call("FLUSHALL")
                self.assert_goes_on(crowd, time.monotonic() + 0.6, "they go on, from empty buckets")
        self.assert_bound(crowd.asked(), beyond=3 * self.beyond_a_loss)
        if self.beyond_a_loss == 0:  # else it forgets what it is that it has forgotten
            self.assertGreater(self.metrics().value("allowd_fleet_forgotten_total"), 0)

    def test_a_store_that_is_killed_and_remembers_nothing(self):
        with Crowd(self.daemons, "amnesia") as crowd:
            time.sleep(1)
            self.store.kill()
            self.store.start()
            self.assert_goes_on(crowd, time.monotonic() + 0.6, "they go on, from empty buckets")
        self.assert_bound(crowd.asked(), beyond=self.beyond_a_loss)

    def test_a_record_that_is_damaged_begins_empty(self):
        self.assertEqual(get(self.daemons[0], "/allow?key=damaged").status, 200)
        name = [name for name in self.store.call("KEYS", "allowd:*:damaged")][0]
        for damage in (b"", b"\x01", b"not a record at all", b"\x01" + 200 * b"\xff"):
            self.store.call("SET", name, damage)
            answers = [get(self.daemons[1], f"/allow?key=damaged&tokens={BURST}").json()["allowed"] for _ in range(3)]
            self.assertNotIn(True, answers)
        wait_until(lambda: get(self.daemons[1], "/allow?key=damaged").status == 200, "it has refilled")
        self.assertGreater(self.metrics(1).value("allowd_fleet_damaged_total"), 0)

    def test_a_record_of_another_version_is_left_alone(self):
        self.assertEqual(get(self.daemons[0], "/allow?key=newer").status, 200)
        name = [name for name in self.store.call("KEYS", "allowd:*:newer")][0]
        record = b"\x02" + bytes(60)
        self.store.call("SET", name, record)
        self.assertEqual(get(self.daemons[1], "/allow?key=newer").status, 429)
        self.assertEqual(self.store.call("GET", name), record)

    def metrics(self, sidecar=0):
        return Metrics(get(self.daemons[sidecar], "/metrics").body.decode("utf-8"))


class OnLossFull(Forgets):
    """One burst more for each loss."""
    settings = {**Forgets.settings, "on_loss": "full"}
    beyond_a_loss = BURST


class Stands(Fleet):
    """The store is there, and does nothing."""

    def test_a_store_that_stands_still(self):
        with Crowd(self.daemons, "stands") as crowd:
            for pause_s in (0.2, 3.5):
                time.sleep(1)
                self.store.pause()
                time.sleep(pause_s)
                self.store.go_on()
                self.assert_goes_on(crowd, time.monotonic(), "they go on")
        self.assert_bound(crowd.asked())

    def test_what_is_said_while_it_stands(self):
        one = self.daemons[0]
        get(one, "/allow?key=said")
        self.assertEqual(Metrics(get(one, "/metrics").body.decode()).value("allowd_fleet_up"), 1)
        self.assertNotIn("warnings", get(one, "/readyz").json())
        self.store.kill()

        def denied_for_that():
            answer = get(one, "/allow?key=said")
            return answer.status == 429 and answer.json().get("reason") == "without_store" and answer.json()
        answer = wait_until(denied_for_that, "the hand is used up")
        self.assertGreater(answer["retry_after_ms"], 0)
        self.assertLessEqual(answer["retry_after_ms"], 5000)
        sentences = get(one, "/explain?key=said").json()["sentences"]
        self.assertTrue(any("the fleet's store has not answered" in sentence for sentence in sentences), sentences)
        ready = get(one, "/readyz")
        self.assertEqual(ready.status, 200)
        self.assertRegex(ready.json()["warnings"][0], r"store is out of reach.*\(on_partition: deny\)")
        self.assertNotEqual(fleet_of(one)["store"], "up")
        self.assertTrue(fleet_of(one)["trouble"])
        metrics = Metrics(get(one, "/metrics").body.decode())
        self.assertEqual(metrics.value("allowd_fleet_up"), 0)
        self.assertGreater(metrics.value("allowd_fleet_partitioned_total"), 0)
        self.assertEqual(metrics.value("allowd_events_total", kind="fleet_lost"), 1)
        one.wait_for_line(r"fleet.*store")
        self.store.start()
        wait_until(lambda: get(one, "/allow?key=said").status == 200, "it is back")
        wait_until(lambda: "warnings" not in get(one, "/readyz").json(), "and all is well")
        metrics = Metrics(get(one, "/metrics").body.decode())
        self.assertEqual(metrics.value("allowd_events_total", kind="fleet_back"), 1)
        self.assertGreater(metrics.value("allowd_fleet_down_seconds_total"), 0)


class OnPartition(Fleet):
    """What is told of `share` and `allow`, with a store that is gone."""
    sidecars = 0

    def assert_apart(self, answer, allowed):
        self.assertEqual((answer.json()["allowed"], answer.json().get("reason")), (allowed, "without_store"))

    def sidecars_without_store(self, count, **settings):
        self.settings = settings
        for _ in range(count):
            self.daemons.append(start_sidecar(self.config()))
        self.store.kill()
        for daemon in self.daemons:
            wait_until(lambda: not is_up(daemon), "the store is lost")

    def test_share(self):
        self.sidecars_without_store(2, on_partition="share", sidecars=2)
        with Crowd(self.daemons, "shared") as crowd:
            time.sleep(3)
        asked = crowd.asked()
        self.assert_bound(asked)
        took_s = asked[-1].answered_s - asked[0].sent_s
        self.assertGreater(admitted(asked), 0.9 * RATE_PER_S * took_s)

    def test_allow(self):
        self.sidecars_without_store(1, on_partition="allow")
        for _ in range(3):
            self.assert_apart(get(self.daemons[0], f"/allow?key=any&tokens={BURST}"), True)

    def test_deny(self):
        self.sidecars_without_store(1)
        self.assert_apart(get(self.daemons[0], "/allow?key=any"), False)


class Parted(Fleet):
    """One sidecar's bytes to the store and back are lost; the others' are not."""
    sidecars = 2

    def setUp(self):
        super().setUp()
        self.cut = Cut(self.store)
        self.daemons.append(start_sidecar(self.config(self.cut.url)))

    def stop_all(self):
        self.cut.heal()
        super().stop_all()
        self.cut.close()

    def test_the_parted_one_spends_its_hand_and_no_more(self):
        with Crowd(self.daemons, "parted") as crowd:
            for parted_s in (0.5, 4):
                time.sleep(1)
                self.cut.cut()
                parted_at_s = time.monotonic()
                time.sleep(parted_s)
                if parted_s > 3:
                    self.assertEqual(admitted(crowd.asked(2), parted_at_s + 2.2), 0, "its lease is over")
                    self.assertGreater(admitted(crowd.asked(), parted_at_s + 2.2), 0.5 * RATE_PER_S)
                self.cut.heal()
            healed_s = time.monotonic()
            wait_until(lambda: admitted(crowd.asked(2), healed_s) > 0, "it has come back")
        self.assert_bound(crowd.asked())


class Sentinels(unittest.TestCase):
    """A master, two replicas and a Sentinel, set as the manual says. With one replica alone the one that is left would
    have none, and refuse."""

    def setUp(self):
        careful = ("min-replicas-to-write 1", "min-replicas-max-lag 1", "repl-diskless-sync-delay 0")
        ports = [free_port() for _ in range(4)]
        self.servers = [self.redis((*careful, *(() if port == ports[0] else (f"replicaof 127.0.0.1 {ports[0]}",))), port)
                        for port in ports[:3]]
        self.sentinel = self.redis((f"sentinel monitor main 127.0.0.1 {ports[0]} 1",
                                    "sentinel down-after-milliseconds main 3000",
                                    "sentinel failover-timeout main 10000"), ports[3], sentinel=True)
        wait_until(lambda: b"slaves=2" in self.sentinel.call("INFO", "sentinel"), "the Sentinel knows both replicas")
        wait_until(lambda: b"min_slaves_good_slaves:2" in self.servers[0].call("INFO", "replication"), "they follow")
        self.servers[0].begin_full()
        config = configuration(f"sentinel://127.0.0.1:{ports[3]}/main", (LIMIT,))
        self.daemons = [start_sidecar(config) for _ in range(2)]
        self.addCleanup(lambda: [daemon.stop() for daemon in self.daemons])

    def redis(self, settings, port, **more):
        store = Redis(settings, port=port, **more)
        self.addCleanup(store.close)
        return store

    def is_promoted(self):
        return any(b"role:master" in server.call("INFO", "replication") for server in self.servers[1:])

    def test_a_master_that_is_killed(self):
        with Crowd(self.daemons, "killed") as crowd:
            time.sleep(2)
            self.servers[0].kill()
            wait_until(self.is_promoted, "a replica is master")
            promoted_s = time.monotonic()
            wait_until(lambda: admitted(crowd.asked(), promoted_s) > 2 * RATE_PER_S, "it serves")
        self.assertLessEqual(most_beyond(crowd.asked(), RATE_PER_S), BURST)

    def test_a_failover_that_is_asked_for(self):
        with Crowd(self.daemons, "asked") as crowd:
            time.sleep(2)
            self.sentinel.call("SENTINEL", "FAILOVER", "main")
            wait_until(self.is_promoted, "a replica is master")
            promoted_s = time.monotonic()
            wait_until(lambda: admitted(crowd.asked(), promoted_s + 3) > 2 * RATE_PER_S, "it serves")
        # The old one may grant for two seconds more.
        self.assertLessEqual(most_beyond(crowd.asked(), RATE_PER_S), BURST + 2 * RATE_PER_S)


class TwoFleets(unittest.TestCase):
    """Sidecars that were given different limits under the same names go on, each by its own terms, and it shows."""

    def start(self, *configurations):
        store = Redis()
        self.addCleanup(store.close)
        daemons = []
        self.addCleanup(lambda: [daemon.stop() for daemon in daemons])
        for settings in configurations:
            store.begin_full(settings["name"])
            daemons.append(start_sidecar(configuration(store.url, **settings, **PATIENT)))
        return daemons

    def test_records_are_converted_to_and_fro(self):
        large = f"name: default, burst: {2 * BURST}, rate: {2 * RATE_PER_S}/s, scope: fleet"
        daemons = self.start({"name": "same", "limits": (LIMIT,)}, {"name": "same", "limits": (large,)})
        with Crowd(daemons, "both") as crowd:
            time.sleep(4)
        self.assertLessEqual(most_beyond(crowd.asked(), 2 * RATE_PER_S), 2 * BURST)
        self.assertGreater(sum(Metrics(get(daemon, "/metrics").body.decode()).value("allowd_fleet_converted_total")
                               for daemon in daemons), 2)

    def test_fleets_of_other_names_have_nothing_in_common(self):
        daemons = self.start({"name": "one", "limits": (LIMIT,)}, {"name": "other", "limits": (LIMIT,)})
        for daemon in daemons:
            self.assertEqual(get(daemon, f"/allow?key=k&tokens={BURST}").status, 200)


class Clocks(Fleet):
    """The store's clock jumps; those of sidecars are not asked at all."""
    sidecars = 0

    def set_clock(self, ahead_s):
        with open(self.clock, "r+b") as file:
            file.write(struct.pack("<q", ahead_s))

    def start_with_clock(self):
        self.clock = self.store.directory / "clock"
        self.clock.write_bytes(bytes(8))
        self.store.kill()
        self.store.start({"LD_PRELOAD": library("WALLCLOCK"), "WALLCLOCK_FILE": str(self.clock)})
        self.store.begin_full()
        self.daemons += [start_sidecar(self.config()) for _ in range(2)]

    def test_a_clock_that_jumps(self):
        self.start_with_clock()
        with Crowd(self.daemons, "jumps") as crowd:
            for ahead_s in (7200, 7100, -7200):
                time.sleep(1.5)
                self.set_clock(ahead_s)
            time.sleep(2)
        # By the store's clock the record has expired, two hours ahead, and one that is not there is full.
        self.assert_bound(crowd.asked(), beyond=BURST)
        # While it is behind it is looked at each second.
        self.assertGreater(max(Metrics(get(daemon, "/metrics").body.decode()).value("allowd_fleet_clock_behind_seconds")
                               for daemon in self.daemons), 3600)

    def test_one_that_jumps_less_far_than_records_live(self):
        self.start_with_clock()
        with Crowd(self.daemons, "ahead") as crowd:
            for ahead_s in (1, 2):
                time.sleep(1)
                self.set_clock(ahead_s)
            time.sleep(2)
        guard_s = 0.02
        self.assert_bound(crowd.asked(), beyond=2 * RATE_PER_S * (guard_s + 0.001))

    def test_one_that_goes_back_and_comes_again(self):
        self.start_with_clock()
        with Crowd(self.daemons, "back") as crowd:
            time.sleep(1)
            self.set_clock(-7200)
            time.sleep(1)
            self.set_clock(0)
            since_s = time.monotonic()
            self.assert_goes_on(crowd, since_s, "it goes on")
        self.assert_bound(crowd.asked())


class Store(unittest.TestCase):
    """What tests of one store and one sidecar have in common."""

    def secret(self, text, mode=0o600):
        descriptor, path = tempfile.mkstemp(prefix="allowd-secret-")
        self.addCleanup(os.unlink, path)
        os.write(descriptor, text.encode())
        os.fchmod(descriptor, mode)
        os.close(descriptor)
        return path

    def redis(self, *settings, **more):
        store = Redis(settings, **more)
        self.addCleanup(store.close)
        if not any(setting.startswith("replicaof") for setting in settings):
            store.begin_full()
        return store


class NoStore(Store):
    """What is said of a store that is none, or does not do what it must. All else is served."""

    def expect_trouble(self, store, pattern, **settings):
        """A sidecar with such a store says what is wrong, in /status and in the log, and serves local limits."""
        limits = ("name: mine, match: 'mine:*', burst: 5, rate: 1/s", LIMIT)
        with Daemon(configuration(store, limits, **settings)) as daemon:
            trouble = wait_until(lambda: not is_up(daemon) and fleet_of(daemon)["trouble"], "it says what is wrong")
            self.assertRegex(trouble, pattern)
            daemon.wait_for_line(pattern)
            self.assertEqual(get(daemon, "/allow?key=mine:a").status, 200)
            answer = get(daemon, "/allow?key=other")
            self.assertEqual((answer.status, answer.json()["reason"]), (429, "without_store"))
        return trouble

    def test_nobody_is_there(self):
        self.expect_trouble("unix:/nowhere/at.all", "No such file")
        self.expect_trouble(f"redis://127.0.0.1:{free_port()}", "refused")

    def test_it_speaks_http(self):
        class Http(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.recv(1000)
                self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Http) as server:
            thread = threading.Thread(target=server.serve_forever, args=(0.05,))
            thread.start()
            self.expect_trouble("redis://%s:%d" % server.server_address, "HTTP")
            server.shutdown()
            thread.join()

    def test_it_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.expect_trouble(f"redis://127.0.0.1:{silent.getsockname()[1]}", "answer")

    def test_it_wants_a_password(self):
        store = self.redis("requirepass right", password="right")
        self.expect_trouble(store.url, "wants a password")
        trouble = self.expect_trouble(store.url, "does not take this user and password",
                                      password_file=self.secret("wrong-secret"))
        self.assertNotIn("wrong-secret", trouble)
        with start_sidecar(configuration(store.url, (LIMIT,), password_file=self.secret("right"), **PATIENT)) as daemon:
            self.assertEqual(get(daemon, "/allow?key=a").status, 200)

    def test_a_password_that_all_can_read_is_refused(self):
        path = self.secret("right", 0o644)
        config = self.secret(configuration("unix:/nowhere", (LIMIT,), password_file=path))
        status, _, said = run_allowd("-t", "-c", config)
        self.assertEqual(status, 6)
        self.assertRegex(said, "password_file")

    def test_it_is_a_replica(self):
        port = free_port()
        self.redis(port=port)
        replica = self.redis(f"replicaof 127.0.0.1 {port}")
        wait_until(lambda: b"master_link_status:up" in replica.call("INFO", "replication"), "it follows")
        self.expect_trouble(replica.url, "replica")

    def test_it_is_out_of_memory(self):
        store = self.redis()
        with start_sidecar(configuration(store.url, (LIMIT,), **PATIENT)) as daemon:
            store.call("CONFIG", "SET", "maxmemory", "1")
            wait_until(lambda: get(daemon, "/allow?key=a").json().get("reason") == "without_store", "it refuses")
            self.assertRegex(get(daemon, "/readyz").json()["warnings"][0], "out of reach")
            wait_until(lambda: "memory" in (fleet_of(daemon)["trouble"] or ""), "and why is told")
            store.call("CONFIG", "SET", "maxmemory", "0")
            wait_until(lambda: get(daemon, "/allow?key=b").status == 200, "it does again")

    def test_a_policy_that_evicts_is_warned_of(self):
        store = self.redis("maxmemory 100mb", "maxmemory-policy allkeys-lru")
        with start_sidecar(configuration(store.url, (LIMIT,), **PATIENT)) as daemon:
            daemon.wait_for_line("maxmemory-policy is allkeys-lru")
            self.assertEqual(get(daemon, "/allow?key=a").status, 200)

    def test_a_fleet_that_is_new_begins_empty_unless_it_is_said_to_be(self):
        store = Redis()
        self.addCleanup(store.close)
        with start_sidecar(configuration(store.url, (LIMIT,), **PATIENT)) as daemon:
            self.assertEqual(get(daemon, "/allow?key=a").status, 429)
            wait_until(lambda: get(daemon, "/allow?key=a").status == 200, "it refills")
            # The key's shard is known by now, and those of others are not.
            store.begin_full()
            full = [get(daemon, f"/allow?key=b{i}&tokens={BURST}").status for i in range(20)]
        self.assertGreater(full.count(200), 15)


class Rights(Store):
    """The least rights that do, as the manual has them."""
    least = ("+evalsha", "+script|load", "+time", "+mget", "+set")

    def user(self, store, rights):
        store.call("ACL", "SETUSER", "allowd", "reset", "on", ">secret", "~allowd:test:*", "-@all", *rights)

    def test_the_least_do(self):
        store = self.redis()
        self.user(store, self.least)
        settings = {"user": "allowd", "password_file": self.secret("secret\n")}
        daemons = [start_sidecar(configuration(store.url, (LIMIT,), **settings)) for _ in range(2)]
        with Crowd(daemons, "least") as crowd:
            time.sleep(2)
        for daemon in daemons:
            daemon.stop()
        self.assertLessEqual(most_beyond(crowd.asked(), RATE_PER_S), BURST)
        self.assertGreater(admitted(crowd.asked()), BURST + RATE_PER_S)

    def test_one_less_is_noticed_at_the_start(self):
        store = self.redis()
        settings = {"user": "allowd", "password_file": self.secret("secret\n")}
        for missing in self.least:
            with self.subTest(missing=missing):
                self.user(store, [right for right in self.least if right != missing])
                with Daemon(configuration(store.url, (LIMIT,), **settings)) as daemon:
                    wait_until(lambda: fleet_of(daemon)["trouble"], "it says what is wrong")
                    self.assertRegex(fleet_of(daemon)["trouble"], "rights|refuses")
                    self.assertEqual(get(daemon, "/allow?key=a").status, 429)


class Example(unittest.TestCase):
    """etc/examples/fleet.sh as it stands, but for its ports."""

    def start(self):
        ports = {old: str(free_port()) for old in ("10441", "10442", "10443")}
        folder = tempfile.mkdtemp(prefix="allowd-example-")
        self.addCleanup(shutil.rmtree, folder)
        for name in ("fleet.sh", "fleet-a.yaml", "fleet-b.yaml"):
            text = (EXAMPLES / name).read_text(encoding="utf-8")
            self.assertRegex(text, "1044[123]")
            pathlib.Path(folder, name).write_text(re.sub("1044[123]", lambda old: ports[old[0]], text), encoding="utf-8")
        for name in ("redis-server", "redis-cli"):
            require_program(name)
        self.script = subprocess.Popen([*ENDS_WITH_US, "sh", f"{folder}/fleet.sh"], stdout=subprocess.PIPE, text=True,
                                       env={**os.environ, "ALLOWD": ALLOWD, "TMPDIR": folder})
        self.addCleanup(self.script.stdout.close)
        said = ""
        while "A      B   store" not in said:
            line = self.script.stdout.readline()
            self.assertTrue(line, said)
            said += line
        self.a_pid = int(re.search(r"^stop A +kill (\d+)", said, re.M)[1])
        self.store_pid = int(re.search(r"^freeze Redis +kill -STOP (\d+)", said, re.M)[1])

    def row(self):
        row = re.fullmatch(r" *(\d+|-) +(\d+|-)   (up|out of reach|-)\n", self.script.stdout.readline())
        return row.groups()

    def wait_for_row(self, suits, what):
        rows = []
        while not rows or not suits(*rows[-1]):
            self.assertLess(len(rows), 60, f"{what}: {rows}")
            rows.append(self.row())

    def test_what_the_readme_shows(self):
        self.start()
        began_s = time.monotonic()
        sums = []
        while sum(sums) < 40:  # the burst, and what refills; on a busy machine the first row has less
            self.assertLess(len(sums), 60, sums)
            a, b, _ = self.row()
            sums.append(int(a) + int(b))
        self.assertLessEqual(sum(sums), 20 + 10 * (time.monotonic() - began_s + 2))
        os.kill(self.a_pid, signal.SIGTERM)
        self.wait_for_row(lambda a, b, store: a == "-" and b.isdigit() and int(b) >= 7 and store == "up", "B goes on")
        os.kill(self.store_pid, signal.SIGSTOP)
        self.wait_for_row(lambda a, b, store: (b, store) == ("0", "out of reach"), "B denies")
        os.kill(self.store_pid, signal.SIGCONT)
        self.wait_for_row(lambda a, b, store: b.isdigit() and int(b) >= 7 and store == "up", "B goes on again")
        self.script.terminate()
        self.script.stdout.read()
        self.assertEqual(self.script.wait(PATIENCE_S), 0)
        with self.assertRaises(ProcessLookupError):
            os.kill(self.store_pid, 0)


class Tls(Store):
    """With stunnel at both ends, as the manual has it: TLS is not spoken here."""

    def test_the_recipe(self):
        stunnel = require_program("stunnel4")
        folder = self.enterContext(tempfile.TemporaryDirectory(prefix="allowd-tls-"))
        at = {name: free_port() for name in ("store", "tls", "local")}
        store = self.redis(port=at["store"])
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-subj", "/CN=store.example.org", "-addext", "subjectAltName=DNS:store.example.org",
                        "-days", "2", "-keyout", f"{folder}/key", "-out", f"{folder}/certificate"],
                       check=True, capture_output=True)
        page = (TOP / "man" / "allowd-fleet.7").read_text(encoding="utf-8")
        client = re.search(r"^\[store\]\n.*?(?=^\.Ed)", page, re.M | re.S)[0]
        for old, new in (("127.0.0.1:6379", f"127.0.0.1:{at['local']}"),
                         ("store.example.org:6380", f"127.0.0.1:{at['tls']}"),
                         ("/etc/ssl/certs/ca-certificates.crt", f"{folder}/certificate")):
            self.assertIn(old, client)
            client = client.replace(old, new)
        server = (f"[redis]\naccept = 127.0.0.1:{at['tls']}\nconnect = 127.0.0.1:{at['store']}\n"
                  f"cert = {folder}/certificate\nkey = {folder}/key\n")
        for name, services in (("server", server), ("client", client)):
            pathlib.Path(folder, name).write_text(f"foreground = yes\npid =\n{services}", encoding="utf-8")
            process = subprocess.Popen([*ENDS_WITH_US, stunnel, f"{folder}/{name}"], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
        with start_sidecar(configuration(f"redis://127.0.0.1:{at['local']}", (LIMIT,))) as daemon:
            wait_until(lambda: get(daemon, "/allow?key=a").status == 200, "it is served")
        self.assertGreater(store.script_calls(), 0)


class Manual(unittest.TestCase):
    """What the manual says as names and commands."""

    def setUp(self):
        self.page = (TOP / "man" / "allowd-fleet.7").read_text(encoding="utf-8").replace("\\\n", "")

    def test_it_has_each_metric_in_this_order(self):
        told = re.findall(r"\ballowd_fleet_\w+", "\n".join(re.findall(r"^\.It Cm (.*)$", self.page, re.M)))
        with Daemon(configuration("unix:/nowhere", (LIMIT,))) as daemon:
            types = Metrics(get(daemon, "/metrics").body.decode("utf-8")).types
        self.assertEqual(told, [name for name in types if name.startswith("allowd_fleet_")])

    def test_it_has_the_rights_that_were_tried(self):
        self.assertIn(" ".join(Rights.least), self.page)


if __name__ == "__main__":
    unittest.main()
