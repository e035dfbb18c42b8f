#!/bin/sh
# HAProxy 2.6.12 (Debian 12, 2.6.12-1+deb12u4): one event counted in gpc0_rate(4s) of a stick table is
# read as 1 not for 4 seconds but for nearly 8, and then as 0.
#
# One would guess a window that slides, out of which the event falls after 4 s, or a share of it that
# gets smaller and is 0 once it is cut down to an integer. More events do fade like that, see 8 below;
# but where the last period had one and this period has none, the one is left standing until this period
# is over. So "at most one in P", deny if gpc0_rate(P) ge 1, lets one through in each 2 P, and a token
# bucket that is to do the same has half the rate.
#
# Needs apt, dpkg-deb, python3 and the libraries of haproxy; takes 15 seconds. Output on Debian 12.11:
#
#   HAProxy 2.6.12-1+deb12u4, gpc0_rate(4s)
#   1 event: 1 after 2 s, 1 after 4.75 s, 1 after 6.75 s, 0 after 9 s
#   8 events: 8 after 2 s, 6 after 4.75 s, 2 after 6.75 s, 0 after 9 s
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
import socket
import subprocess
import threading
import time

PROGRAM = "usr/sbin/haproxy"
READ_AT_S = 2, 4.75, 6.75, 9


def look(events):
    """Counts so many events at once for a key of its own, and reads their rate now and then."""
    client = http.client.HTTPConnection(*listener.getsockname())

    def ask(path):
        client.request("GET", path, headers={"Key": str(events)})
        return client.getresponse().read().decode()

    began = time.monotonic()
    for _ in range(events):
        ask("/event")
    for at_s in READ_AT_S:
        time.sleep(began + at_s - time.monotonic())
        read[events, at_s] = ask("/")


listener = socket.create_server(("127.0.0.1", 0))
listener.set_inheritable(True)
with open("haproxy.cfg", "w") as configuration:
    configuration.write(f"""
defaults
  mode http
  timeout connect 20s
  timeout client 20s
  timeout server 20s
frontend counter
  bind fd@{listener.fileno()}
  stick-table type string size 10 expire 1m store gpc0_rate(4s)
  http-request track-sc0 hdr(Key)
  http-request sc-inc-gpc0(0) if {{ path /event }}
  http-request return status 200 content-type text/plain lf-string %[sc0_gpc0_rate]
""")

said = subprocess.run([PROGRAM, "-v"], stdout=subprocess.PIPE, text=True).stdout
print(f"HAProxy {said.split()[2]}, gpc0_rate(4s)")
haproxy = subprocess.Popen([PROGRAM, "-db", "-f", "haproxy.cfg"], close_fds=False, stderr=subprocess.DEVNULL)
read = {}
try:
    looks = [threading.Thread(target=look, args=(events,)) for events in (1, 8)]  # both at once
    for one in looks:
        one.start()
    for one in looks:
        one.join()
finally:
    haproxy.kill()
    haproxy.wait()
for events in 1, 8:
    print(f"{events} event{'s' * (events > 1)}: " +
          ", ".join(f"{read[events, at_s]} after {at_s} s" for at_s in READ_AT_S))
END
python3 look.py | tee seen

cat >expected <<'END'
HAProxy 2.6.12-1+deb12u4, gpc0_rate(4s)
1 event: 1 after 2 s, 1 after 4.75 s, 1 after 6.75 s, 0 after 9 s
8 events: 8 after 2 s, 6 after 4.75 s, 2 after 6.75 s, 0 after 9 s
END
cmp -s seen expected || { echo "$0: HAProxy does otherwise now" >&2; exit 1; }
