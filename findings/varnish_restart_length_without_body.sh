#!/bin/sh
# Varnish 7.1.1 (Debian 12, 7.1.1-2+deb12u1): a POST whose VCL says return (restart) after a first backend has
# had it goes to the second one with its Content-Length and without its body. That backend waits for what
# never comes, until Varnish gives it up and the client gets a 503.
#
# One would guess that the body is kept for as long as a restart may come, or else that the restart fails, or
# that the length goes with the body. The pattern "ask one service first, restart to the other if it says yes"
# works with GET and in each test that has no body. std.cache_req_body() before the first backend is the cure.
#
# Needs apt, dpkg-deb, a C compiler, python3 and the libraries of varnish; takes 15 seconds. Output on
# Debian 12.11, from backends that are given up after 2 s:
#
#   varnish-7.1.1
#   POST, no restart: 200, the backend read Content-Length 5 and 5 bytes
#   POST, restart: 503, the second backend read Content-Length 5 and 0 bytes
#   POST, cache_req_body and restart: 200, the second backend read Content-Length 5 and 5 bytes
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 libjemalloc2=5.3.0-1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%=*}"_*.deb .
done
chmod 755 .

cat >look.py <<'END'
import glob
import http.client
import os
import re
import socket
import subprocess
import threading
import time

FOLDER = os.getcwd()
LIBRARIES = os.path.abspath(os.path.dirname(glob.glob("usr/lib/*/libvarnishapi.so.3")[0]))
PROGRAM = "usr/sbin/varnishd"
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": f"{LIBRARIES}/varnish:{LIBRARIES}"}
BODY = b"hello"
told = []


def serve(client):
    """Reads one request until its body is there or the other side leaves, and answers."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += client.recv(4096)
    header, body = said.split(b"\r\n\r\n", 1)
    length = int(re.search(rb"(?i)\r\nContent-Length: (\d+)", header)[1])
    while len(body) < length and (data := client.recv(4096)):
        body += data
    told.append(f"read Content-Length {length} and {len(body)} bytes")
    if len(body) == length:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    client.close()


def accept():
    while True:
        threading.Thread(target=serve, args=backend.accept()[:1], daemon=True).start()


def look(name, questions, **fields):
    told.clear()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("POST", "/", BODY, fields)
    status = client.getresponse().status
    while len(told) < questions:
        time.sleep(0.1)
    print(f"POST, {name}: {status}, the {'second ' * (questions > 1)}backend {told[-1]}")


backend = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
with open("restart.vcl", "w") as configuration:
    configuration.write(f"""
vcl 4.1;
import std;
backend both {{
  .host = "127.0.0.1"; .port = "{backend.getsockname()[1]}";
  .first_byte_timeout = 2s;
}}
sub vcl_recv {{
  if (req.restarts == 0 && req.http.Keep) {{ std.cache_req_body(1KB); }}
  return (pass);
}}
sub vcl_deliver {{
  if (req.restarts == 0 && req.http.Restart) {{ return (restart); }}
}}
""")
version = subprocess.run([PROGRAM, "-V"], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True).stderr
print(re.search(r"varnish-[0-9.]+", version)[0])
varnish = subprocess.Popen(
    [PROGRAM, "-F", "-j", "none", "-n", f"{FOLDER}/work", "-a", f"127.0.0.1:{port}", "-T", "none", "-s", "malloc,16m",
     "-f", f"{FOLDER}/restart.vcl", "-p", f"vmod_path={LIBRARIES}/varnish/vmods"],
    env=ENVIRONMENT, stdout=open("log", "w"), stderr=subprocess.STDOUT)
try:
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert varnish.poll() is None, open("log").read()
        time.sleep(0.1)
    look("no restart", 1)
    look("restart", 2, Restart="yes")
    look("cache_req_body and restart", 2, Restart="yes", Keep="yes")
finally:
    varnish.terminate()
    varnish.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
varnish-7.1.1
POST, no restart: 200, the backend read Content-Length 5 and 5 bytes
POST, restart: 503, the second backend read Content-Length 5 and 0 bytes
POST, cache_req_body and restart: 200, the second backend read Content-Length 5 and 5 bytes
END
cmp -s seen expected || { echo "$0: Varnish does otherwise now" >&2; exit 1; }
