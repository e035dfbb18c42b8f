#!/bin/sh
# Apache 2.4.71 (Debian 12, 2.4.71-1~deb12u1), RewriteMap prg: a helper that ends, after its first answer for
# instance, is not started again. Each look-up from then on is empty, at once, and nothing is logged.
#
# One would guess that Apache starts another one, as it does for its own children, that the request fails,
# or that at least the log says so. Instead "${ask:KEY}" is the same as for a helper that answers nothing, so
# that a rule which denies what the helper names lets all through until Apache is restarted. A helper must
# not end; it catches its own faults, and something else watches that it is there.
#
# Needs apt, dpkg-deb, python3 and libraries of apache2-bin; takes 10 seconds. Output on Debian 12.11,
# with a helper that says "denied" once:
#
#   Apache/2.4.71
#   429 200 200 200, helper started 1 time
#   of the helper's end the log says: nothing
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in apache2-bin=2.4.71-1~deb12u1 libapr1=1.7.2-3+deb12u1 libaprutil1=1.6.3-1+deb12u1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%%=*}"_*.deb .
done
chmod 755 .
mkdir site work
chmod 777 work
echo yes >site/page
cat >helper <<END
#!/bin/sh
echo started >>"$folder/work/started"
read -r key && echo denied
END
chmod 755 helper

cat >look.py <<'END'
import glob
import http.client
import os
import re
import socket
import subprocess
import time

FOLDER = os.getcwd()
PROGRAM = "usr/sbin/apache2"
MODULES = f"{FOLDER}/usr/lib/apache2/modules"
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": os.path.dirname(glob.glob(f"{FOLDER}/usr/lib/*/libapr-1.so.0")[0])}
with socket.create_server(("127.0.0.1", 0)) as free:
    host, port = free.getsockname()


owner = "User nobody\nGroup nogroup" if os.getuid() == 0 else ""
with open("apache.conf", "w") as configuration:
    configuration.write(f"""
ServerRoot {FOLDER}
ServerName localhost
Listen {host}:{port}
PidFile pid
ErrorLog error
LogLevel info
DefaultRuntimeDir {FOLDER}
DocumentRoot {FOLDER}/site
LoadModule mpm_event_module {MODULES}/mod_mpm_event.so
LoadModule authz_core_module {MODULES}/mod_authz_core.so
LoadModule rewrite_module {MODULES}/mod_rewrite.so
{owner}
RewriteEngine on
RewriteMap ask prg:{FOLDER}/helper
RewriteCond ${{ask:%{{REMOTE_ADDR}}}} =denied
RewriteRule ^ - [R=429,L]
""")


def ask():
    client = http.client.HTTPConnection(host, port, timeout=10)
    client.request("GET", "/page")
    return client.getresponse().status


version = subprocess.run([PROGRAM, "-v"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True).stdout
print(re.search(r"Apache/[0-9.]+", version)[0])
apache = subprocess.Popen([PROGRAM, "-DFOREGROUND", "-f", f"{FOLDER}/apache.conf"], env=ENVIRONMENT,
                          stderr=open("said", "w"))
try:
    while socket.socket().connect_ex((host, port)):
        assert apache.poll() is None, open("said").read()
        time.sleep(0.1)
    seen = []
    for _ in range(4):
        seen.append(str(ask()))
        time.sleep(0.5)
finally:
    apache.terminate()
    apache.wait()
starts = len(open("work/started").readlines())
print(f"{' '.join(seen)}, helper started {starts} time{'s' * (starts != 1)}")
told = [line for line in open("error") if re.search("rewrite|helper|map|prg", line, re.I)]
print("of the helper's end the log says:", "".join(told) or "nothing")
END
python3 look.py | tee seen

cat >expected <<'END'
Apache/2.4.71
429 200 200 200, helper started 1 time
of the helper's end the log says: nothing
END
cmp -s seen expected || { echo "$0: Apache does otherwise now" >&2; exit 1; }
