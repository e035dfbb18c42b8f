#!/bin/sh
# Caddy 2.6.2 (Debian 12, 2.6.2-5), forward_auth: if a client leaves while the authority is asked about its
# request, Caddy ends the question at once. But not if the request has a body, of ten bytes that have
# all arrived; nor if the client sends another request meanwhile. Then the authority is waited for to the end.
#
# One would guess that it is all the same to a closed connection what was sent on it before. But Go's
# net/http looks for the end of a connection only from when the body has been read, and forward_auth asks
# before anybody reads it; and it looks no further than one byte, which the next request may have brought. So an
# authority that takes its time, a queue say, works for clients that have long gone, whenever they POST.
#
# Needs apt, dpkg-deb and python3; takes 15 seconds. Output on Debian 12.11:
#
#   Caddy 2.6.2
#   client leaves, GET: the question is closed at once
#   client leaves, POST of ten bytes: the question is still open after 3 s
#   client leaves, GET and later another one: the question is still open after 3 s
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=caddy=2.6.2-5
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
dpkg-deb -x caddy_*.deb .

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
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n0123456789"
PROGRAM = "usr/bin/caddy"


class Authority(http.server.BaseHTTPRequestHandler):
    """Would answer after WAIT_S; tells before that if whoever asks closes the connection."""

    def do_GET(self):
        asked.set()
        seen = select.poll()
        seen.register(self.connection, select.POLLRDHUP)
        told.put("closed at once" if seen.poll(1000 * WAIT_S) else f"still open after {WAIT_S} s")
        self.close_connection = True

    def log_message(self, *_):
        pass


def look(name, request, behind=b""):
    asked.clear()
    client = socket.create_connection((host, port))
    client.sendall(request)
    assert asked.wait(10)
    client.sendall(behind)
    client.close()
    print(f"client leaves, {name}: the question is {told.get(timeout=10)}")


asked, told = threading.Event(), queue.Queue()
authority = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authority)
authority.daemon_threads = True
threading.Thread(target=authority.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as free:
    host, port = free.getsockname()
with open("Caddyfile", "w") as configuration:
    configuration.write(f"""{{
	admin off
}}
:{port} {{
	forward_auth 127.0.0.1:{authority.server_address[1]} {{
		uri /
	}}
	respond yes
}}
""")

environment = {**os.environ, "HOME": os.getcwd()}
version = subprocess.run([PROGRAM, "version"], stdout=subprocess.PIPE, text=True, env=environment).stdout
print("Caddy", version.split()[0])
caddy = subprocess.Popen([PROGRAM, "run", "--config", "Caddyfile", "--adapter", "caddyfile"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
try:
    while socket.socket().connect_ex((host, port)):
        assert caddy.poll() is None
        time.sleep(0.1)
    look("GET", GET)
    look("POST of ten bytes", POST)
    look("GET and later another one", GET, GET)
finally:
    caddy.kill()
    caddy.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
Caddy 2.6.2
client leaves, GET: the question is closed at once
client leaves, POST of ten bytes: the question is still open after 3 s
client leaves, GET and later another one: the question is still open after 3 s
END
cmp -s seen expected || { echo "$0: Caddy does otherwise now" >&2; exit 1; }
