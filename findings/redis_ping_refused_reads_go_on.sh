#!/bin/sh
# Redis 7.0.15 (Debian 12, 5:7.0.15-1~deb12u10) whose last snapshot failed, as when its disk is full: it
# refuses writes, which is said of it, and also PING, which writes nothing; GET, ECHO and scripts that only
# read are served as ever.
#
# One would guess that the one command made for the question whether somebody is there is the last to be
# refused. So a health check or a connection pool that asks by PING takes the server out, and with it all
# that it could still do; one that must know whether writes are taken gets it right, but by accident. Who
# wants to know whether the server is there takes MISCONF for a yes, or asks by ECHO.
#
# Needs apt, dpkg-deb, python3 and the libraries of redis-server; takes 10 seconds. Output on Debian 12.11:
#
#   Redis 7.0.15
#   before: SET OK, GET 1, PING PONG, ECHO yes, EVALSHA that reads 1
#   after a failed snapshot: SET MISCONF, GET 1, PING MISCONF, ECHO yes, EVALSHA that reads 1
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in redis-tools=5:7.0.15-1~deb12u10 liblzf1=3.6-3 libjemalloc2=5.3.0-1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%%=*}"_*.deb .
done
ln -s redis-check-rdb usr/bin/redis-server  # one program under several names
mkdir snapshots

cat >look.py <<'END'
import glob
import os
import shutil
import socket
import subprocess
import time

LIBRARIES = os.path.abspath(os.path.dirname(glob.glob("usr/lib/*/libjemalloc.so.2")[0]))


def ask(*words):
    """The reply to a command, or the first word of an error."""
    client.sendall(" ".join(words).encode() + b"\r\n")
    line = replies.readline()
    kind, rest = line[:1], line[1:].strip().decode()
    if kind == b"$":
        return replies.read(int(rest) + 2)[:-2].decode()
    return rest.split()[0] if kind == b"-" else rest


def told():
    return (f"SET {ask('SET', 'n', '1')}, GET {ask('GET', 'n')}, PING {ask('PING')}, ECHO {ask('ECHO', 'yes')}, "
            f"EVALSHA that reads {ask('EVALSHA', script, '1', 'n')}")


with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
redis = subprocess.Popen(["usr/bin/redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", "snapshots",
                          "--save", "3600 1", "--logfile", "log"],
                         env={**os.environ, "LD_LIBRARY_PATH": LIBRARIES})
try:
    while (client := socket.socket()).connect_ex(("127.0.0.1", port)):
        assert redis.poll() is None
        time.sleep(0.1)
    client.settimeout(10)
    replies = client.makefile("rb")
    info = dict(line.split(":", 1) for line in ask("INFO", "server").splitlines() if ":" in line)
    print("Redis", info["redis_version"])
    script = ask("SCRIPT", "LOAD", "\"return redis.call('GET',KEYS[1])\"")
    print("before:", told())
    shutil.rmtree("snapshots")  # as good as a full disk, and root meets it as well
    ask("BGSAVE")
    while "rdb_last_bgsave_status:err" not in ask("INFO", "persistence"):
        time.sleep(0.1)
    print("after a failed snapshot:", told())
finally:
    redis.kill()
    redis.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
Redis 7.0.15
before: SET OK, GET 1, PING PONG, ECHO yes, EVALSHA that reads 1
after a failed snapshot: SET MISCONF, GET 1, PING MISCONF, ECHO yes, EVALSHA that reads 1
END
cmp -s seen expected || { echo "$0: Redis does otherwise now" >&2; exit 1; }
