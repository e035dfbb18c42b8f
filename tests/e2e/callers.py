"""
What the tests of recipes for RabbitMQ, Dovecot and others have in common. These programs ask
allowd by themselves, and go by what an answer holds; what counts is what their users see.
"""
import imaplib

from harness import PATIENCE_S, wait_until
from recipes import ALLOWD_ADDRESS, Recipe, free_port

BURST = 5
USERS = ("alice", "bob", "carol", "dave")


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

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.start()

    def start(self):
        raise NotImplementedError

    def enter(self, user):
        """What the program answers a user who does all as it should be: a pair of whether it
        lets the user in, and what it says."""
        raise NotImplementedError

    def write_recipe(self, name, more=()):
        self.write(name, [(ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"), *more])

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

    def test_allowd_down(self):
        self.assertTrue(self.enter("alice")[0])
        self.daemon.stop()
        for _ in range(BURST + 3):
            self.assertEqual(self.enter("bob")[0], self.fails_open)
        self.daemon = self.start_allowd()
        wait_until(self.is_asked_again, "allowd is asked again")
        self.assert_exactly_the_burst_enters("carol")
