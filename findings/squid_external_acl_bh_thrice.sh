#!/bin/sh
# Squid 5.7 (Debian 12, 5.7-2+deb12u6), external_acl_type: a helper that answers BH, its word for "I
# cannot say", is asked the same line three times for one request, at once and even with one helper, ttl=0
# and cache=0. OK and ERR are asked for once. The end of it is a denial in either case.
#
# One would guess one question for one request, as for ERR, or another try after a while: the same
# process, asked in the same instant, hardly knows more. So a helper that counts or charges before it finds
# out that it cannot say does so three times. Who wants a request let through then says OK himself.
#
# Needs apt, dpkg-deb, python3 and libraries of squid (libkrb5, libldap and the like); takes 15 seconds.
# Output on Debian 12.11, for one request each:
#
#   Squid 5.7
#   helper says OK: asked 1 time, client is let through
#   helper says ERR: asked 1 time, client gets 403
#   helper says BH: asked 3 times, client gets 403
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in squid=5.7-2+deb12u6 squid-common=5.7-2+deb12u6 squid-langpack=20220130-1 libecap3=1.0.1-3.4 \
    libnetfilter-conntrack3=1.0.9-3 libnfnetlink0=1.0.2-2 libltdl7=2.4.7-7~deb12u1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%%=*}"_*.deb .
done
mkdir work
chmod 755 .
chmod 777 work

cat >helper.py <<'END'
import sys

for line in sys.stdin:
    with open("asked", "a") as asked:
        asked.write(line)
    print(sys.argv[1], flush=True)
END
cat >look.py <<'END'
import glob
import http.client
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time

FOLDER = os.getcwd()
PROGRAM = f"{FOLDER}/usr/sbin/squid"
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": os.path.dirname(glob.glob(f"{FOLDER}/usr/lib/*/libecap.so.3")[0])}
PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin") or shutil.which("python3")


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def look(word):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with open("squid.conf", "w") as configuration:
        configuration.write(f"""
http_port 127.0.0.1:{port}
pid_filename none
access_log none
cache_log {FOLDER}/work/log-{word}
cache deny all
netdb_filename none
pinger_enable off
coredump_dir {FOLDER}/work
unlinkd_program {FOLDER}/usr/lib/squid/unlinkd
mime_table {FOLDER}/usr/share/squid/mime.conf
icon_directory {FOLDER}/usr/share/squid/icons
error_directory {FOLDER}/usr/share/squid-langpack/en
err_page_stylesheet {FOLDER}/etc/squid/errorpage.css
external_acl_type helper ttl=0 cache=0 children-max=1 children-startup=1 %SRC {PYTHON} {FOLDER}/helper.py {word}
acl asked external helper
http_access allow asked
http_access deny all
""")
    asked = "work/asked"
    if os.path.exists(asked):
        os.remove(asked)
    squid = subprocess.Popen([PROGRAM, "-N", "-f", f"{FOLDER}/squid.conf"], env=ENVIRONMENT,
                             stdout=open(f"out-{word}", "w"), stderr=subprocess.STDOUT)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert squid.poll() is None, open(f"out-{word}").read()
            time.sleep(0.1)
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", f"http://127.0.0.1:{site.server_address[1]}/")
        status = client.getresponse().status
        time.sleep(1)  # for questions after the answer
    finally:
        squid.kill()
        squid.wait()
    times = len(open(asked).readlines())
    print(f"helper says {word}: asked {times} time{'s' * (times != 1)}, client "
          + ("is let through" if status == 200 else f"gets {status}"))


site = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
threading.Thread(target=site.serve_forever, daemon=True).start()
version = subprocess.run([PROGRAM, "-v"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True).stdout
print("Squid", version.split()[3])
for word in "OK", "ERR", "BH":
    look(word)
END
python3 look.py | tee seen

cat >expected <<'END'
Squid 5.7
helper says OK: asked 1 time, client is let through
helper says ERR: asked 1 time, client gets 403
helper says BH: asked 3 times, client gets 403
END
cmp -s seen expected || { echo "$0: Squid does otherwise now" >&2; exit 1; }
