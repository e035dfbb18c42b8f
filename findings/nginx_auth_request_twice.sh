#!/bin/sh
# nginx 1.22.1 (Debian 12, 1.22.1-9+deb12u11), auth_request in a location: one request of a client is
# asked about twice wherever nginx goes on with another URI of the same location, that is for a
# directory that has an index, and for each path that try_files or error_page leads to a page.
#
# One would guess one question for one request: the second URI is nginx's own affair, and limit_req in
# the same place counts once. But the access phase is run anew after each internal redirect. So an
# asked limiter charges "/" twice, and an odd bucket denies half-way what it had let in.
#
# Needs apt, dpkg-deb, python3 and the libraries of nginx; takes 10 seconds. Output on Debian 12.11:
#
#   nginx/1.22.1
#   /page.html: 200, asked 1 time
#   /: 200, asked 2 times
#   /app/route: 200, asked 2 times
#   /none/page: 404, asked 2 times
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
for page in index.html page.html missing.html; do echo yes >"site/$page"; done

cat >look.py <<'END'
import http.client
import http.server
import os
import socket
import subprocess
import threading
import time

asked = []


class Authority(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def look(path):
    asked.clear()
    client = http.client.HTTPConnection(host, port, timeout=10)
    client.request("GET", path)
    status = client.getresponse().status
    print(f"{path}: {status}, asked {len(asked)} time{'s' * (len(asked) != 1)}")


authority = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authority)
threading.Thread(target=authority.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as free:
    host, port = free.getsockname()
folder = os.getcwd()
temporary = " ".join(f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
with open("nginx.conf", "w") as configuration:
    configuration.write(f"""
daemon off;
master_process off;
pid {folder}/pid;
events {{}}
http {{
  access_log off;
  {temporary}
  server {{
    listen {host}:{port};
    root {folder}/site;
    error_page 404 /missing.html;
    location / {{ auth_request /ask; }}
    location /app/ {{ auth_request /ask; try_files $uri /index.html; }}
    location = /ask {{ internal; proxy_pass http://127.0.0.1:{authority.server_address[1]}; }}
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
    look("/page.html")
    look("/")
    look("/app/route")
    look("/none/page")
finally:
    nginx.kill()
    nginx.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
nginx/1.22.1
/page.html: 200, asked 1 time
/: 200, asked 2 times
/app/route: 200, asked 2 times
/none/page: 404, asked 2 times
END
cmp -s seen expected || { echo "$0: nginx does otherwise now" >&2; exit 1; }
