#!/bin/sh
# mod_qos 11.63 (Debian 12, libapache2-mod-qos 11.63-1+b2) with Apache 2.4.71: QS_ClientEventLimitCount 5
# lets four through. And Apache does not start with the module as the package loads it: it uses libpcre and
# is not linked with it, though the package depends on it; "LoadFile libpcre.so.3" before it is the way out.
#
# One would guess that a limit of 5 denies the sixth, as the word maximum in its manual says, and that a
# module which its own package enables can be loaded. Who moves such a limit elsewhere and wants the same
# decisions takes one less.
#
# Needs apt, dpkg-deb, python3 and libraries of apache2-bin; takes 10 seconds. Output on Debian 12.11:
#
#   Apache/2.4.71, mod_qos as it is: undefined symbol: pcre_
#   with libpcre, QS_ClientEventLimitCount 5 30: 200 200 200 200 429 429
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in apache2-bin=2.4.71-1~deb12u1 libapache2-mod-qos=11.63-1+b2 libapr1=1.7.2-3+deb12u1 \
    libaprutil1=1.6.3-1+deb12u1 libpcre3=2:8.39-15; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%%=*}"_*.deb .
done
chmod 755 .
mkdir site
echo yes >site/page

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
PCRE = glob.glob(f"{FOLDER}/lib/*/libpcre.so.3")[0]
with socket.create_server(("127.0.0.1", 0)) as free:
    host, port = free.getsockname()


def configure(before_module):
    owner = "User nobody\nGroup nogroup" if os.getuid() == 0 else ""
    with open("apache.conf", "w") as configuration:
        configuration.write(f"""
ServerRoot {FOLDER}
ServerName localhost
Listen {host}:{port}
PidFile pid
ErrorLog error
DefaultRuntimeDir {FOLDER}
DocumentRoot {FOLDER}/site
LoadModule mpm_event_module {MODULES}/mod_mpm_event.so
LoadModule authz_core_module {MODULES}/mod_authz_core.so
LoadModule setenvif_module {MODULES}/mod_setenvif.so
LoadModule unique_id_module {MODULES}/mod_unique_id.so
{before_module}
LoadModule qos_module {MODULES}/mod_qos.so
{owner}
SetEnvIf Request_URI . QS_Limit=yes
QS_ClientEntries 1000
QS_ClientEventLimitCount 5 30
QS_ErrorResponseCode 429
""")


def ask():
    client = http.client.HTTPConnection(host, port, timeout=10)
    client.request("GET", "/page")
    return client.getresponse().status


version = subprocess.run([PROGRAM, "-v"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True).stdout
configure("")
refused = subprocess.run([PROGRAM, "-t", "-f", f"{FOLDER}/apache.conf"], env=ENVIRONMENT, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout
fault = re.search(r"undefined symbol: pcre_", refused)
print(f"{re.search(r'Apache/[0-9.]+', version)[0]}, mod_qos as it is: {fault[0] if fault else refused.strip()}")
configure(f"LoadFile {PCRE}")
apache = subprocess.Popen([PROGRAM, "-DFOREGROUND", "-f", f"{FOLDER}/apache.conf"], env=ENVIRONMENT,
                          stderr=open("said", "w"))
try:
    while socket.socket().connect_ex((host, port)):
        assert apache.poll() is None, open("said").read()
        time.sleep(0.1)
    print("with libpcre, QS_ClientEventLimitCount 5 30:", *[ask() for _ in range(6)])
finally:
    apache.terminate()
    apache.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
Apache/2.4.71, mod_qos as it is: undefined symbol: pcre_
with libpcre, QS_ClientEventLimitCount 5 30: 200 200 200 200 429 429
END
cmp -s seen expected || { echo "$0: mod_qos does otherwise now" >&2; exit 1; }
