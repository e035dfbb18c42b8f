#!/usr/bin/python3 -B
"""Who can connect to a Unix socket: its mode and group, from its first moment on."""
import grp
import os
import signal
import socket
import stat
import tempfile
import unittest

from harness import Connection, Daemon, request_bytes, run_allowd

LIMITS = "limits:\n  - {name: default, burst: 10, rate: 1/s}\n"
LISTEN = ("unix:{directory}/s",)
IS_ROOT = os.geteuid() == 0
STRANGER = 65534  # nobody: neither the socket's owner nor in its group


def another_group():
    """The name and number of a group that the socket would not have by itself."""
    mine = os.getgroups() if not IS_ROOT else [entry.gr_gid for entry in grp.getgrall()]
    for gid in mine:
        if gid not in (os.getegid(), STRANGER):
            return grp.getgrgid(gid).gr_name, gid
    raise unittest.SkipTest("this user is in no second group")


def as_user(uid, gid, action):
    """What action() returns in a process of another user's: a small number."""
    child = os.fork()
    if child == 0:
        status = 99
        try:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
            status = action()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def connects(path):
    """0: it does; else the error number."""
    try:
        with Connection(path) as connection:
            connection.send(request_bytes("GET", "/healthz"))
            return 0 if connection.receive().status == 200 else 98
    except OSError as error:
        return error.errno


class Sockets(unittest.TestCase):
    def start(self, config, **options):
        daemon = Daemon(config + LIMITS, LISTEN, **options)
        self.addCleanup(daemon.stop)
        os.chmod(daemon.directory, 0o755)  # so that the socket alone decides
        return daemon, daemon.address

    def test_mode(self):
        for mode in (0o600, 0o660, 0o666, 0o777, 0o222):
            for umask in (0o022, 0o077, 0o000):
                with self.subTest(oct(mode), umask=oct(umask)):
                    _, path = self.start(f"socket_mode: 0{mode:o}\n",
                                         prepare=lambda: os.umask(umask))
                    self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode)
                    self.assertEqual(connects(path), 0)

    def test_without_a_mode_the_umask_decides(self):
        for umask in (0o022, 0o077):
            _, path = self.start("", prepare=lambda: os.umask(umask))
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o777 & ~umask)

    def test_umask_is_put_back(self):
        daemon, _ = self.start("socket_mode: 0600\n", prepare=lambda: os.umask(0o027))
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as file:
            masks = [line.split()[1] for line in file if line.startswith("Umask:")]
        self.assertEqual(masks, ["0027"])

    def test_every_socket_has_it(self):
        with Daemon("socket_mode: 0640\n" + LIMITS,
                    ("unix:{directory}/a", "127.0.0.1:0", "unix:{directory}/b")) as daemon:
            for name in ("a", "b"):
                mode = os.stat(os.path.join(daemon.directory, name)).st_mode
                self.assertEqual(stat.S_IMODE(mode), 0o640)

    def test_group(self):
        name, gid = another_group()
        _, path = self.start(f"socket_group: {name}\nsocket_mode: 0660\n")
        found = os.stat(path)
        self.assertEqual((found.st_gid, found.st_uid), (gid, os.geteuid()))
        self.assertEqual(stat.S_IMODE(found.st_mode), 0o660)

    @unittest.skipUnless(IS_ROOT, "needs root to be somebody else")
    def test_a_proxy_of_another_user_as_reported(self):
        """The usual umasks shut it out; socket_mode lets it in, whatever the umask is."""
        for umask, config, outcome in ((0o022, "", 13), (0o077, "", 13), (0o000, "", 0),
                                       (0o077, "socket_mode: \"0666\"\n", 0), (0o022, "socket_mode: \"0666\"\n", 0),
                                       (0o000, "socket_mode: \"0600\"\n", 13)):
            with self.subTest(oct(umask), config=config):
                _, path = self.start(config, prepare=lambda umask=umask: os.umask(umask))
                self.assertEqual(as_user(STRANGER, STRANGER, lambda path=path: connects(path)), outcome)

    @unittest.skipUnless(IS_ROOT, "needs root to be somebody else")
    def test_strangers_do_not_get_in(self):
        name, gid = another_group()
        _, path = self.start(f"socket_group: {name}\nsocket_mode: 0660\n")
        self.assertEqual(as_user(STRANGER, STRANGER, lambda: connects(path)), 13)
        self.assertEqual(as_user(STRANGER, gid, lambda: connects(path)), 0)
        _, path = self.start("socket_mode: 0600\n")
        self.assertEqual(as_user(STRANGER, gid, lambda: connects(path)), 13)
        _, path = self.start("socket_mode: 0666\n")
        self.assertEqual(as_user(STRANGER, STRANGER, lambda: connects(path)), 0)

    @unittest.skipUnless(IS_ROOT, "needs root to be somebody else")
    def test_no_moment_for_strangers(self):
        """Somebody who tries all the time, from before the file is there, never gets in."""
        with tempfile.TemporaryDirectory(prefix="allowd-e2e-") as directory:
            os.chmod(directory, 0o755)
            path = os.path.join(directory, "s")
            stranger = os.fork()
            if stranger == 0:
                os.setuid(STRANGER)
                while True:
                    with socket.socket(socket.AF_UNIX) as attempt:
                        if attempt.connect_ex(path) == 0:
                            os._exit(1)
            try:
                for _ in range(10):
                    with Daemon("socket_mode: 0600\n" + LIMITS, ("unix:" + path,),
                                prepare=lambda: os.umask(0)):
                        self.assertEqual(connects(path), 0)
            finally:
                os.kill(stranger, signal.SIGKILL)
                status = os.waitpid(stranger, 0)[1]
            self.assertEqual(status, signal.SIGKILL, "a stranger connected")

    @unittest.skipIf(IS_ROOT, "root may set any group")
    def test_group_that_is_not_ours(self):
        foreign = next(entry.gr_name for entry in grp.getgrall()
                       if entry.gr_gid not in os.getgroups() + [os.getegid()])
        daemon = Daemon(f"socket_group: {foreign}\n" + LIMITS, LISTEN, wait=False)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("cannot set the group of unix:", "\n".join(daemon.log()))

    def test_reload_says_that_it_waits(self):
        daemon, path = self.start("socket_mode: 0600\n")
        mark = daemon.mark()
        daemon.reload("socket_mode: 0666\n" + LIMITS)
        daemon.wait_for_line("socket_mode or socket_group has changed", after=mark)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_faults(self):
        for value in ("660", "0o660", "0999", "rw-rw----", "0000"):
            with self.subTest(value), Daemon(LIMITS, LISTEN) as daemon:
                daemon.write_config(f"socket_mode: {value}\n" + LIMITS)
                status, _, error = run_allowd("-t", "-c", daemon.config_path)
                self.assertEqual(status, 6)
                self.assertRegex(error, f'1:14: socket_mode "{value}" ')


class Families(unittest.TestCase):
    """[::] is every IPv6 address and no IPv4 one, whatever the system's default is."""

    @staticmethod
    def answers(host, port):
        try:
            with Connection((host, port)) as connection:
                connection.send(request_bytes("GET", "/healthz"))
                return connection.receive().status == 200
        except ConnectionRefusedError:
            return False

    def test_ipv6_alone(self):
        with Daemon(listen=("[::]:0",)) as daemon:
            port = daemon.address[1]
            self.assertEqual((self.answers("::1", port), self.answers("127.0.0.1", port)), (True, False))

    def test_both_on_one_port(self):
        with socket.create_server(("0.0.0.0", 0)) as probe:
            port = probe.getsockname()[1]
        for first, second in ((f"[::]:{port}", f"0.0.0.0:{port}"), (f"0.0.0.0:{port}", f"[::]:{port}")):
            with self.subTest(first), Daemon(listen=(first, second)):
                self.assertTrue(self.answers("::1", port) and self.answers("127.0.0.1", port))

    def test_an_ipv4_address_in_ipv6_clothes_is_a_fault(self):
        """It would be checked and found fine, and could then not be bound."""
        status, _, error = run_allowd("-l", "[::ffff:127.0.0.1]:10429")
        self.assertEqual(status, 2)
        self.assertIn('"[::ffff:127.0.0.1]:10429" is not an address; write 127.0.0.1:10429', error)
        with Daemon(LIMITS) as daemon:
            daemon.write_config("listen: ['[::ffff:127.0.0.1]:10429']\n" + LIMITS)
            status, _, error = run_allowd("-t", "-c", daemon.config_path)
            self.assertEqual(status, 6)
            self.assertIn('1:10: "[::ffff:127.0.0.1]:10429" is not an address to listen on; '
                          "write 127.0.0.1:10429", error)


if __name__ == "__main__":
    unittest.main()
