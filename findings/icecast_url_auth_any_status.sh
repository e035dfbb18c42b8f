#!/bin/sh
# Icecast 2.4.4 (Debian 12, 2.4.4-4+b1), authentication by URL: a listener is let in by the header
# "icecast-auth-user: 1" alone. With it an answer of 403 or 500 is a yes, without it one of 200 is a no.
# And where neither the listener nor the configuration has a name and password, the question carries
# empty ones, "Authorization: Basic Og==".
#
# One would guess that a status which is an error is a no, whatever field a proxy adds to it, that 200
# is a yes, and that what is not known is left out. So a service that can choose the status only
# cannot be asked, and one that looks for a login in Authorization has to take the empty one for none.
#
# Needs apt, dpkg-deb, python3 and the libraries of icecast2; takes 10 seconds. Output on Debian 12.11:
#
#   Icecast 2.4.4, asks with Authorization: Basic Og==
#   200 with the header: the listener gets 200
#   403 with the header: the listener gets 200
#   500 with the header: the listener gets 200
#   200 without it: the listener gets 401
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=icecast2=2.4.4-4+b1
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
dpkg-deb -x icecast2_*.deb .
mkdir logs
chmod 755 .
chmod 777 logs

cat >look.py <<'END'
import base64
import http.client
import http.server
import os
import socket
import subprocess
import threading
import time

FOLDER = os.getcwd()
PROGRAM = "usr/bin/icecast2"
ANSWERS = {"200-with": (200, True), "403-with": (403, True), "500-with": (500, True), "200-without": (200, False)}
questions = []


class Authority(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        questions.append(self.headers["Authorization"])
        status, yes = ANSWERS[self.path[1:]]
        self.send_response(status)
        if yes:
            self.send_header("icecast-auth-user", "1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


authority = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authority)
threading.Thread(target=authority.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as free:
    host, port = free.getsockname()
mounts = "".join(f"""
  <mount><mount-name>/{name}</mount-name><authentication type="url">
    <option name="listener_add" value="http://127.0.0.1:{authority.server_address[1]}/{name}"/>
  </authentication></mount>""" for name in ANSWERS)
# Icecast wants not to be root; it changes to nobody then.
owner = "<changeowner><user>nobody</user><group>nogroup</group></changeowner>" if os.getuid() == 0 else ""
with open("icecast.xml", "w") as configuration:
    configuration.write(f"""<icecast>
  <limits><sources>9</sources></limits>
  <authentication><source-password>source</source-password>
    <admin-user>admin</admin-user><admin-password>admin</admin-password></authentication>
  <hostname>localhost</hostname><location>here</location><admin>nobody</admin>
  <listen-socket><bind-address>{host}</bind-address><port>{port}</port></listen-socket>{mounts}
  <paths><basedir>{FOLDER}</basedir><logdir>{FOLDER}/logs</logdir>
    <webroot>{FOLDER}/usr/share/icecast2/web</webroot><adminroot>{FOLDER}/usr/share/icecast2/admin</adminroot></paths>
  <logging><accesslog>access</accesslog><errorlog>error</errorlog></logging>
  <security><chroot>0</chroot>{owner}</security>
</icecast>""")


def play(name):
    """A source that sends a little and stays; it is to be closed when the listener has been answered."""
    source = socket.create_connection((host, port))
    password = base64.b64encode(b"source:source").decode()
    source.sendall(f"PUT /{name} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {password}\r\n"
                   "Content-Type: audio/mpeg\r\nExpect: 100-continue\r\n\r\n".encode())
    assert source.recv(100).startswith(b"HTTP/1.1 100"), name
    source.sendall(bytes(100000))
    return source


def listen(name):
    client = http.client.HTTPConnection(host, port, timeout=10)
    client.request("GET", f"/{name}")
    return client.getresponse().status


icecast = subprocess.Popen([PROGRAM, "-c", "icecast.xml"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
try:
    while socket.socket().connect_ex((host, port)):
        assert icecast.poll() is None
        time.sleep(0.1)
    seen = {}
    for name in ANSWERS:
        source = play(name)
        while (status := listen(name)) == 404:  # the mount is not there yet
            time.sleep(0.1)
        seen[name] = status
        source.close()
finally:
    icecast.kill()
    icecast.wait()
version = subprocess.run([PROGRAM, "-v"], stdout=subprocess.PIPE, text=True).stdout
print(f"{version.strip()}, asks with Authorization: {' or '.join(sorted(set(questions)))}")
for name, (status, yes) in ANSWERS.items():
    print(f"{status} {'with the header' if yes else 'without it'}: the listener gets {seen[name]}")
END
python3 look.py | tee seen

cat >expected <<'END'
Icecast 2.4.4, asks with Authorization: Basic Og==
200 with the header: the listener gets 200
403 with the header: the listener gets 200
500 with the header: the listener gets 200
200 without it: the listener gets 401
END
cmp -s seen expected || { echo "$0: Icecast does otherwise now" >&2; exit 1; }
