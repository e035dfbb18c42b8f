#!/bin/sh
# HAProxy 2.6.12 (Debian 12, 2.6.12-1+deb12u4): if a client leaves while a Lua action asks something with
# core.httpclient(), the question goes on to its end; after that the request of the client that has gone is
# passed on to the server all the same. "option abortonclose" ends the latter, and not the former.
#
# One would guess that HAProxy, which ends what it forwards when the client goes (with abortonclose even
# while it queues), ends what is done for that client's sake too. But the action is a task of its own, which
# nobody tells. So an authority that lets its callers wait, a queue say, waits for clients that have
# long gone, and each takes its turn.
#
# Needs apt, dpkg-deb, python3 and the libraries of haproxy; takes 15 seconds. Output on Debian 12.11:
#
#   HAProxy 2.6.12-1+deb12u4
#   client leaves: the question is still open after 3 s; then the server gets the request
#   client leaves, option abortonclose: the question is still open after 3 s; then the server does not get the request
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=haproxy=2.6.12-1+deb12u4
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
dpkg-deb -x haproxy_*.deb .

cat >look.py <<'END'
import http.server
import os
import queue
import select
import socket
import subprocess
import threading
import time

WAIT_S = 3
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
PROGRAM = "usr/sbin/haproxy"


class Authority(http.server.BaseHTTPRequestHandler):
    """Would answer after WAIT_S; tells before that if whoever asks closes the connection."""

    def do_GET(self):
        asked.set()
        seen = select.poll()
        seen.register(self.connection, select.POLLRDHUP)
        told.put("closed at once" if seen.poll(1000 * WAIT_S) else f"still open after {WAIT_S} s")
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        passed_on.set()

    def log_message(self, *_):
        pass


class Quiet(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        pass  # HAProxy has closed the connection


def serve(handler):
    server = Quiet(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def look(name, option):
    with socket.create_server(("127.0.0.1", 0)) as free:
        host, port = free.getsockname()
    with open("haproxy.cfg", "w") as configuration:
        configuration.write(f"""
global
  lua-load ask.lua
defaults
  mode http
  timeout connect 9s
  timeout client 9s
  timeout server 9s
  {option}
frontend clients
  bind {host}:{port}
  http-request lua.ask
  default_backend server
backend server
  server server 127.0.0.1:{serve(Server)}
""")
    haproxy = subprocess.Popen([PROGRAM, "-db", "-f", "haproxy.cfg"], stderr=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex((host, port)):
            assert haproxy.poll() is None
            time.sleep(0.1)
        asked.clear()
        passed_on.clear()
        client = socket.create_connection((host, port))
        client.sendall(GET)
        assert asked.wait(10)
        client.close()
        said = told.get(timeout=10)
        gets = "gets" if passed_on.wait(2) else "does not get"
        print(f"client leaves{name}: the question is {said}; then the server {gets} the request")
    finally:
        haproxy.kill()
        haproxy.wait()


asked, passed_on, told = threading.Event(), threading.Event(), queue.Queue()
with open("ask.lua", "w") as script:
    script.write(f"""
core.register_action("ask", {{"http-req"}}, function()
  core.httpclient():get{{url = "http://127.0.0.1:{serve(Authority)}/", timeout = 9000}}
end)
""")
said = subprocess.run([PROGRAM, "-v"], stdout=subprocess.PIPE, text=True).stdout
print("HAProxy", said.split()[2])
look("", "")
look(", option abortonclose", "option abortonclose")
END
python3 look.py | tee seen

cat >expected <<'END'
HAProxy 2.6.12-1+deb12u4
client leaves: the question is still open after 3 s; then the server gets the request
client leaves, option abortonclose: the question is still open after 3 s; then the server does not get the request
END
cmp -s seen expected || { echo "$0: HAProxy does otherwise now" >&2; exit 1; }
