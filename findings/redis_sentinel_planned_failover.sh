#!/bin/sh
# Redis 7.0.15 with Sentinel (Debian 12, 5:7.0.15-1~deb12u10): after SENTINEL FAILOVER, with everybody
# healthy, the old master stays a master for about ten seconds more. It acknowledges each write of the
# clients that are still connected, and then all of these writes are gone.
#
# One would guess that a failover by hand is a handing over, in which the old master stops, as with the
# command FAILOVER, and that what is said to be written is. But a Sentinel makes the replica a master first,
# and tells the old one to be a replica only after it has seen it go on as a master for many seconds.
# Counters, limits and locks count twice meanwhile. For maintenance the command FAILOVER does it without
# a loss; where it has to be Sentinel, min-replicas-to-write 1 with a short min-replicas-max-lag makes the
# old master refuse after a second or two.
#
# Needs apt, dpkg-deb, python3 and the libraries of redis-server; takes 25 seconds. Output on Debian 12.11:
#
#   Redis 7.0.15, all healthy, SENTINEL FAILOVER
#   Sentinel names the new master within 5 s
#   the old one acknowledges INCR for 8 to 15 s more, then closes the connection
#   both are the same then, and lack more than half of more than 300 acknowledged ones
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in redis-tools=5:7.0.15-1~deb12u10 liblzf1=3.6-3 libjemalloc2=5.3.0-1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%%=*}"_*.deb .
done
# One program under several names.
ln -s redis-check-rdb usr/bin/redis-server
ln -s redis-check-rdb usr/bin/redis-sentinel

cat >look.py <<'END'
import glob
import os
import socket
import subprocess
import time

LIBRARIES = os.path.abspath(os.path.dirname(glob.glob("usr/lib/*/libjemalloc.so.2")[0]))
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": LIBRARIES}
WATCHED_S = 20
processes = []


def start(program, port, *lines):
    folder = f"{program}-{port}"
    os.mkdir(folder)
    with open(f"{folder}/conf", "w") as configuration:
        print(f"bind 127.0.0.1\nport {port}\ndir {os.path.abspath(folder)}\nlogfile log", *lines, sep="\n",
              file=configuration)
    processes.append(subprocess.Popen([f"usr/bin/{program}", f"{folder}/conf"], env=ENVIRONMENT))


class Client:
    """Speaks RESP2 over one connection."""

    def __init__(self, port):
        until = time.monotonic() + 10
        while True:
            try:
                self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
                break
            except ConnectionRefusedError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
        self.file = self.socket.makefile("rb")

    def ask(self, *words):
        coded = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(coded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in coded))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        if not line:
            raise EOFError
        kind, rest = line[:1], line[1:].strip().decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$":
            return None if rest == "-1" else self.file.read(int(rest) + 2)[:-2].decode()
        assert kind != b"-", rest
        return int(rest) if kind == b":" else rest


def fields(reply):
    return dict(zip(reply[::2], reply[1::2]))


def wait_for_replica():
    while True:
        replicas = sentinel.ask("SENTINEL", "replicas", "m")
        if replicas and fields(replicas[0])["master-link-status"] == "ok":
            return
        time.sleep(0.2)


held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
ports = [one.getsockname()[1] for one in held]
for one in held:
    one.close()
old_port, new_port, sentinel_port = ports
try:
    start("redis-server", old_port, 'save ""', "repl-diskless-sync-delay 0")
    start("redis-server", new_port, 'save ""', f"replicaof 127.0.0.1 {old_port}")
    start("redis-sentinel", sentinel_port, f"sentinel monitor m 127.0.0.1 {old_port} 1")
    old, sentinel = Client(old_port), Client(sentinel_port)
    wait_for_replica()
    version = next(line for line in old.ask("INFO", "server").splitlines() if line.startswith("redis_version:"))
    print(f"Redis {version.split(':')[1]}, all healthy, SENTINEL FAILOVER")
    time.sleep(2)  # until Sentinel, too, has settled
    for _ in range(100):
        old.ask("INCR", "n")
    assert old.ask("WAIT", 1, 5000) == 1 and Client(new_port).ask("GET", "n") == "100"
    sentinel.ask("SENTINEL", "FAILOVER", "m")
    began = time.monotonic()
    named_s, acknowledged, end = None, 0, f"and is not stopped within {WATCHED_S} s"
    while (now_s := time.monotonic() - began) < WATCHED_S:
        if named_s is None and sentinel.ask("SENTINEL", "get-master-addr-by-name", "m")[1] == str(new_port):
            named_s = now_s
        try:
            old.ask("INCR", "n")
        except (EOFError, ConnectionError):
            end = "then closes the connection"
            break
        acknowledged += 1
        time.sleep(0.02)
    more_s = now_s - named_s
    print(f"Sentinel names the new master within {5 if named_s < 5 else named_s} s")
    print(f"the old one acknowledges INCR for {'8 to 15' if 8 < more_s < 15 else more_s} s more, {end}")
    for _ in range(75):  # until the old one has taken over what the new one has
        time.sleep(0.2)
        both = [int(Client(port).ask("GET", "n") or 0) for port in (old_port, new_port)]
        if both[0] == both[1]:
            break
    lost = 100 + acknowledged - both[0]
    told = f"{lost} (with {both}) of {acknowledged}"
    if both[0] == both[1] >= 100 and acknowledged > 300 and lost > acknowledged / 2:
        told = "more than half of more than 300"
    print(f"both are the same then, and lack {told} acknowledged ones")
finally:
    for process in processes:
        process.kill()
        process.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
Redis 7.0.15, all healthy, SENTINEL FAILOVER
Sentinel names the new master within 5 s
the old one acknowledges INCR for 8 to 15 s more, then closes the connection
both are the same then, and lack more than half of more than 300 acknowledged ones
END
cmp -s seen expected || { echo "$0: Sentinel does otherwise now" >&2; exit 1; }
