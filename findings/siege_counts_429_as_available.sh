#!/bin/sh
# siege 4.0.7 (Debian 12, 4.0.7-1+b1): of a server that denies every request with 429 it reports an availability
# of 100 per cent and no failed transaction, nor a successful one; of one that says 503, nothing but failures. And
# one that says 401 gets each request five times over, all of them successful.
#
# One would guess that a transaction is one of the two, that availability is what was had of what was asked for,
# and that a request which is to be sent three times is sent three times. So "availability" does not show that a
# limiter denies; the status codes have to be counted on the other side, or with another tool.
#
# Needs apt, dpkg-deb, python3 and the libraries of siege; takes 10 seconds. Output on Debian 12.11, for
# three requests:
#
#   SIEGE 4.0.7
#   200: the server saw 3; availability 100.00 %, successful 3, failed 0
#   429: the server saw 3; availability 100.00 %, successful 0, failed 0
#   503: the server saw 3; availability 0.00 %, successful 0, failed 3
#   401: the server saw 15; availability 100.00 %, successful 15, failed 0
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=siege=4.0.7-1+b1
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
dpkg-deb -x siege_*.deb .

cat >look.py <<'END'
import http.server
import os
import re
import subprocess
import threading

ENVIRONMENT = {**os.environ, "HOME": os.getcwd()}
requests = []


class Server(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        requests.append(self.path)
        self.send_response(int(self.path[1:]))
        if self.path == "/401":
            self.send_header("WWW-Authenticate", 'Basic realm="none"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def siege(*arguments):
    done = subprocess.run(["usr/bin/siege", "-R", "siegerc", *arguments], env=ENVIRONMENT, text=True, timeout=20,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout


def look(status):
    requests.clear()
    said = siege("--concurrent=1", "--reps=3", "--benchmark", f"http://127.0.0.1:{server.server_address[1]}/{status}")
    availability, successful, failed = (re.search(rf"^{name}:\s*(\S+)", said, re.M)[1] for name in
                                        ("Availability", "Successful transactions", "Failed transactions"))
    print(f"{status}: the server saw {len(requests)}; availability {availability} %, "
          f"successful {successful}, failed {failed}")


with open("siegerc", "w") as configuration:
    configuration.write("verbose = false\nlogging = false\nfailures = 1000\n")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(" ".join(re.search(r"(SIEGE) ([0-9.]+)", siege("--version")).groups()))
look(200)
look(429)
look(503)
look(401)
END
python3 look.py | tee seen

cat >expected <<'END'
SIEGE 4.0.7
200: the server saw 3; availability 100.00 %, successful 3, failed 0
429: the server saw 3; availability 100.00 %, successful 0, failed 0
503: the server saw 3; availability 0.00 %, successful 0, failed 3
401: the server saw 15; availability 100.00 %, successful 15, failed 0
END
cmp -s seen expected || { echo "$0: siege does otherwise now" >&2; exit 1; }
