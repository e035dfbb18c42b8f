#!/bin/sh
# nginx 1.22.1 (Debian 12, 1.22.1-9+deb12u11), limit_req_zone with rate=1r/m lets a request through
# each 62.5 seconds, and rate=4r/m each 15.2.
#
# One would guess a minute, and a quarter of one. But a rate is kept in thousandths of a request a
# second, and what is over is cut off: 1r/m is 16 of them and not 16.7. It is most at 1r/m, 4 per cent,
# and nothing where the rate divides, as 3r/m. A job that asks once a minute is thus denied at times,
# though it keeps to the rate; who moves such a limit elsewhere and wants the same decisions takes
# 16 in 1000 s.
#
# Needs apt, dpkg-deb, python3 and the libraries of nginx; takes 25 seconds. Output on Debian 12.11,
# from the "excess" that nginx logs some time after a request has passed:
#
#   nginx/1.22.1
#   3r/m: 0.050 a second
#   4r/m: 0.066 a second
#   1r/m: 0.016 a second
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=nginx=1.22.1-9+deb12u11
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
dpkg-deb -x nginx_*.deb .
chmod 755 .
mkdir site
echo yes >site/page

cat >look.py <<'END'
import http.client
import os
import re
import socket
import subprocess
import time

LOOK_S = {3: 10, 4: 11, 1: 20}  # by requests a minute


def ask(rate):
    client = http.client.HTTPConnection(host, port, timeout=10)
    client.request("GET", f"/{rate}/page")
    status = client.getresponse().status
    return status, time.monotonic()


with socket.create_server(("127.0.0.1", 0)) as free:
    host, port = free.getsockname()
folder = os.getcwd()
temporary = " ".join(f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
zones = " ".join(f"limit_req_zone $server_port zone=z{rate}:64k rate={rate}r/m;" for rate in LOOK_S)
locations = " ".join(f"location /{rate}/ {{ alias {folder}/site/; limit_req zone=z{rate}; }}" for rate in LOOK_S)
with open("nginx.conf", "w") as configuration:
    configuration.write(f"""
daemon off;
master_process off;
pid {folder}/pid;
events {{}}
http {{
  access_log off;
  {temporary}
  {zones}
  server {{
    listen {host}:{port};
    {locations}
  }}
}}
""")

program = f"{folder}/usr/sbin/nginx"
print(subprocess.run([program, "-v"], stderr=subprocess.PIPE, text=True).stderr.split()[-1])
nginx = subprocess.Popen([program, "-e", "error.log", "-p", folder, "-c", "nginx.conf"], stderr=subprocess.DEVNULL)
try:
    while socket.socket().connect_ex((host, port)):
        assert nginx.poll() is None, open("error.log").read()
        time.sleep(0.1)
    passed = {rate: ask(rate) for rate in LOOK_S}
    for rate, wait_s in LOOK_S.items():
        status, at = passed[rate]
        time.sleep(max(0, at + wait_s - time.monotonic()))
        denied, now = ask(rate)
        assert (status, denied) == (200, 503)
        excess = float(re.search(rf'excess: ([0-9.]+) by zone "z{rate}"', open("error.log").read())[1])
        print(f"{rate}r/m: {(1 - excess) / (now - at):.3f} a second")
finally:
    nginx.kill()
    nginx.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
nginx/1.22.1
3r/m: 0.050 a second
4r/m: 0.066 a second
1r/m: 0.016 a second
END
cmp -s seen expected || { echo "$0: nginx does otherwise now" >&2; exit 1; }
