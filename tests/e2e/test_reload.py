#!/usr/bin/python3 -B
"""POST /reload: what it does, what it answers, who may, and who waits for it meanwhile."""
import os
import re
import signal
import threading
import time
import unittest

from harness import Case, Connection, Daemon, parse_address, request_bytes, wait_until
from stall import stalled

HEAD = "tick: 10s\nadmin_listen: ['127.0.0.1:0']\n"
TOKEN = "correct-horse-battery-staple"
BEARER = ("Authorization", f"Bearer {TOKEN}")
MAIN = "allowd"  # the name of the main thread, which reloads


def limits(burst, more=""):
    return f"{HEAD}limits:\n  - {{name: default, burst: {burst}, rate: 1/d}}\n{more}"


def admin_address(daemon):
    return parse_address(next(match[1] for match in (
        re.match("allowd: listening for admins on (.*)", line) for line in daemon.log()) if match))


def ask(address, *requests):
    with Connection(address) as connection:
        connection.send(b"".join(requests))
        return [connection.receive() for _ in requests]


RELOAD = request_bytes("POST", "/reload")


class Reload(Case):
    config = limits(10)

    def setUp(self):
        self.admin = admin_address(self.daemon)
        self.daemon.write_config(limits(10))

    def reload(self):
        return ask(self.admin, RELOAD)[0]

    def test_reloads(self):
        key = self.key()
        self.allow(key, "&tokens=3")
        self.daemon.write_config(limits(20, "  - {name: more, burst: 1, rate: 1/d}\n"))
        response = self.reload()
        self.assertEqual(response.status, 200)
        self.assertEqual(response.json(), {"status": "reloaded", "limits": 2, "warnings": []})
        self.assertEqual(response.header("Content-Type"), "application/json")
        # As by SIGHUP: a changed limit keeps the tokens there are.
        self.assertEqual(ask(self.admin, request_bytes("GET", f"/status?key={key}"))[0]
                         .json()["remaining"], 7)
        self.assertEqual(self.allow(self.key(), "&tokens=20").status, 200)

    def test_warnings(self):
        """A file with warnings is taken; they are in the answer, and counted while it is in force."""
        def count():
            return ask(self.admin, request_bytes("GET", "/status"))[0].json()["counters"]["config_warnings"]
        rule = "  - {name: %s, match: 'api:*', burst: 1, rate: 1/d}\n"
        self.daemon.write_config(limits(20, rule % "one" + rule % "two"))
        response = self.reload()
        self.assertEqual((response.status, response.json()["limits"]), (200, 3))
        warning, = response.json()["warnings"]
        self.assertEqual(set(warning), {"line", "column", "text"})
        self.assertIn('match "api:*" takes no key', warning["text"])
        self.assertEqual(count(), 1)
        self.daemon.write_config("limits: {}\n")
        self.assertEqual(self.reload().status, 422)
        self.assertEqual(count(), 1)
        self.daemon.write_config(limits(20))
        self.assertEqual(self.reload().json()["warnings"], [])
        self.assertEqual(count(), 0)

    def test_what_follows_is_served_by_the_new_one(self):
        check = "checks:\n  - {name: edge, key: '{method}'}\n"
        for more, status in ((check, 200), ("", 404)) * 10:
            self.daemon.write_config(limits(1000) + more)
            reloaded, asked = ask(self.admin, RELOAD, request_bytes("GET", "/check/edge"))
            self.assertEqual((reloaded.status, asked.status), (200, status))

    def test_faults(self):
        self.daemon.write_config("threads: 65\ntick: soon\nlimits: [{name: d\"\\x, burst: 1}]\n")
        response = self.reload()
        self.assertEqual(response.status, 422)
        self.assertEqual(response.header("Content-Type"), "application/problem+json")
        problem = response.json()
        self.assertEqual(list(problem), ["type", "title", "status", "detail", "faults"])
        self.assertEqual((problem["title"], problem["status"]), ("Unprocessable Content", 422))
        self.assertRegex(problem["detail"], r"has \d+ faults, so nothing was changed; correct them")
        self.assertEqual([list(fault) for fault in problem["faults"]],
                         [["line", "column", "text"]] * len(problem["faults"]))
        self.assertEqual((problem["faults"][0]["line"], problem["faults"][0]["column"]), (1, 10))
        self.assertEqual((problem["faults"][1]["line"], problem["faults"][1]["column"]), (2, 7))
        self.assertIn('tick "soon" is not a duration', problem["faults"][1]["text"])
        self.assertEqual(self.allow(self.key()).status, 200)

    def test_a_fault_of_the_file(self):
        os.unlink(self.daemon.config_path)
        problem = self.reload().json()
        self.assertEqual(problem["faults"], [{"line": None, "column": None, "text":
                                              "cannot be opened: No such file or directory"}])
        self.assertIn("has 1 fault, so nothing was changed;", problem["detail"])

    def test_many_faults(self):
        names = "".join(f"x{i}: '\\\"'\n" for i in range(500))
        self.daemon.write_config(limits(10) + names)
        problem = self.reload().json()
        self.assertEqual(len(problem["faults"]), 100)
        self.assertIn("has 500 faults", problem["detail"])

    def many_limits(self, burst):
        """Some pages of a file; without its last line it is none."""
        return HEAD + "limits:\n" + "".join(
            f"  - {{name: {name}, burst: {burst}, rate: 1/d}}\n"
            for name in [f"limit-{i}" for i in range(900)] + ["default"])

    def bursts_while(self, write, statuses):
        """Reloads while somebody writes this and that in turn: how many limits there were after each,
        and of which bursts."""
        texts = [self.many_limits(burst) for burst in (11, 12)]
        over = threading.Event()

        def go_on():
            while not over.is_set():
                for text in texts:
                    write(text)

        write(texts[0])
        writer = threading.Thread(target=go_on)
        writer.start()
        seen = set()
        try:
            for _ in range(50):
                reloaded, status = ask(self.admin, RELOAD, request_bytes("GET", "/status"))
                self.assertIn(reloaded.status, statuses)
                limits_now = status.json()["limits"]
                seen.add((len(limits_now), frozenset(limit["burst"] for limit in limits_now)))
        finally:
            over.set()
            writer.join()
        return seen

    def test_a_file_replaced_meanwhile_is_read_whole(self):
        seen = self.bursts_while(self.daemon.write_config, (200,))
        self.assertLessEqual(seen, {(901, frozenset({11})), (901, frozenset({12}))})

    def test_a_file_written_over_meanwhile_is_refused_if_it_was_cut_short(self):
        """What was read may be of both, as by anybody else who reads such a file."""
        def write(text):
            with open(self.daemon.config_path, "w", encoding="ascii", buffering=1000) as file:
                file.write(text)

        before = len(ask(self.admin, request_bytes("GET", "/status"))[0].json()["limits"])
        for count, bursts in self.bursts_while(write, (200, 422)):
            self.assertIn(count, (before, 901))
            self.assertTrue(count == before or bursts <= {11, 12})
        self.assertEqual(self.reload().status, 200)

    def test_usage(self):
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            with Connection(self.admin) as connection:
                connection.send(request_bytes(method, "/reload"))
                response = connection.receive(to_head=method == "HEAD")
                self.assertEqual((response.status, response.header("Allow")), (405, "POST"))
        for request in (request_bytes("POST", "/reload?file=/etc/passwd"),
                        request_bytes("POST", "/reload?key=a")):
            self.assert_problem(ask(self.admin, request)[0], 400, "takes no parameters")

    def test_not_for_everybody(self):
        # What was said of reloads before this one, which has a number of limits of its own, is there.
        self.daemon.write_config(limits(10, "".join(
            f"  - {{name: more-{i}, burst: 1, rate: 1/d}}\n" for i in range(4))))
        self.reload()
        self.daemon.wait_for_line("reloaded .*: 5 limits")
        mark = self.daemon.mark()
        self.assert_problem(self.call("POST", "/reload"), 403, "admin_listen")
        for field in (("Origin", "http://evil.example"), ("Sec-Fetch-Site", "cross-site")):
            response, = ask(self.admin, request_bytes("POST", "/reload", [field]))
            self.assert_problem(response, 403, "another origin")
        self.reload()
        self.daemon.wait_for_line("reloaded ", after=mark) # the log may come after the answer
        asked = [line for line in self.daemon.log()[mark:] if "asked for over HTTP" in line]
        self.assertEqual(len(asked), 1)

    def test_others_do_not_wait(self):
        key = self.key()
        with stalled(self.daemon, MAIN):
            with Connection(self.admin) as reloads, Connection(self.daemon.address) as other:
                reloads.send(RELOAD)
                for _ in range(10):
                    other.send(request_bytes("GET", f"/allow?key={key}&tokens=0"))
                    self.assertEqual(other.receive().status, 200)
                before, began = self.daemon.cpu_s(), time.monotonic()
                time.sleep(1)
                self.assertLess(self.daemon.cpu_s() - before, 0.5 * (time.monotonic() - began))
                late = ask(self.admin, request_bytes("GET", "/healthz"))[0]
                self.assertEqual(late.status, 200)
                self.assertEqual(reloads.unread, b"")

    def test_clients_that_leave_meanwhile(self):
        with stalled(self.daemon, MAIN):
            leaving = [Connection(self.admin) for _ in range(20)]
            for connection in leaving:
                connection.send(RELOAD)
            ask(self.admin, request_bytes("GET", "/healthz"))
            for connection in leaving:
                connection.reset()
            ask(self.admin, request_bytes("GET", "/healthz"))
        self.assertEqual(self.reload().status, 200)

    def test_many_at_once(self):
        connections = [Connection(self.admin) for _ in range(50)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.send(RELOAD * 2)
        for _ in range(10):
            self.daemon.signal(signal.SIGHUP)
        self.assertEqual({connection.receive().status for connection in connections * 2}, {200})


class Life(unittest.TestCase):
    def test_without_a_file(self):
        with Daemon(arguments=()) as daemon:
            response, = ask(daemon.address, RELOAD)
            self.assertEqual(response.status, 403)
            self.assertIn("neither admin_listen nor admin_token_file is configured",
                          response.json()["detail"])

    def test_with_a_token(self):
        with Daemon(limits(10).replace(HEAD, "")) as daemon:
            self.assertEqual(ask(daemon.address, RELOAD)[0].status, 403)
            path = os.path.join(daemon.directory, "token")
            with open(path, "w", encoding="ascii") as file:
                file.write(TOKEN)
            os.chmod(path, 0o600)
            daemon.reload(limits(10).replace(HEAD, f"admin_token_file: {path}\n"))
            wait_until(lambda: ask(daemon.address, RELOAD)[0].status == 401, "it takes a token")
            response, = ask(daemon.address, request_bytes("POST", "/reload", [BEARER]))
            self.assertEqual(response.status, 200)
            # The token that brought it about is no longer good for what follows.
            with open(path, "w", encoding="ascii") as file:
                file.write(TOKEN * 2)
            statuses = [response.status for response in ask(
                daemon.address, request_bytes("POST", "/reload", [BEARER]),
                request_bytes("GET", "/status", [BEARER]))]
            self.assertEqual(statuses, [200, 401])

    def test_ending_meanwhile(self):
        """What was not begun when the end came is told so; nobody is left without an answer."""
        with Daemon(limits(10)) as daemon:
            admin = admin_address(daemon)
            with Connection(admin) as first, Connection(admin) as second:
                with stalled(daemon, MAIN):
                    first.send(RELOAD)
                    second.send(RELOAD)
                    ask(admin, request_bytes("GET", "/healthz"))
                    daemon.signal(signal.SIGTERM)
                statuses = [connection.receive().status for connection in (first, second)]
                self.assertLessEqual(set(statuses), {200, 503})
            self.assertEqual(daemon.wait(), 0)

    def test_threads(self):
        with Daemon("threads: 4\n" + limits(10)) as daemon:
            admin = admin_address(daemon)
            for _ in range(10):
                self.assertEqual([response.status for response in ask(admin, RELOAD, RELOAD)],
                                 [200, 200])


if __name__ == "__main__":
    unittest.main()
