#!/usr/bin/python3 -B
"""Who may do what: listeners for admins, their token, and pages of other origins.
For each rule, ways to get around it."""
import itertools
import os
import re
import tempfile
import unittest

from harness import (FORM, Case, Connection, Daemon, parse_address, request_bytes, run_allowd,
                     wait_until)

LIMITS = "limits:\n  - {name: default, burst: 10, rate: 1/d}\n"
TOKEN = "correct-horse-battery-staple"
BEARER = ("Authorization", f"Bearer {TOKEN}")
JSON = ("Content-Type", "application/json")
ADMIN_CALLS = (("POST", "/reset?key=k"), ("DELETE", "/reset?key=k"), ("POST", "/refund?key=k"),
               ("POST", "/charge?key=k&tokens=1"),
               ("GET", "/status"), ("GET", "/status?key=k"), ("HEAD", "/status"),
               ("GET", "/explain?key=k"), ("HEAD", "/explain?key=k"))


def admin_addresses(daemon):
    return [parse_address(match[1]) for match in
            (re.match("allowd: listening for admins on (.*)", line) for line in daemon.log())
            if match]


class Access(Case):
    """A daemon with a directory of its own, for what its configuration names."""

    parameters = ""
    token = None

    @classmethod
    def setUpClass(cls):
        # Only once the daemon is there its directory has a name, so the file comes with a reload.
        cls.daemon = Daemon(cls.parameters + LIMITS, cls.listen)
        if cls.token is not None:
            cls.daemon.token_path = os.path.join(cls.daemon.directory, "token")
            write_token(cls.daemon.token_path, cls.token)
            cls.daemon.reload(f"admin_token_file: {cls.daemon.token_path}\n" + LIMITS)

    def send(self, address, *requests):
        """What is answered to requests on one connection."""
        with Connection(address) as connection:
            connection.send(b"".join(requests))
            return [connection.receive(to_head=request.startswith(b"HEAD "))
                    for request in requests]

    def take(self, key, tokens=5):
        response = self.call("GET", f"/allow?key={key}&tokens={tokens}")
        self.assertEqual(response.status, 200)


def write_token(path, text, mode=0o600):
    """In place of the one before, which need not be one that its owner can write to."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)


class AdminListen(Access):
    parameters = "admin_listen: ['127.0.0.1:0', '[::1]:0']\n"

    def admin(self, *requests):
        return self.send(admin_addresses(self.daemon)[0], *requests)

    def public(self, *requests):
        return self.send(self.daemon.address, *requests)

    def assert_refused(self, response):
        if response.body:
            self.assert_problem(response, 403, "an address of admin_listen")
        self.assertEqual(response.status, 403)
        self.assertNotIn(b"127.0.0.1", response.body)
        for address in admin_addresses(self.daemon):
            self.assertNotIn(str(address[1]).encode(), response.body)

    def test_admins_may_do_everything(self):
        key = self.key()
        for address in admin_addresses(self.daemon):
            allow, reset, refund, status, daemon, health = self.send(
                address, request_bytes("GET", f"/allow?key={key}"),
                request_bytes("POST", f"/reset?key={key}"),
                request_bytes("POST", f"/refund?key={key}"),
                request_bytes("GET", f"/status?key={key}"), request_bytes("GET", "/status"),
                request_bytes("GET", "/healthz"))
            self.assertEqual({response.status for response in
                              (allow, reset, refund, status, daemon, health)}, {200})

    def test_the_others_may_ask_and_see_health(self):
        for target in ("/allow?key=" + self.key(), "/healthz", "/readyz"):
            self.assertEqual(self.public(request_bytes("GET", target))[0].status, 200)

    def test_the_others_may_do_no_more(self):
        key = self.key()
        self.take(key)
        for method, target in (*ADMIN_CALLS, ("GET", "/"), ("HEAD", "/")):
            target = target.replace("=k", f"={key}")
            with self.subTest(method, target=target):
                self.assert_refused(self.public(request_bytes(method, target))[0])
        self.assertEqual(self.status_of(key), 5)

    def status_of(self, key):
        return self.admin(request_bytes("GET", f"/status?key={key}"))[0].json()["remaining"]

    def test_ways_around_it(self):
        key = self.key()
        self.take(key)
        for target in (f"/%72eset?key={key}", f"/reset?key={key}&limit=default",
                       f"/r%65%73et?key={key}", f"http://localhost/reset?key={key}"):
            with self.subTest(target):
                self.assert_refused(self.public(request_bytes("POST", target))[0])
        for target, status in ((f"/RESET?key={key}", 404), (f"/reset/?key={key}", 404),
                               (f"//reset?key={key}", 404), (f"/./reset?key={key}", 404),
                               (f"/allow/../reset?key={key}", 404), (f"/%2freset?key={key}", 404),
                               (f"/reset%00?key={key}", 400), (f"/reset;x?key={key}", 404),
                               (f"http:/reset?key={key}", 400)):
            with self.subTest(target):
                response, = self.public(request_bytes("POST", target))
                self.assert_problem(response, status)
        self.assertEqual(self.status_of(key), 5)

    def test_headers_do_not_make_an_admin(self):
        host, port = admin_addresses(self.daemon)[0]
        for name, value in (("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"),
                            ("X-Original-URI", "/reset"), ("X-HTTP-Method-Override", "GET"),
                            BEARER, ("Forwarded", f"host={host}:{port}")):
            self.assert_refused(self.public(request_bytes("POST", "/reset?key=k",
                                                          [(name, value)]))[0])
        request = request_bytes("POST", "/reset?key=k").replace(
            b"localhost", f"{host}:{port}".encode())
        self.assert_refused(self.public(request)[0])

    def test_pipelined_behind_what_is_allowed(self):
        key = self.key()
        first, refused, last = self.public(
            request_bytes("GET", f"/allow?key={key}&tokens=5"),
            request_bytes("POST", f"/reset?key={key}"),
            request_bytes("GET", f"/allow?key={key}&tokens=0"))
        self.assertEqual((first.status, last.status), (200, 200))
        self.assert_refused(refused)
        self.assertEqual(last.json()["remaining"], 5)

    def test_refused_before_its_body_is_looked_at(self):
        key = self.key()
        self.take(key)
        for body, headers in ((f"key={key}".encode(), [FORM]), (b"key=", [FORM]),
                              (b"{", [JSON])):
            for path in ("/reset", "/refund", "/status"):
                refused, after = self.public(
                    request_bytes("POST", path, headers, body),
                    request_bytes("GET", f"/allow?key={key}&tokens=0"))
                self.assert_refused(refused)
                self.assertEqual(after.json()["remaining"], 5)
        batch = b'{"requests":[{"key":"a"}]}' + b" " * 100000
        self.assert_refused(self.public(request_bytes("POST", "/status", [JSON], batch))[0])

    def test_every_method(self):
        for method in ("GET", "HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "post", "FOO"):
            self.assert_refused(self.public(request_bytes(method, "/reset?key=k"))[0])

    def test_connections_are_not_mixed_up(self):
        """Slots of closed connections are used again, by either kind."""
        for _ in range(20):
            with Connection(self.daemon.address) as public, \
                 Connection(admin_addresses(self.daemon)[0]) as admin:
                for connection, status in ((public, 403), (admin, 200), (public, 403)):
                    connection.send(request_bytes("GET", "/status"))
                    self.assertEqual(connection.receive().status, status)

    def test_many_at_once(self):
        addresses = [self.daemon.address, admin_addresses(self.daemon)[0]]
        connections = [Connection(addresses[i % 2]) for i in range(100)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.send(request_bytes("GET", "/status"))
        self.assertEqual([connection.receive().status for connection in connections],
                         [403, 200] * 50)


class AdminListenLife(unittest.TestCase):
    def test_unix_socket(self):
        with Daemon(LIMITS) as probe:
            path = os.path.join(probe.directory, "admin")
            with Daemon(f"admin_listen: ['unix:{path}']\nsocket_mode: 0600\n" + LIMITS) as daemon:
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
                for address, status in ((path, 200), (daemon.address, 403)):
                    with Connection(address) as connection:
                        connection.send(request_bytes("GET", "/status"))
                        self.assertEqual(connection.receive().status, status)
            self.assertFalse(os.path.exists(path))

    def test_a_reload_does_not_open_what_was_apart(self):
        """The listeners stay as they are until the next start, and so does the rule."""
        with Daemon("admin_listen: ['127.0.0.1:0']\n" + LIMITS) as daemon:
            mark = daemon.mark()
            daemon.reload(LIMITS)
            daemon.wait_for_line("admin_listen has changed", after=mark)
            self.assertEqual(daemon.call("GET", "/status").status, 403)

    def test_threads(self):
        with Daemon("threads: 4\nadmin_listen: ['127.0.0.1:0']\n" + LIMITS) as daemon:
            for _ in range(20):
                for address, status in ((daemon.address, 403), (admin_addresses(daemon)[0], 200)):
                    with Connection(address) as connection:
                        connection.send(request_bytes("GET", "/status"))
                        self.assertEqual(connection.receive().status, status)


class Token(Access):
    token = f"\n {TOKEN}\t\r\n\n"

    def assert_asked_for_a_token(self, response, error=None):
        self.assertEqual(response.status, 401, response)
        challenge = 'Bearer realm="allowd"' + (f', error="{error}"' if error else "")
        self.assertEqual(response.header("WWW-Authenticate"), challenge)
        if response.body:
            self.assert_problem(response, 401)
            self.assertNotIn(TOKEN.encode(), response.body)

    def reset(self, *headers):
        return self.call("POST", "/reset?key=k", headers)

    def test_with_it(self):
        for method, target in ADMIN_CALLS:
            self.assertEqual(self.call(method, target, [BEARER]).status, 200)
        for value in (f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer   {TOKEN}",
                      f"Bearer {TOKEN}  "):
            self.assertEqual(self.reset(("Authorization", value)).status, 200, value)
        self.assertEqual(self.reset(("AUTHORIZATION", f"Bearer {TOKEN}")).status, 200)

    def test_without_it(self):
        for method, target in ADMIN_CALLS:
            with self.subTest(method, target=target):
                self.assert_asked_for_a_token(self.call(method, target))

    def test_what_needs_none(self):
        key = self.key()
        for method, target in (("GET", f"/allow?key={key}"), ("POST", f"/allow?key={key}"),
                               ("GET", "/healthz"), ("GET", "/readyz"), ("HEAD", "/healthz"),
                               ("GET", "/"), ("HEAD", "/")):
            self.assertEqual(self.call(method, target).status, 200)

    def test_another_one(self):
        for token in (TOKEN[:-1], TOKEN[:16], TOKEN + "x", TOKEN.upper(), TOKEN[::-1], "x" * 5000,
                      f'"{TOKEN}"', f"{TOKEN},{TOKEN}", f"{TOKEN} {TOKEN}", f"{TOKEN}=",
                      f"\t{TOKEN}", "*", f"{TOKEN}%00"):
            with self.subTest(token):
                self.assert_asked_for_a_token(self.reset(("Authorization", f"Bearer {token}")),
                                              "invalid_token")

    def test_no_bearer(self):
        for value in ("", "Bearer", "Bearer ", f"Bearer\t{TOKEN}", TOKEN, f"Basic {TOKEN}",
                      f"Token {TOKEN}", f"Bearer:{TOKEN}", f"Bearer={TOKEN}", f"xBearer {TOKEN}",
                      f"Digest Bearer {TOKEN}"):
            with self.subTest(value):
                self.assert_asked_for_a_token(self.reset(("Authorization", value)))

    def test_twice(self):
        """Whichever of them another program would look at."""
        other = ("Authorization", "Bearer another-token-of-someone")
        for fields in itertools.permutations((BEARER, other)):
            self.assert_asked_for_a_token(self.reset(*fields))
        self.assert_asked_for_a_token(self.reset(BEARER, BEARER))

    def test_in_other_places(self):
        for name in ("Proxy-Authorization", "X-Authorization", "Cookie", "Authorization2"):
            self.assert_asked_for_a_token(self.reset((name, f"Bearer {TOKEN}")))
        for target in (f"/reset?key=k&access_token={TOKEN}", f"/reset?access_token={TOKEN}&key=k"):
            self.assert_asked_for_a_token(self.call("POST", target))
        self.assert_asked_for_a_token(self.call(
            "POST", "/reset?key=k", [FORM], f"access_token={TOKEN}".encode()))

    def test_ways_around_it(self):
        key = self.key()
        self.take(key)
        for target in (f"/%72eset?key={key}", f"/reset?key={key}"):
            self.assert_asked_for_a_token(self.call("POST", target))
        with_it, without = self.send(
            self.daemon.address, request_bytes("POST", "/reset?key=k", [BEARER]),
            request_bytes("POST", f"/reset?key={key}"))
        self.assertEqual(with_it.status, 200)
        self.assert_asked_for_a_token(without)
        self.assertEqual(self.allow(key, "&tokens=0").json()["remaining"], 5)

    def test_batches(self):
        body = b'{"requests":[{"key":"a"}]}'
        self.assert_asked_for_a_token(self.call("POST", "/status", [JSON], body))
        self.assertEqual(self.call("POST", "/status", [JSON, BEARER], body).status, 200)
        self.assert_asked_for_a_token(self.call("QUERY", "/status", [JSON], body))
        self.assertEqual(self.call("QUERY", "/status", [JSON, BEARER], body).status, 200)
        self.assertEqual(self.call("POST", "/allow", [JSON], body).status, 200)

    def test_is_never_in_the_log(self):
        self.reset(BEARER)
        self.assertNotIn(TOKEN, "\n".join(self.daemon.log()))


class TokenFile(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon(LIMITS)
        self.addCleanup(self.daemon.stop)
        self.path = os.path.join(self.daemon.directory, "token")
        self.config = f"admin_token_file: {self.path}\n" + LIMITS

    def status(self, token=None):
        headers = [] if token is None else [("Authorization", f"Bearer {token}")]
        return self.daemon.call("GET", "/status", headers).status

    def check(self):
        self.daemon.write_config(self.config)
        return run_allowd("-t", "-c", self.daemon.config_path)

    def test_modes(self):
        for mode, status in ((0o600, 0), (0o400, 0), (0o640, 0), (0o604, 6), (0o602, 6),
                             (0o601, 6), (0o644, 6), (0o666, 6)):
            with self.subTest(oct(mode)):
                write_token(self.path, TOKEN, mode)
                found, _, error = self.check()
                self.assertEqual(found, status, error)
                if status != 0:
                    self.assertRegex(error, ":1:19: admin_token_file .* can be read by everybody; run: chmod o= FILE; "
                                            "or, if a container mounts it so, write admin_token_mode: any")

    def test_of_any_mode_where_that_is_written(self):
        """As Docker Compose mounts secrets: 0444, and nothing can take that away."""
        config = "admin_token_mode: any\n" + self.config
        for mode in (0o444, 0o644, 0o777, 0o440, 0o400):
            with self.subTest(oct(mode)):
                write_token(self.path, TOKEN, mode)
                mark = self.daemon.mark()
                self.daemon.reload(config)
                warned = [line for line in self.daemon.log()[mark:] if "can be read by" in line]
                self.assertEqual(len(warned), mode % 8 != 0, warned)
                for line in warned:
                    self.assertRegex(line, "warning: .*:2:19: admin_token_file .*/token\" can be read by "
                                           "everybody here, as admin_token_mode: any allows$")
                self.assertEqual((self.status(), self.status(TOKEN)), (401, 200))
        write_token(self.path, TOKEN, 0o444)
        self.daemon.write_config(config)
        status, _, error = run_allowd("-t", "-c", self.daemon.config_path)
        self.assertEqual(status, 0)
        self.assertIn("can be read by everybody here", error)
        self.assertNotIn(TOKEN, error)

    def test_a_credential_of_the_service_manager(self):
        with tempfile.TemporaryDirectory(prefix="allowd-e2e-") as directory:
            path = os.path.join(directory, "allowd-token")
            config = "admin_token_file: credential:allowd-token\n" + LIMITS
            write_token(path, TOKEN, 0o440)  # as an access control list shows it
            set_it = {"CREDENTIALS_DIRECTORY": directory}
            with Daemon(config, prepare=lambda: os.environ.update(set_it)) as daemon:
                self.assertEqual([line for line in daemon.log() if "warning" in line], [])
                def told(token):
                    return daemon.call("GET", "/status", [("Authorization", f"Bearer {token}")]).status
                self.assertEqual((told("x"), told(TOKEN)), (401, 200))
                write_token(path, TOKEN * 2)
                daemon.reload(config)
                wait_until(lambda: told(TOKEN) == 401, "the old token no longer counts")
                self.assertEqual(told(TOKEN * 2), 200)
                for environment, fault in ((set_it, None), ({}, "is a credential, and CREDENTIALS_DIRECTORY is not set"),
                                           ({"CREDENTIALS_DIRECTORY": "here"}, "CREDENTIALS_DIRECTORY is not set"),
                                           ({"CREDENTIALS_DIRECTORY": "/nonexistent"}, "cannot be opened: No such file")):
                    plain = {name: value for name, value in os.environ.items() if name != "CREDENTIALS_DIRECTORY"}
                    status, out, error = run_allowd("--print-config", "-c", daemon.config_path, env=plain | environment)
                    self.assertEqual(status, 0 if fault is None else 6, error)
                    self.assertIn(fault or "", error)
                    self.assertEqual('admin_token_file: "credential:allowd-token"\n' in out, fault is None)
                os.chmod(path, 0o604)
                self.assertEqual(run_allowd("-t", "-c", daemon.config_path, env=plain | set_it)[0], 6)

    def test_group_is_warned_of(self):
        write_token(self.path, TOKEN, 0o640)
        mark = self.daemon.mark()
        self.daemon.reload(self.config)
        self.daemon.wait_for_line("warning: .*/token can be read by its group", after=mark)
        self.assertEqual(self.status(TOKEN), 200)

    def test_texts(self):
        for text, status in (("x" * 16, 0), ("x" * 15, 6), ("x" * 512, 0), ("x" * 513, 6),
                             ("", 6), (" \n", 6), (f"{TOKEN}\n{TOKEN}", 6), (f"{TOKEN} x", 6),
                             (TOKEN + "\0", 6), (TOKEN + "\u00e9", 6), (TOKEN + "\x7f", 6),
                             (TOKEN + " " * 4000, 0), (TOKEN + " " * 5000, 6)):
            with self.subTest(text[:40], len=len(text)):
                write_token(self.path, text)
                found, out, error = self.check()
                self.assertEqual(found, status, error)
                self.assertNotIn(TOKEN, out + error)

    def test_is_read_at_each_reload(self):
        write_token(self.path, TOKEN)
        self.daemon.reload(self.config)
        self.assertEqual((self.status(), self.status(TOKEN)), (401, 200))
        write_token(self.path, TOKEN * 2)
        self.assertEqual(self.status(TOKEN), 200)
        self.daemon.reload(self.config)
        wait_until(lambda: self.status(TOKEN) == 401, "the old token no longer counts")
        self.assertEqual(self.status(TOKEN * 2), 200)
        os.chmod(self.path, 0o644)
        self.daemon.reload(self.config)
        self.assertEqual((self.status(), self.status(TOKEN * 2)), (401, 200))
        self.assertNotIn(TOKEN, "\n".join(self.daemon.log()))

    def test_not_a_file(self):
        for make in (os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/zero", path)):
            make(self.path)
            self.assertEqual(self.check()[0], 6)
            (os.rmdir if os.path.isdir(self.path) else os.unlink)(self.path)


class TokenAndListen(unittest.TestCase):
    def test_both(self):
        """Where there is both, one needs both."""
        with Daemon(LIMITS) as probe:
            path = os.path.join(probe.directory, "token")
            write_token(path, TOKEN)
            with Daemon(f"admin_listen: ['127.0.0.1:0']\nadmin_token_file: {path}\n" + LIMITS) \
                    as daemon:
                for address, headers, status in (
                        (daemon.address, [], 403), (daemon.address, [BEARER], 403),
                        (admin_addresses(daemon)[0], [], 401),
                        (admin_addresses(daemon)[0], [BEARER], 200)):
                    with Connection(address) as connection:
                        connection.send(request_bytes("GET", "/status", headers))
                        self.assertEqual(connection.receive().status, status)


class Origin(Case):
    config = LIMITS
    CHANGING = (("POST", "/reset?"), ("DELETE", "/reset?"), ("POST", "/refund?"),
                ("POST", "/charge?tokens=1&"), ("POST", "/acquire?"), ("GET", "/allow?"), ("POST", "/allow?"))

    def calls(self, headers, host="localhost"):
        """The statuses of all that changes something, and that nothing or something did."""
        for method, path in self.CHANGING:
            key = self.key()
            self.allow(key, "&tokens=5")
            request = request_bytes(method, f"{path}key={key}", headers)
            with Connection(self.daemon.address) as connection:
                connection.send(request.replace(b"localhost", host.encode()))
                yield connection.receive(), self.remaining(key)

    def assert_refused(self, headers, **options):
        for response, left in self.calls(headers, **options):
            self.assert_problem(response, 403, "another origin")
            self.assertEqual(left, 5)
            self.assertFalse([name for name, _ in response.fields
                              if name.lower().startswith("access-control-")])

    def assert_taken(self, headers, **options):
        for response, left in self.calls(headers, **options):
            self.assertEqual(response.status, 200)
            self.assertNotEqual(left, 5)

    def test_other_origins(self):
        for origin in ("http://evil.example", "https://evil.example", "null", "",
                       "http://localhost.evil.example", "http://evil-localhost",
                       "http://localhost:81", "http://localhost@evil.example",
                       "http://evil.example/localhost", "http://localhos", "localhost",
                       "http://localhost/", "http://localhost http://evil.example",
                       "://", "file://", "http://evil.example://localhosT",
                       "http://\u0430llowd.test"):
            with self.subTest(origin):
                self.assert_refused([("Origin", origin)])

    def test_own_origin(self):
        for origin, host in (("http://localhost", "localhost"),
                             ("http://LOCALhost", "localHOST"),
                             ("https://localhost", "localhost"),
                             ("http://127.0.0.1:10429", "127.0.0.1:10429"),
                             ("http://[::1]:10429", "[::1]:10429")):
            with self.subTest(origin):
                self.assert_taken([("Origin", origin)], host=host)

    def test_other_ports_and_names_of_the_same_machine(self):
        for origin in ("http://127.0.0.1:8080", "http://127.0.0.1", "http://localhost:10429",
                       "http://[::1]:10429"):
            self.assert_refused([("Origin", origin)], host="127.0.0.1:10429")

    def test_origin_twice(self):
        own, other = ("Origin", "http://localhost"), ("Origin", "http://evil.example")
        for fields in ([own, other], [other, own], [own, own]):
            self.assert_refused(fields)

    def test_fetch_site(self):
        for site in ("cross-site", "same-site", "Cross-Site", "", "something-new",
                     "none, cross-site", "same-origin cross-site"):
            self.assert_refused([("Sec-Fetch-Site", site)])
            self.assert_refused([("sec-fetch-site", site), ("Origin", "http://localhost")])
        self.assert_refused([("Sec-Fetch-Site", "none"), ("Sec-Fetch-Site", "cross-site")])
        self.assert_refused([("Sec-Fetch-Site", "same-origin"), ("Origin", "http://evil.example")])
        for site in ("none", "same-origin"):
            self.assert_taken([("Sec-Fetch-Site", site)])

    def test_batches(self):
        key = self.key()
        for mode in ("each", "all"):
            body = f'{{"requests":[{{"key":"{key}"}}],"mode":"{mode}"}}'.encode()
            response = self.call("POST", "/allow", [JSON, ("Origin", "http://evil.example")], body)
            self.assert_problem(response, 403)
        # What a page can send without being asked first: a batch that calls itself text.
        text = ("Content-Type", "text/plain")
        response = self.call("POST", "/allow", [text, ("Sec-Fetch-Site", "cross-site")], body)
        self.assert_problem(response, 403)
        self.assertEqual(self.remaining(key), 10)

    def test_forms(self):
        key = self.key()
        self.allow(key)
        response = self.call("POST", "/reset", [FORM, ("Origin", "null")], f"key={key}".encode())
        self.assert_problem(response, 403)
        self.assertEqual(self.remaining(key), 9)

    def test_what_changes_nothing(self):
        for target in ("/status", "/healthz", "/readyz", "/status?key=" + self.key()):
            response = self.call("GET", target, [("Origin", "http://evil.example"),
                                                 ("Sec-Fetch-Site", "cross-site")])
            self.assertEqual(response.status, 200)
            self.assertFalse([name for name, _ in response.fields
                              if name.lower().startswith("access-control-")])

    def test_preflights_are_not_answered(self):
        for path in ("/allow", "/reset", "/refund", "/charge", "/status"):
            for method in ("DELETE", "QUERY"):
                response = self.call("OPTIONS", path, [
                    ("Origin", "http://evil.example"), ("Access-Control-Request-Method", method)])
                self.assertIn(response.status, (403, 405))
                self.assertFalse([name for name, _ in response.fields
                                  if name.lower().startswith("access-control-")])

    def test_pipelined_behind_what_is_allowed(self):
        key = self.key()
        with Connection(self.daemon.address) as connection:
            connection.send(request_bytes("GET", f"/allow?key={key}") +
                            request_bytes("POST", f"/reset?key={key}",
                                          [("Origin", "http://evil.example")]) +
                            request_bytes("GET", f"/allow?key={key}&tokens=0"))
            statuses = [connection.receive() for _ in range(3)]
        self.assertEqual([response.status for response in statuses], [200, 403, 200])
        self.assertEqual(statuses[2].json()["remaining"], 9)


class ProxiedOrigin(Case):
    """A check is asked about requests of browsers, whose fields come along."""

    config = LIMITS + "checks:\n  - {name: edge, key: '{header:X-User}'}\n"

    def test_checks_do_not_mind(self):
        response = self.call("GET", "/check/edge", [("X-User", "u"), ("Origin", "http://a.example"),
                                                    ("Sec-Fetch-Site", "cross-site")])
        self.assertEqual(response.status, 200)


if __name__ == "__main__":
    unittest.main()
