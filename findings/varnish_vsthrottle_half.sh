#!/bin/sh
# vsthrottle of varnish-modules 0.20.0 (Debian 12, 0.20.0-2, Varnish 7.1.1): with is_denied(key, 10, 1s)
# a client that asks 11 times a second gets about 5 through, though one that asks 18 times gets 9.
#
# One would guess a token bucket: who asks at 11/s of 10/s is denied one request in eleven. But whenever
# a request is allowed, the time since the one before is made into whole tokens and the rest of it
# is dropped. At 11/s a request comes 0.09 s after the last allowed one, when 0.9 of a token is there,
# and is denied; the next, at 0.18 s, finds 1.8, takes 1 and loses 0.8. The worst is to be a
# little over the rate: half of what was promised.
#
# Needs apt, dpkg-deb, a C compiler, python3 and the libraries of varnish; takes 30 seconds. Output on
# Debian 12.11:
#
#   varnish-7.1.1, 10 in 1s, bucket empty at the start, 8 s each
#   18 requests a second: 8 to 10 pass each second
#   11 requests a second: 5 to 6 pass each second
#   9 requests a second: 8 to 10 pass each second
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in varnish=7.1.1-2+deb12u1 libvarnishapi3=7.1.1-2+deb12u1 varnish-modules=0.20.0-2 libjemalloc2=5.3.0-1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%=*}"_*.deb .
done
chmod 755 .

cat >throttle.vcl <<'END'
vcl 4.1;
import vsthrottle;
backend none none;
sub vcl_recv {
  if (vsthrottle.is_denied(req.http.Key, 10, 1s)) {
    return (synth(429));
  }
  return (synth(200));
}
END
cat >look.py <<'END'
import glob
import http.client
import os
import re
import socket
import subprocess
import threading
import time

LOOK_S = 8
PASSED = {range(5 * LOOK_S - 3, 6 * LOOK_S + 1): "5 to 6", range(8 * LOOK_S, 10 * LOOK_S + 2): "8 to 10"}
FOLDER = os.getcwd()
LIBRARIES = os.path.abspath(os.path.dirname(glob.glob("usr/lib/*/libvarnishapi.so.3")[0]))
PROGRAM = "usr/sbin/varnishd"
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": f"{LIBRARIES}/varnish:{LIBRARIES}"}


def look(rate):
    client = http.client.HTTPConnection("127.0.0.1", port)

    def passes():
        client.request("GET", "/", headers={"Key": f"{rate}"})
        answer = client.getresponse()
        answer.read()
        return answer.status == 200

    while passes():
        pass
    began = time.monotonic()
    passed = 0
    for request in range(LOOK_S * rate):
        time.sleep(max(0, began + request / rate - time.monotonic()))
        passed += passes()
    told[rate] = next((words for numbers, words in PASSED.items() if passed in numbers), f"{passed / LOOK_S}")


version = subprocess.run([PROGRAM, "-V"], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True).stderr
print(f"{re.search(r'varnish-[0-9.]+', version)[0]}, 10 in 1s, bucket empty at the start, {LOOK_S} s each")
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
varnish = subprocess.Popen(
    [PROGRAM, "-F", "-j", "none", "-n", f"{FOLDER}/work", "-a", f"127.0.0.1:{port}", "-T", "none", "-s", "malloc,16m",
     "-f", f"{FOLDER}/throttle.vcl", "-p", f"vmod_path={LIBRARIES}/varnish/vmods"],
    env=ENVIRONMENT, stdout=open("log", "w"), stderr=subprocess.STDOUT)
try:
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert varnish.poll() is None, open("log").read()
        time.sleep(0.1)
    told = {}
    RATES = 18, 11, 9
    looks = [threading.Thread(target=look, args=(rate,)) for rate in RATES]  # at once, to be done sooner
    for one in looks:
        one.start()
    for one in looks:
        one.join()
    for rate in RATES:
        print(f"{rate} requests a second: {told[rate]} pass each second")
finally:
    varnish.terminate()
    varnish.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
varnish-7.1.1, 10 in 1s, bucket empty at the start, 8 s each
18 requests a second: 8 to 10 pass each second
11 requests a second: 5 to 6 pass each second
9 requests a second: 8 to 10 pass each second
END
cmp -s seen expected || { echo "$0: vsthrottle does otherwise now" >&2; exit 1; }
