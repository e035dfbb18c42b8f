#!/bin/sh
# start-stop-daemon of dpkg 1.21.23 (Debian 12), --notify-await: a program that ends without having
# said READY=1, with a refused configuration for instance, is not noticed. The whole of
# --notify-timeout, 60 seconds where it is not given, is waited, and then the time-out is reported.
#
# One would guess that the end of the child ends the wait, as it does for systemd's Type=notify, and
# that its exit status is told. The status is 2 for any such end. So an init script that awaits the
# notification checks the configuration first, or keeps the time-out as short as a good start allows.
#
# Needs apt, dpkg-deb and python3; takes 10 seconds. Output on Debian 12.11:
#
#   start-stop-daemon 1.21.23
#   READY=1 after 1 s: exit status 0 within 2 s
#   ended at once with 0: exit status 2 after 4 s, timed out waiting for a notification
#   ended at once with 1: exit status 2 after 4 s, timed out waiting for a notification
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=dpkg=1.21.23
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
dpkg-deb -x dpkg_*.deb .

cat >start.py <<'END'
import subprocess
import time

TIMEOUT_S = 4
READY = """import os, socket, time
time.sleep(1)
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
"""
PROGRAM = "sbin/start-stop-daemon"


def look(name, *command):
    began = time.monotonic()
    done = subprocess.run([PROGRAM, "--start", "--background", "--notify-await", "--notify-timeout", str(TIMEOUT_S),
                           "--pidfile", "/nonexistent", "--startas", command[0], "--", *command[1:]],
                          stderr=subprocess.PIPE, text=True)
    took_s = time.monotonic() - began
    when = f"after {TIMEOUT_S} s" if took_s >= TIMEOUT_S else "within 2 s" if took_s < 2 else f"after {took_s:.1f} s"
    said = "".join(", " + line.removeprefix(f"{PROGRAM}: ") for line in done.stderr.splitlines())
    print(f"{name}: exit status {done.returncode} {when}{said}")


version = subprocess.run([PROGRAM, "--version"], stdout=subprocess.PIPE, text=True).stdout
print(" ".join(version.split()[:2]))
look("READY=1 after 1 s", "/usr/bin/python3", "-c", READY)
look("ended at once with 0", "/bin/true")
look("ended at once with 1", "/bin/false")
END
python3 start.py | tee seen

cat >expected <<'END'
start-stop-daemon 1.21.23
READY=1 after 1 s: exit status 0 within 2 s
ended at once with 0: exit status 2 after 4 s, timed out waiting for a notification
ended at once with 1: exit status 2 after 4 s, timed out waiting for a notification
END
cmp -s seen expected || { echo "$0: start-stop-daemon does otherwise now" >&2; exit 1; }
