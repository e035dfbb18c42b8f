#!/usr/bin/python3 -B
"""
What allowd depends on is removed, replaced and put back: the files of its sockets, the configuration,
the token. It looks every five seconds, and at each reload.
"""
import os
import shutil
import signal
import socket
import stat
import tempfile
import unittest

from harness import Connection, Daemon, request_bytes, wait_until
from manager import passing
from metrics import Metrics

LIMITS = "limits:\n  - {name: default, burst: %d, rate: 1/d}\n"
GONE = "is no longer at its path: its file, or its directory, was removed or replaced, and nobody new can connect; "
TOKEN = "correct-horse-battery-staple"


def get(connection, target, headers=()):
    connection.send(request_bytes("GET", target, headers))
    return connection.receive()


class Surroundings(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="allowd-e2e-")
        self.addCleanup(directory.cleanup)
        self.directory = os.path.join(directory.name, "run")
        os.mkdir(self.directory)
        self.path = os.path.join(self.directory, "s")

    def start(self, head="", burst=100, listen=None, **options):
        """The first address is one that nothing happens to."""
        listen = ("127.0.0.1:0", "unix:" + self.path) if listen is None else listen
        daemon = Daemon(head + LIMITS % burst, listen, **options)
        self.addCleanup(daemon.stop)
        return daemon

    def ask(self, daemon, target, headers=()):
        with Connection(daemon.address) as connection:
            return get(connection, target, headers)

    def value(self, daemon, name, headers=()):
        return Metrics(self.ask(daemon, "/metrics", headers).body.decode("utf-8")).value(name)

    def hup(self, daemon, pattern="reloaded|is faulty|nothing to reload"):
        """What is logged until a reload is over."""
        mark = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line(pattern, mark)
        return daemon.log()[mark:]

    def serves(self, path):
        with Connection(path) as connection:
            return get(connection, "/allow?key=a").status == 200

    def assert_red(self, daemon):
        # the state thread is told after the log has it
        wait_until(lambda: self.ask(daemon, "/readyz").status == 503, "it is red")
        response = self.ask(daemon, "/readyz")
        self.assertEqual(response.status, 503)
        self.assertRegex(response.json()["detail"], "^unreachable: the file of 1 Unix socket is no longer at its path")
        self.assertEqual(self.value(daemon, "allowd_sockets_lost"), 1)
        self.assertEqual(self.ask(daemon, "/allow?key=a").status, 200)

    def assert_green(self, daemon):
        # a machine that is too busy may have kept the state thread from its report for longer than is well
        wait_until(lambda: self.ask(daemon, "/readyz").status == 200, "it is green")
        self.assertEqual(self.value(daemon, "allowd_sockets_lost"), 0)


class Sockets(Surroundings):
    def test_one_that_is_removed_is_told_without_a_reload(self):
        daemon = self.start()
        os.unlink(self.path)
        daemon.wait_for_line(f"error: unix:{self.path} {GONE}a reload makes it anew$")
        self.assert_red(daemon)
        self.hup(daemon)
        self.assert_green(daemon)
        self.assertEqual(sum(GONE in line for line in daemon.log()), 1)

    def test_a_reload_makes_it_anew(self):
        for threads in (0, 1, 3):
            with self.subTest(threads):
                daemon = self.start(f"threads: {threads}\nsocket_mode: \"0640\"\n")
                descriptors = daemon.descriptors()
                with Connection(self.path) as kept:
                    self.assertEqual(get(kept, "/allow?key=a").status, 200)
                    for _ in range(5):
                        os.unlink(self.path)
                        said = self.hup(daemon)
                        self.assertIn(f"allowd: listening on unix:{self.path} again", said)
                        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o640)
                        for _ in range(10):
                            self.assertTrue(self.serves(self.path))
                        self.assertEqual(get(kept, "/allow?key=a").status, 200)
                        self.assert_green(daemon)
                wait_until(lambda: daemon.descriptors() == descriptors, "no descriptor more than before")
                daemon.stop()
                self.assertFalse(os.path.exists(self.path))

    def test_that_of_admins_is_one_of_admins_again(self):
        daemon = self.start(f"admin_listen: ['unix:{self.path}']\n", listen=("127.0.0.1:0",))
        os.unlink(self.path)
        self.assertIn(f"allowd: listening for admins on unix:{self.path} again", self.hup(daemon))
        self.assertEqual(self.ask(daemon, "/status").status, 403)
        with Connection(self.path) as connection:
            self.assertEqual(get(connection, "/status").status, 200)

    def test_without_a_configuration_too(self):
        with Daemon(listen=("unix:" + self.path,)) as daemon:
            os.unlink(self.path)
            self.hup(daemon)
            self.assertTrue(self.serves(self.path))

    def test_a_directory_that_is_removed(self):
        daemon = self.start()
        shutil.rmtree(self.directory)
        said = "\n".join(self.hup(daemon))
        self.assertIn(GONE, said)
        self.assertIn(f"cannot bind unix:{self.path}: No such file or directory; nobody new can connect there", said)
        self.assert_red(daemon)
        os.mkdir(self.directory)
        self.hup(daemon)
        self.assertTrue(self.serves(self.path))
        self.assert_green(daemon)

    def test_one_that_is_moved_and_moved_back(self):
        daemon = self.start()
        os.rename(self.directory, self.directory + ".old")
        wait_until(lambda: self.ask(daemon, "/readyz").status == 503, "it is red")
        self.assertTrue(self.serves(self.path.replace("/run/", "/run.old/")))
        os.rename(self.directory + ".old", self.directory)
        daemon.wait_for_line(f"allowd: unix:{self.path} is at its path again")
        wait_until(lambda: self.ask(daemon, "/readyz").status == 200, "it is green")
        self.assertTrue(self.serves(self.path))

    def test_what_took_its_place_is_never_taken_away(self):
        daemon = self.start()
        os.unlink(self.path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(self.path)
            other.listen()
            said = "\n".join(self.hup(daemon))
            self.assertIn(f"cannot bind unix:{self.path}: Address already in use", said)
            self.assert_red(daemon)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(self.path)
                other.accept()[0].close()
        self.hup(daemon)  # by now nobody listens on that one
        self.assertTrue(self.serves(self.path))
        self.assert_green(daemon)
        os.unlink(self.path)
        with open(self.path, "w", encoding="ascii") as file:
            file.write("mine")
        self.hup(daemon)
        self.assert_red(daemon)
        daemon.stop()
        with open(self.path, encoding="ascii") as file:
            self.assertEqual(file.read(), "mine")

    def test_an_inherited_one_is_told_and_left(self):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self.path)
            listener.listen()
            daemon = self.start(listen=("127.0.0.1:0",), descriptors=[listener.fileno()],
                                prepare=passing(1))
            tcp = [address for address in daemon.addresses() if not isinstance(address, str)][0]
            os.unlink(self.path)
            said = "\n".join(self.hup(daemon))
            self.assertIn(f"error: unix:{self.path} {GONE}restart what passed it on, such as its socket unit", said)
            self.assertFalse(os.path.exists(self.path))
            with Connection(tcp) as connection:  # the state thread is told after the log has it
                wait_until(lambda: get(connection, "/readyz").status == 503, "it is red")

    def test_those_who_wait_to_be_accepted_are_served(self):
        daemon = self.start("threads: 1\n")
        for _ in range(10):
            clients = [Connection(self.path) for _ in range(20)]
            os.unlink(self.path)
            for connection in clients:
                connection.send(request_bytes("GET", "/healthz"))
            self.hup(daemon)
            for connection in clients:
                self.assertEqual(connection.receive().status, 200)
                connection.close()


class Files(Surroundings):
    def warnings(self, daemon):
        """What /readyz says beside that all is well."""
        response = self.ask(daemon, "/readyz")
        self.assertEqual((response.status, response.json()["status"]), (200, "ready"))
        self.assertNotIn("warnings", self.ask(daemon, "/healthz").json())
        return response.json().get("warnings")

    def assert_warned(self, daemon, *beginnings):
        def is_said():
            said = self.warnings(daemon) or []
            return len(said) == len(beginnings) and all(map(str.startswith, said, beginnings))

        wait_until(is_said, f"it says {beginnings}")
        self.assertNotIn("/", "".join(self.warnings(daemon)))

    def assert_changed(self, daemon, count, headers=()):
        wait_until(lambda: self.value(daemon, "allowd_files_changed", headers) == count, f"{count} have changed")
        self.assertEqual(len(self.warnings(daemon) or ()), count)

    def test_a_configuration_that_goes_and_comes(self):
        daemon = self.start(listen=("127.0.0.1:0",))
        os.rename(daemon.config_path, daemon.config_path + ".away")
        daemon.wait_for_line(f"warning: {daemon.config_path} is no longer there; what was read from it stays in force")
        self.assert_changed(daemon, 1)
        self.assert_warned(daemon, "the configuration's file is gone: a reload changes nothing, and a restart fails")
        said = self.hup(daemon)
        self.assertFalse(any("no longer there" in line for line in said), said)
        self.assert_changed(daemon, 1)
        os.rename(daemon.config_path + ".away", daemon.config_path)
        mark = daemon.mark()
        daemon.signal(signal.SIGHUP)
        daemon.wait_for_line("reloaded", mark)
        self.assert_changed(daemon, 0)

    def test_a_config_map_whose_link_is_turned(self):
        """As Kubernetes replaces it: the file behind ..data, which leads to a dated directory."""
        def put(date, burst):
            folder = os.path.join(self.directory, date)
            os.mkdir(folder)
            with open(os.path.join(folder, "allowd.yaml"), "w", encoding="utf-8") as file:
                file.write(LIMITS % burst)
            os.symlink(date, data + ".new")
            os.rename(data + ".new", data)

        data, path = os.path.join(self.directory, "..data"), os.path.join(self.directory, "allowd.yaml")
        put("..2026_01", 100)
        os.symlink("..data/allowd.yaml", path)
        with Daemon(arguments=("-c", path)) as daemon:
            self.assertEqual(self.ask(daemon, "/allow?key=a&tokens=60").json()["remaining"], 40)
            put("..2026_02", 50)
            shutil.rmtree(os.path.join(self.directory, "..2026_01"))
            daemon.wait_for_line(f"allowd: {path} has changed since it was read; a reload reads it again$")
            self.assert_changed(daemon, 1)
            self.assert_warned(daemon, "the configuration's file has changed since it was read: a reload or a restart")
            self.assertEqual(self.ask(daemon, "/status?key=b").json()["remaining"], 100)
            daemon.signal(signal.SIGHUP)
            self.hup(daemon)
            self.assertEqual(self.ask(daemon, "/status?key=b").json()["remaining"], 50)
            self.assertEqual(self.ask(daemon, "/status?key=a").json()["remaining"], 40)
            self.assert_changed(daemon, 0)
            self.assertEqual(sum("has changed since" in line for line in daemon.log()), 1)

    def test_a_token_that_goes_and_changes(self):
        path, bearer = os.path.join(self.directory, "token"), [("Authorization", f"Bearer {TOKEN}")]
        other = [("Authorization", f"Bearer {TOKEN * 2}")]

        def put(token):
            with open(path + ".new", "w", encoding="ascii") as file:
                file.write(token)
            os.chmod(path + ".new", 0o600)
            os.rename(path + ".new", path)

        put(TOKEN)
        daemon = self.start(f"admin_token_file: {path}\n", listen=("127.0.0.1:0",))
        os.unlink(path)
        daemon.wait_for_line(f"warning: {path} is no longer there; what was read from it stays in force")
        self.assert_changed(daemon, 1, bearer)  # and so the token is one still
        gone = "the admin token's file is gone: a reload changes nothing, and a restart fails"
        self.assert_warned(daemon, gone)
        os.utime(daemon.config_path, (0, 0))
        self.assert_warned(daemon, "the configuration's file has changed", gone)
        put(TOKEN)
        self.assert_warned(daemon, "the configuration's file has changed",
                           "the admin token's file has changed since it was read: a reload or a restart")
        os.unlink(path)
        self.assertIn("is faulty", "\n".join(self.hup(daemon)))
        self.assertEqual(self.ask(daemon, "/status", bearer).status, 200)
        put(TOKEN * 2)
        said = self.hup(daemon)  # which reads it: nothing else is to be said from then on
        said = said[next(i for i, line in enumerate(said) if "Hangup: reloading" in line):]
        self.assertFalse(any("has changed since" in line for line in said), said)
        wait_until(lambda: self.ask(daemon, "/status", bearer).status == 401, "the old one no longer counts")
        self.assert_changed(daemon, 0, other)
        self.assertNotIn(TOKEN, "\n".join(daemon.log()))


if __name__ == "__main__":
    unittest.main()
