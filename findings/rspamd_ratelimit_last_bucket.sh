#!/bin/sh
# rspamd 3.4 (Debian 12, 3.4-1): of a ratelimit with a selector and a list of buckets, such as 2 a minute
# and 5 an hour, only the last bucket of the list limits. The others are not looked at.
#
# One would guess that a mail has to pass all of them, as the plural and the list say, and put the limit of
# the hour beside that of the second. But the buckets of a mail are kept by what the selector gives, which
# is the same for all of them, so each takes the place of the one before. Two ratelimits whose selectors
# give the same text are one in the same way. Selectors that differ in a constant, as
# "id('hour');user" does from "id('minute');user", keep them apart.
#
# Needs apt, dpkg-deb, python3 and the libraries of rspamd; takes 20 seconds. Output on Debian 12.11:
#
#   rspamd 3.4, seven mails at once
#   2 / 1m, then 5 / 1m: 5 pass
#   5 / 1m, then 2 / 1m: 2 pass
#   2 / 1m and 5 / 1m by selectors that differ in a constant: 2 pass
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in rspamd=3.4-1 redis-tools=5:7.0.15-1~deb12u10 liblzf1=3.6-3 libjemalloc2=5.3.0-1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%%=*}"_*.deb .
done
ln -s redis-check-rdb usr/bin/redis-server # one program under several names
chmod 755 .

cat >look.py <<'PYTHON'
import glob
import http.client
import json
import os
import socket
import subprocess
import time

HERE = os.getcwd()
LIBRARIES = f"{HERE}/usr/lib/rspamd:" + os.path.dirname(os.path.abspath(glob.glob("usr/lib/*/libjemalloc.so.2")[0]))
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": LIBRARIES}
BOTH = "bucket = [ {{ burst = {0}; rate = '{0} / 1m'; }}, {{ burst = {1}; rate = '{1} / 1m'; }} ]"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def wait_for(port, process):
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert process.poll() is None, open("log").read()
        time.sleep(0.1)


def passes(field):
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("POST", "/checkv2", f"From: a@example.com\r\n{field}: {field}\r\n\r\nHi\r\n".encode())
    return json.loads(client.getresponse().read())["action"] != "soft reject"


port, store = free_port(), free_port()
with open("tld", "w") as file:
    file.write("com\n")
with open("rspamd.conf", "w") as file:
    file.write(f"""
options {{ filters = ""; disable_hyperscan = true; url_tld = "{HERE}/tld"; tempdir = "{HERE}"; rrd = null;
  control_socket = "{HERE}/control mode=0600"; dns {{ nameserver = ["127.0.0.1:9"]; }} }}
logging {{ type = "console"; level = "warning"; color = false; }}
worker "normal" {{ bind_socket = "127.0.0.1:{port}"; count = 1; }}
redis {{ servers = "127.0.0.1:{store}"; }}
ratelimit {{ rates {{
  few {{ selector = "header('X-Few-Many')"; {BOTH.format(2, 5)} }}
  many {{ selector = "header('X-Many-Few')"; {BOTH.format(5, 2)} }}
  one {{ selector = "id('one');header('X-Apart')"; bucket {{ burst = 2; rate = "2 / 1m"; }} }}
  other {{ selector = "id('other');header('X-Apart')"; bucket {{ burst = 5; rate = "5 / 1m"; }} }}
}} }}
modules {{ path = "{HERE}/usr/share/rspamd/plugins/ratelimit.lua"; }}
lua = "{HERE}/usr/share/rspamd/rules/rspamd.lua";
metric {{ name = "default"; actions {{ reject = 1000; }} }}
""")
log = open("log", "w")
redis = subprocess.Popen(["usr/bin/redis-server", "--port", str(store), "--bind", "127.0.0.1", "--save", ""],
                         env=ENVIRONMENT, stdout=log, stderr=log)
variables = [f"--var={name}={HERE}/usr/share/rspamd{path}" for name, path in (
    ("SHAREDIR", ""), ("LUALIBDIR", "/lualib"), ("PLUGINSDIR", "/plugins"), ("RULESDIR", "/rules"))]
rspamd = subprocess.Popen(["usr/bin/rspamd", "-f", "-i", "-c", "rspamd.conf", *variables], env=ENVIRONMENT,
                          stdout=log, stderr=log)
try:
    wait_for(store, redis)
    wait_for(port, rspamd)
    passes("X-None")  # the first mail takes a while
    print("rspamd 3.4, seven mails at once")
    for words, field in (("2 / 1m, then 5 / 1m", "X-Few-Many"), ("5 / 1m, then 2 / 1m", "X-Many-Few"),
                         ("2 / 1m and 5 / 1m by selectors that differ in a constant", "X-Apart")):
        print(f"{words}: {sum(passes(field) for _ in range(7))} pass")
finally:
    rspamd.terminate()
    rspamd.wait()
    redis.kill()
    redis.wait()
PYTHON
python3 look.py | tee seen

cat >expected <<'TEXT'
rspamd 3.4, seven mails at once
2 / 1m, then 5 / 1m: 5 pass
5 / 1m, then 2 / 1m: 2 pass
2 / 1m and 5 / 1m by selectors that differ in a constant: 2 pass
TEXT
cmp -s seen expected || { cat log >&2; echo "$0: rspamd does otherwise now" >&2; exit 1; }
