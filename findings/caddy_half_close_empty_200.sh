#!/bin/sh
# Caddy 2.6.2 (Debian 12, 2.6.2-5), reverse_proxy: a client that sends its request, half-closes its
# connection (shutdown(2) with SHUT_WR) and reads on gets "200 OK" with an empty body at once, while the server
# behind still works on the answer. Caddy closes the connection to that server.
#
# One would guess either the answer: no RFC has a word against a client that will ask nothing more. Or none
# at all, as from nginx, which takes the end of what it reads for the client's own.
# But Go's net/http cancels the request, reverse_proxy then writes nothing, and net/http makes a 200 of that.
# So a client takes a success for an answer of the server, of a limiter that is asked by forward_auth too, which
# has not answered. Clients that half-close, such as "nc -N", are to wait with that until they have read.
#
# Needs apt, dpkg-deb and python3; takes 10 seconds. Output on Debian 12.11:
#
#   Caddy 2.6.2
#   whole, server answers 503 after 2 s: 503 'busy'
#   half-closed, server answers 503 after 2 s: 200 '', before the server has answered
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=caddy=2.6.2-5
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
dpkg-deb -x caddy_*.deb .

cat >look.py <<'END'
import http.client
import http.server
import os
import socket
import subprocess
import threading
import time

PROGRAM = "usr/bin/caddy"
SLOW_S = 2


class Server(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.set()
        time.sleep(SLOW_S)
        answered.set()
        try:
            self.send_response(503)
            self.send_header("Content-Length", "4")
            self.end_headers()
            self.wfile.write(b"busy")
        except OSError:
            pass  # Caddy has left

    def log_message(self, *_):
        pass


def look(name, half_closes):
    asked.clear()
    answered.clear()
    client = http.client.HTTPConnection(host, port, timeout=10)
    client.request("GET", "/")
    assert asked.wait(10)
    if half_closes:
        client.sock.shutdown(socket.SHUT_WR)
    answer = client.getresponse()
    early = ", before the server has answered" * (not answered.is_set())
    print(f"{name}: {answer.status} {answer.read().decode()!r}{early}")
    assert answered.wait(10)


asked, answered = threading.Event(), threading.Event()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as free:
    host, port = free.getsockname()
with open("Caddyfile", "w") as configuration:
    configuration.write(f"""{{
	admin off
}}
:{port} {{
	reverse_proxy 127.0.0.1:{server.server_address[1]}
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
    look(f"whole, server answers 503 after {SLOW_S} s", False)
    look(f"half-closed, server answers 503 after {SLOW_S} s", True)
finally:
    caddy.kill()
    caddy.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
Caddy 2.6.2
whole, server answers 503 after 2 s: 503 'busy'
half-closed, server answers 503 after 2 s: 200 '', before the server has answered
END
cmp -s seen expected || { echo "$0: Caddy does otherwise now" >&2; exit 1; }
