#!/usr/bin/python3 -B
"""
The recipe for nginx's mail proxy, with the real proxy, a client that logs in over IMAP, and a
mail server that takes every password.
"""
import socketserver
import threading
import unittest

from callers import NginxCaller, log_in_by_imap
from recipes import replaced
from share import load_tests  # which unittest calls


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


class NginxMail(NginxCaller, unittest.TestCase):
    neighbour = "nginx, mail proxy"
    module = "ngx_mail_module"
    fails_open = stuck_opens = False
    stuck_s = 2
    patience = [("timeout 2s;", "timeout 60s;")]

    def setUp(self):
        self.server = MailServer()
        self.addCleanup(self.server.stop)
        super().setUp()

    def configure_allowd(self, config):
        return replaced(config, [("Auth-Port: 1143", f"Auth-Port: {self.server.port}")])

    def start(self):
        self.start_with("nginx-mail.conf", [("listen 143;", f"listen {self.port};")])

    def enter(self, user):
        return log_in_by_imap(self.port, user, "any")

    def assert_told(self, text):
        self.assertRegex(text, r"Too many logins\. Try again in [1-9]\d* s\.")


if __name__ == "__main__":
    unittest.main()
