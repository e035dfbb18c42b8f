#!/usr/bin/python3 -B
"""
The recipe for nginx's mail proxy, with the real proxy, a client that logs in over IMAP, and a
mail server that takes every password.
"""
import os
import pathlib
import socketserver
import threading
import unittest

from callers import StuckCaller, log_in_by_imap
from recipes import replaced
from share import load_tests  # which unittest calls

MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_mail_module.so")


class MailServer(socketserver.ThreadingTCPServer):
    """As much of IMAP as a login takes, in which name and password come as literals."""

    daemon_threads = True

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"* OK ready\r\n")
            tag = None
            for line in self.rfile:
                tag = tag or line.split()[0]
                if line.endswith(b"}\r\n"):
                    self.wfile.write(b"+ go on\r\n")
                else:
                    self.wfile.write(tag + b" OK done\r\n")
                    tag = None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), MailServer.Handler)
        self.port = self.server_address[1]
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()


class NginxMail(StuckCaller, unittest.TestCase):
    neighbour = "nginx, mail proxy"
    program = "nginx"
    fails_open = stuck_opens = False
    stuck_s = 2
    patience = [("timeout 2s;", "timeout 60s;")]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not MODULE.exists():
            if os.environ.get("CI") == "true":
                raise AssertionError(f"{MODULE} is not installed, and CI must test its recipe")
            raise unittest.SkipTest(f"{MODULE} is not installed")

    def setUp(self):
        self.server = MailServer()
        self.addCleanup(self.server.stop)
        super().setUp()

    def configure_allowd(self, config):
        return replaced(config, [("Auth-Port: 1143", f"Auth-Port: {self.server.port}")])

    def start(self):
        self.write_recipe("nginx-mail.conf", [("listen 143;", f"listen {self.port};")])
        (self.directory / "around.conf").write_text(
            f"load_module {MODULE};\ndaemon off;\npid nginx.pid;\nerror_log stderr;\nevents {{\n}}\n"
            f"include {self.directory}/nginx-mail.conf;\n", encoding="ascii")
        self.start_program()

    def command(self):
        return [self.path, "-p", str(self.directory), "-e", "stderr", "-c",
                f"{self.directory}/around.conf"]

    def enter(self, user):
        return log_in_by_imap(self.port, user, "any")

    def assert_told(self, text):
        self.assertRegex(text, r"Too many logins\. Try again in [1-9]\d* s\.")


if __name__ == "__main__":
    unittest.main()
