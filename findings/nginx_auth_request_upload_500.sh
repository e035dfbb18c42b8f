#!/bin/sh
# nginx 1.22.1 (Debian 12, 1.22.1-9+deb12u11), auth_request: an upload that its location takes, by
# client_max_body_size, is answered 500 if the location that is asked does not take it. That one has
# nginx's 1m, though the body is not sent there, and no error_page of 413 helps.
#
# One would guess that the size is a matter of where the upload goes: the question has no body, as
# proxy_pass_request_body is off. But a subrequest has the header of its request, and its location is
# checked against Content-Length as any other. The 413 is then no answer that auth_request knows. So
# whoever raises the limit in one location raises it where it asks too, or in the server.
#
# Needs apt, dpkg-deb, python3 and the libraries of nginx; takes 10 seconds. Output on Debian 12.11:
#
#   nginx/1.22.1
#   2 MB to a location of 3m: 200
#   the same, with auth_request: 500, the authority was not asked
#   the same, where the location that is asked has client_max_body_size 0: 200
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=nginx=1.22.1-9+deb12u11
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
dpkg-deb -x nginx_*.deb .
chmod 755 .

cat >look.py <<'END'
import http.client
import http.server
import os
import socket
import subprocess
import threading
import time

asked = []


class Server(http.server.BaseHTTPRequestHandler):
    """The authority, and what is behind."""

    def do_GET(self):
        asked.append(self.path)
        self.answer(204)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def look(name, path):
    asked.clear()
    client = http.client.HTTPConnection(host, port, timeout=10)
    client.request("POST", path, bytes(2000000))
    status = client.getresponse().status
    print(f"{name}: {status}" + ", the authority was not asked" * (status == 500 and not asked))


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
with socket.create_server(("127.0.0.1", 0)) as free:
    host, port = free.getsockname()
folder = os.getcwd()
temporary = " ".join(f"{name}_temp_path {folder};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
behind = f"proxy_pass http://127.0.0.1:{server.server_address[1]};"
question = f'internal; {behind} proxy_method GET; proxy_pass_request_body off; proxy_set_header Content-Length "";'
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
    location /plain {{ client_max_body_size 3m; {behind} }}
    location /asks {{ client_max_body_size 3m; auth_request /ask; {behind} }}
    location /asks/any {{ client_max_body_size 3m; auth_request /ask/any; {behind} }}
    location = /ask {{ {question} }}
    location = /ask/any {{ client_max_body_size 0; {question} }}
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
    look("2 MB to a location of 3m", "/plain")
    look("the same, with auth_request", "/asks")
    look("the same, where the location that is asked has client_max_body_size 0", "/asks/any")
finally:
    nginx.kill()
    nginx.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
nginx/1.22.1
2 MB to a location of 3m: 200
the same, with auth_request: 500, the authority was not asked
the same, where the location that is asked has client_max_body_size 0: 200
END
cmp -s seen expected || { echo "$0: nginx does otherwise now" >&2; exit 1; }
