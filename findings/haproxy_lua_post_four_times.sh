#!/bin/sh
# HAProxy 2.6.12 (Debian 12, 2.6.12-1+deb12u4): a POST that a Lua script makes with core.httpclient()
# to a server that has read it but does not answer in time is sent four times, each after the whole
# timeout. The script is told 504 once.
#
# One would guess that a request which may have done its work already is not sent again, as HAProxy
# does not repeat what it forwards unless retry-on says so, and that a timeout of 0.5 s is over after
# 0.5 s; the script waits for 2. So as soon as the server is slow, whatever is asked for is done or
# charged up to four times, and a server that hangs costs four timeouts. This version has no setting for it:
# httpclient.retries, which newer ones document, is an unknown keyword.
#
# Needs apt, dpkg-deb, python3 and the libraries of haproxy; takes 10 seconds. Output on Debian 12.11:
#
#   HAProxy 2.6.12-1+deb12u4
#   answered at once: the script sees 200, the server saw 1 POST
#   not answered for 0.5 s: the script sees 504 after 2 s, the server saw 4 POSTs with the body
#   httpclient.retries: unknown keyword
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=haproxy=2.6.12-1+deb12u4
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
dpkg-deb -x haproxy_*.deb .

cat >look.py <<'END'
import http.client
import re
import socket
import subprocess
import threading
import time

PROGRAM = "usr/sbin/haproxy"
TIMEOUT_MS = 500
posts = []
unanswered = []


def serve(client):
    said = b""
    while b"one=1" not in said:  # chunked or not
        said += client.recv(4096)
    posts.append(said.startswith(b"POST "))
    if b" /slow" in said:
        unanswered.append(client)
        return
    client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    client.close()


def accept(server):
    while True:
        threading.Thread(target=serve, args=server.accept()[:1], daemon=True).start()


def look(name, path):
    posts.clear()
    began = time.monotonic()
    client = http.client.HTTPConnection(*listener.getsockname())
    client.request("GET", path)
    status = client.getresponse().read().decode()
    after_s = round(time.monotonic() - began)
    assert all(posts)
    print(f"{name}: the script sees {status}" + f" after {after_s} s" * (after_s > 0) +
          f", the server saw {len(posts)} POST" + "s with the body" * (len(posts) > 1))


server = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(server,), daemon=True).start()
listener = socket.create_server(("127.0.0.1", 0))
listener.set_inheritable(True)
with open("ask.lua", "w") as script:
    script.write(f"""
core.register_service("ask", "http", function(applet)
  local url = "http://127.0.0.1:{server.getsockname()[1]}" .. applet.path
  local answer = core.httpclient():post{{url = url, body = "one=1", timeout = {TIMEOUT_MS}}}
  local status = tostring(answer.status)
  applet:set_status(200)
  applet:add_header("Content-Length", #status)
  applet:start_response()
  applet:send(status)
end)
""")
with open("haproxy.cfg", "w") as configuration:
    configuration.write(f"""
global
  lua-load ask.lua
defaults
  mode http
  timeout connect 9s
  timeout client 9s
  timeout server 9s
frontend script
  bind fd@{listener.fileno()}
  http-request use-service lua.ask
""")
with open("newer.cfg", "w") as configuration:
    configuration.write("global\n  httpclient.retries 0\n")

said = subprocess.run([PROGRAM, "-v"], stdout=subprocess.PIPE, text=True).stdout
print("HAProxy", said.split()[2])
haproxy = subprocess.Popen([PROGRAM, "-db", "-f", "haproxy.cfg"], close_fds=False, stderr=subprocess.DEVNULL)
try:
    look("answered at once", "/fast")
    look(f"not answered for {TIMEOUT_MS / 1000} s", "/slow")
finally:
    haproxy.kill()
    haproxy.wait()
checked = subprocess.run([PROGRAM, "-c", "-f", "newer.cfg"], stderr=subprocess.PIPE, text=True)
unknown = re.search(r"unknown keyword 'httpclient.retries'", checked.stderr)
print(f"httpclient.retries: {'unknown keyword' if unknown else checked.stderr}")
END
python3 look.py | tee seen

cat >expected <<'END'
HAProxy 2.6.12-1+deb12u4
answered at once: the script sees 200, the server saw 1 POST
not answered for 0.5 s: the script sees 504 after 2 s, the server saw 4 POSTs with the body
httpclient.retries: unknown keyword
END
cmp -s seen expected || { echo "$0: HAProxy does otherwise now" >&2; exit 1; }
