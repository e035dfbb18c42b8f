"""
What the tests of recipes are made of: allowd with the configuration of the recipes, whose rate is
made so low that none of its tokens come back in time, and the process of the program that asks it.
For proxies also a client on loopback, and an application that says what has reached it.

A recipe runs as it stands but for ports and paths, which are replaced in its text, and each
replacement must find what it replaces. A program that is not installed is skipped, but never in
CI (CI=true).
"""
import contextlib
import hashlib
import http.client
import http.server
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

from harness import ENDS_WITH_US, PATIENCE_S, TOP, Daemon, wait_until

EXAMPLES = TOP / "etc" / "examples"
BURST = 20

# The addresses of the recipes, as they are written in them.
ALLOWD_ADDRESS, APP_ADDRESS = "127.0.0.1:10429", "127.0.0.1:8080"


def free_port():
    """A port below those that Linux gives to outgoing connections, which might take it
    before the proxy does."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


def require_program(name):
    """Where a program is installed; a server may not be on the path of a plain user."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        if os.environ.get("CI") == "true":
            raise AssertionError(f"{name} is not installed, and CI must test its recipe")
        raise unittest.SkipTest(f"{name} is not installed")
    return path


def unpack(package, test_class):
    """The folder in which a package of Debian is unpacked for a class of tests, where to install it would take away
    another one, or have it report to its makers."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
    test_class.addClassCleanup(shutil.rmtree, folder)
    folder.chmod(0o755)
    if shutil.which("apt-get") is None:
        raise unittest.SkipTest(f"{package} is not to be had")
    got = subprocess.run(["apt-get", "-qq", "download", package], cwd=folder, capture_output=True, text=True,
                         check=False)
    found = list(folder.glob("*.deb"))
    if not found:
        if os.environ.get("CI") == "true":
            raise AssertionError(f"{package} is not to be had, and CI must test its recipe: {got.stderr}")
        raise unittest.SkipTest(f"{package} is not to be had")
    subprocess.run(["dpkg-deb", "-x", found[0], folder], check=True)
    return folder


def replaced(text, replacements):
    for old, new in replacements:
        if old not in text:
            raise AssertionError(f"the recipe no longer holds {old!r}")
        text = text.replace(old, new)
    return text


# ---- the application ----

http.client._MAXHEADERS = 1000  # which http.server reads; 100 would be too few for some tests


class App:
    """An application that answers with what has reached it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self):
            with contextlib.suppress(ConnectionResetError):  # by a proxy that is being stopped
                super().handle()

        def read_chunks(self):
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()

        def answer(self):
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = b"".join(self.read_chunks())
            else:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen = f"{self.command} {self.path} {hashlib.sha256(body).hexdigest()}".encode()
            self.send_response(403 if self.path == "/forbidden" else 200)
            self.send_header("Content-Length", str(len(seen)))
            self.send_header("X-App", "yes")
            if self.path == "/file":
                self.send_header("X-Accel-Redirect", "/files/page")  # which nginx keeps to itself
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(seen)

        do_GET = do_HEAD = do_POST = do_OPTIONS = answer

        def log_message(self, *_):
            pass

    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), App.Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


# ---- the program that asks ----

class Program:
    """A process in a directory of its own."""

    def __init__(self, directory, command, environment):
        self.log_path = directory / "log"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [*ENDS_WITH_US, *command], cwd=directory, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(directory),
                     "XDG_CONFIG_HOME": str(directory), **environment})

    def wait_for_port(self, port):
        def answers():
            if self.process.poll() is not None:
                raise AssertionError(f"it has ended: {self.log()}")
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port)).close()
                return True
            return False
        wait_until(answers, f"something listens on port {port}")

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="backslashreplace")

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Recipe:
    """A program and allowd, run by their recipe; the subclasses say how."""

    neighbour = None  # what its manual page calls it, if it is there
    program = None
    allowd_file = "allowd-checks.yaml"
    slowed = ("rate: 10/s", "rate: 1/d")  # what to write in place of what so that no token comes back
    environment = {}

    @classmethod
    def setUpClass(cls):
        cls.path = require_program(cls.program)

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="allowd-e2e-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        os.chmod(self.directory, 0o755)  # its worker may be another user
        self.allowd_port = free_port()
        self.daemon = self.start_allowd()
        self.addCleanup(lambda: self.daemon.stop())

    def tell(self, column, what):
        """A fact that a test of this recipe has found, for the table of all (tests/neighbours.py)."""
        if self.neighbour is not None:
            print(f"\nneighbour: {self.neighbour} | {column} | {what}", flush=True)

    # -- starting --

    def start_allowd(self):
        config = replaced((EXAMPLES / self.allowd_file).read_text(encoding="utf-8"), [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"), self.slowed])
        return Daemon(self.configure_allowd(config), listen=(), under=self.under())

    def under(self):
        """A command that runs allowd."""
        return ()

    def configure_allowd(self, config):
        """For what a recipe's configuration of allowd has that is another here."""
        return config

    def write(self, name, replacements):
        """A file of the recipe, with this test's ports and paths."""
        text = (EXAMPLES / name).read_text(encoding="utf-8")
        (self.directory / name).write_text(replaced(text, replacements), encoding="utf-8")

    def count_questions(self):
        """How often allowd has been asked since it was started."""
        counters = self.daemon.call("GET", "/status").json()["counters"]
        return counters["allowed"] + counters["denied"]

    def start_program(self):
        self.running = Program(self.directory, self.command(), self.environment)
        self.addCleanup(self.running.stop)
        self.wait_until_it_serves()

    def wait_until_it_serves(self):
        self.running.wait_for_port(self.port)


class ProxyRecipe(Recipe):
    """A proxy, and an application behind it."""

    switch = None  # what to write in place of what so that it fails the other way
    patience = []  # and so that no busy machine makes it take allowd for down

    def setUp(self):
        super().setUp()
        self.app = App()
        self.addCleanup(self.app.stop)

    def start_proxy(self, switched=False, is_patient=True):
        self.port = free_port()
        self.waits = self.patience if is_patient else []
        self.write_recipe(self.switch if switched else [])
        self.start_program()

    # -- asking --

    def ask(self, source="127.0.0.1", method="GET", path="/a?b=c", headers=None, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S,
                                                source_address=(source, 0))
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            response.body = response.read()
            return response

    def drain(self, source):
        """Takes what a client may have, and one more that it does not get."""
        statuses = [self.ask(source).status for _ in range(BURST + 1)]
        self.assertEqual(statuses, [200] * BURST + [429])

    def assert_keeps_its_key(self, source):
        """That a client is denied after its burst, whoever it says it is."""
        self.drain(source)
        for value in ("198.51.100.7", "127.0.0.4", "unknown", ""):
            self.assert_denied(self.ask(source, headers={"X-Forwarded-For": value}))

    def assert_denied(self, response):
        self.assertEqual(response.status, 429, response.body)
        self.assertGreaterEqual(int(response.headers["Retry-After"]), 1)
        self.assertRegex(response.headers["RateLimit"], r'^"per-client";r=0;t=\d+$')
        self.assertRegex(response.headers["RateLimit-Policy"], rf'^"per-client";q={BURST};w=\d+$')
        self.assertEqual(response.headers["Content-Type"], "application/problem+json")
        self.assertIsNone(response.headers["X-App"])


# The lines of nginx's recipe that make a request wait, in place of those that do not.
NGINX_WAITS = [("        proxy_pass http://allowd/check/edge-403;\n", ""),
               ("        proxy_read_timeout 500ms;\n", ""),
               ("#proxy_pass http://allowd/check/edge-wait;", "proxy_pass http://allowd/check/edge-wait;"),
               ("#proxy_read_timeout 2500ms;", "proxy_read_timeout 2500ms;")]


class NginxRecipe(ProxyRecipe):
    program = "nginx"
    switch = [("return 204; # fail open", "return 500; # fail open")]
    patience = [("timeout 200ms;", "timeout 60s;"), ("timeout 500ms;", "timeout 60s;")]
    waits_instead = []  # NGINX_WAITS, where requests beyond the burst wait

    # What Debian's nginx.conf puts around it, with paths that need no root.
    around = """
daemon off;
pid nginx.pid;
error_log stderr;
events {{
}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    include {directory}/nginx.conf;
}}
"""

    def write_recipe(self, switch):
        self.write("nginx.conf", [
            (ALLOWD_ADDRESS, f"127.0.0.1:{self.allowd_port}"),
            (APP_ADDRESS, f"127.0.0.1:{self.app.port}"),
            ("listen 80;", f"listen {self.port};"),
        ] + switch + self.waits_instead + self.waits)
        (self.directory / "around.conf").write_text(self.around.format(directory=self.directory),
                                                    encoding="utf-8")

    def command(self):
        return [self.path, "-p", str(self.directory), "-e", "stderr", "-c",
                str(self.directory / "around.conf")]


class ApacheRecipe(ProxyRecipe):
    program = "apache2"
    modules = ()  # of the recipe
    site = ""  # what else a site has

    # What Debian's apache2.conf and a site put around it.
    around = """
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {directory}/pid
ErrorLog /dev/stderr
{modules}
AllowEncodedSlashes NoDecode
{site}
ProxyPass / http://127.0.0.1:{app}/ nocanon
"""

    def write_around(self):
        modules = "\n".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in (
            "mpm_event", "authz_core", "proxy", "proxy_http", *self.modules))
        (self.directory / "around.conf").write_text(self.around.format(
            port=self.port, directory=self.directory, app=self.app.port, modules=modules,
            site=self.site.format(directory=self.directory)), encoding="utf-8")

    def command(self):
        return [self.path, "-DFOREGROUND", "-f", f"{self.directory}/around.conf"]
