"""
What the tests of recipes for RabbitMQ, Dovecot and others have in common. These programs ask
allowd by themselves, and go by what an answer holds; what counts is what their users see.
"""
import imaplib
import os
import pathlib
import signal
import time
import unittest

from harness import PATIENCE_S, wait_until
from recipes import ALLOWD_ADDRESS, Recipe, free_port

BURST = 5
USERS = ("alice", "bob", "carol", "dave")
# Where they come from, for programs that count by address.
ADDRESSES = {user: f"127.0.0.{number}" for number, user in enumerate(USERS, 2)}


def log_in_by_imap(port, user, password):
    """Whether the user is let in, and what is said if not."""
    client = imaplib.IMAP4("127.0.0.1", port, PATIENCE_S)
    try:
        client.login(user, password)
    except imaplib.IMAP4.error as error:
        client.shutdown()
        return False, str(error)
    client.logout()
    return True, ""


class Caller(Recipe):
    """The subclasses say how their program runs, and what its users see."""

    allowd_file = "allowd-answers.yaml"
    slowed = ("rate: 10/m", "rate: 1/d")
    fails_open = None  # when allowd is down, with the recipe as it stands
    patience = []  # what to write in place of what so that no busy machine makes it take allowd for down

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.waits = self.patience
        self.start()

    def start(self):
        raise NotImplementedError

    def enter(self, user):
        """What the program answers a user who does all as it should be: a pair of whether it
        lets the user in, and what it says."""
        raise NotImplementedError

    def write_recipe(self, name, more=()):
        self.write(name, [(ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"), *more, *self.waits])

    def is_asked_again(self):
        """Tries it; Dovecot asks nobody for a while once it has found nobody."""
        self.enter("dave")
        return self.count_questions() > 0

    def assert_told(self, text):
        """That a denied user was told so."""
        raise NotImplementedError

    def assert_exactly_the_burst_enters(self, user):
        answers = [self.enter(user) for _ in range(BURST + 3)]
        self.assertEqual([is_in for is_in, _ in answers], [True] * BURST + [False] * 3, answers)
        for _, text in answers[BURST:]:
            self.assert_told(text)

    def test_exactly_the_burst_enters(self):
        self.assert_exactly_the_burst_enters("alice")
        self.assertTrue(self.enter("bob")[0])
        self.assertFalse(self.enter("alice")[0])
        self.tell("burst", "exact")

    def test_allowd_down(self):
        self.assertTrue(self.enter("alice")[0])
        self.daemon.stop()
        for _ in range(BURST + 3):
            self.assertEqual(self.enter("bob")[0], self.fails_open)
        self.daemon = self.start_allowd()
        wait_until(self.is_asked_again, "allowd is asked again")
        self.assert_exactly_the_burst_enters("carol")
        self.tell("down", "open" if self.fails_open else "closed")


class StuckCaller(Caller):
    """With what its program does when allowd is there and does not answer."""

    stuck_opens = None  # whether it lets the user in then,
    stuck_s = None  # after so many seconds, and as many again for each further question

    def test_allowd_stuck(self):
        self.running.stop()
        self.waits = []
        self.start()
        self.assertTrue(self.enter("alice")[0])
        self.daemon.signal(signal.SIGSTOP)
        try:
            for _ in range(2):
                began = time.monotonic()
                self.assertEqual(self.enter("bob")[0], self.stuck_opens)
                took_s = time.monotonic() - began
                self.assertGreater(took_s, self.stuck_s * 0.9)
                self.assertLess(took_s, self.stuck_s + 5)  # which are the machine's
        finally:
            self.daemon.signal(signal.SIGCONT)
        asked = self.count_questions()

        def is_asked_again():
            self.enter("dave")
            return self.count_questions() > asked
        wait_until(is_asked_again, "allowd is asked again")
        self.tell_stuck()

    def tell_stuck(self):
        self.tell("stuck", f"{'open' if self.stuck_opens else 'closed'}, {self.stuck_s:g} s")


class SwitchedCaller(StuckCaller):
    """With what a recipe says to write so that it fails the other way."""

    switch = None  # what in place of what

    def test_allowd_down_switched(self):
        self.running.stop()
        self.waits = self.switch
        self.start()
        self.assertTrue(self.enter("alice")[0])
        self.daemon.stop()
        self.assertEqual(self.enter("bob")[0], not self.fails_open)


class NginxCaller(StuckCaller):
    """nginx with a module that is a package of its own."""

    program = "nginx"
    module = None  # its name

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.module_path = pathlib.Path(f"/usr/lib/nginx/modules/{cls.module}.so")
        if not cls.module_path.exists():
            if os.environ.get("CI") == "true":
                raise AssertionError(f"{cls.module_path} is not installed, and CI must test its recipe")
            raise unittest.SkipTest(f"{cls.module_path} is not installed")

    def start_with(self, name, replacements):
        """Starts it with a recipe."""
        self.write_recipe(name, replacements)
        (self.directory / "around.conf").write_text(
            f"load_module {self.module_path};\ndaemon off;\npid nginx.pid;\nerror_log stderr;\nevents {{\n}}\n"
            f"include {self.directory}/{name};\n", encoding="ascii")
        self.start_program()

    def command(self):
        return [self.path, "-p", str(self.directory), "-e", "stderr", "-c", f"{self.directory}/around.conf"]
