#!/bin/sh
# Exim 4.96 (Debian 12, 4.96-15+deb12u11), ${readsocket{...}{...}{TIME}...}: a time that is no time of
# Exim's, "500ms", "0.5s" or a bare "1", is no error and no default of 5 seconds, but no limit at all.
#
# One would guess that a time which cannot be read stops the expansion, as it does stop the start
# where an option has it, or that the default holds. Exim has no unit below the second, and a number
# needs one. So a policy server that hangs holds each message for as long as it likes; the time is
# written "1s", and tried against a server that does not answer.
#
# Needs apt, dpkg-deb, python3 and the libraries of exim4-daemon-light; takes 15 seconds. Output on
# Debian 12.11, from a server that answers after 7 seconds:
#
#   Exim 4.96
#   {1s}: timed out early
#   {500ms}: waited for the answer, no error
#   {0.5s}: waited for the answer, no error
#   {1}: waited for the answer, no error
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in exim4-daemon-light=4.96-15+deb12u11 libidn12=1.41-1 libnss-wrapper=1.1.12-1; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%=*}"_*.deb .
done

cat >look.py <<'END'
import glob
import os
import socket
import subprocess
import threading
import time

ANSWER_S = 7
LIBRARIES = os.path.abspath(os.path.dirname(glob.glob("usr/lib/*/libnss_wrapper.so")[0]))

# Exim wants a user of its own, which is not on every machine.
with open("passwd", "w") as users, open("group", "w") as groups:
    users.write(f"Debian-exim:x:65533:65533::/:/bin/false\nself:x:{os.getuid()}:{os.getgid()}::/:/bin/false\n")
    groups.write(f"Debian-exim:x:65533:\nself:x:{os.getgid()}:\n")
ENVIRONMENT = {**os.environ, "NSS_WRAPPER_PASSWD": "passwd", "NSS_WRAPPER_GROUP": "group",
               "LD_PRELOAD": f"{LIBRARIES}/libnss_wrapper.so", "LD_LIBRARY_PATH": LIBRARIES}
with open("exim.conf", "w") as configuration:
    configuration.write("keep_environment =\n")


def exim(*arguments):
    done = subprocess.run(["usr/sbin/exim4", "-C", os.path.abspath("exim.conf"), *arguments], env=ENVIRONMENT,
                          text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    return done.stdout.strip()


def answer_late(client):
    client.recv(100)
    time.sleep(ANSWER_S)
    try:
        client.sendall(b"late")
    except OSError:
        pass  # it has left
    client.close()


def accept(listener):
    while True:
        threading.Thread(target=answer_late, args=listener.accept()[:1], daemon=True).start()


def look(given):
    port = listener.getsockname()[1]
    began = time.monotonic()
    said = exim("-be", "${readsocket{inet:127.0.0.1:%d}{question}{%s}{}{timed out}}" % (port, given))
    late = time.monotonic() - began >= ANSWER_S
    seen[given] = "waited for the answer, no error" if said == "late" and late else said + " early" * (not late)


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=accept, args=(listener,), daemon=True).start()
words = exim("-bV").split()
print(words[0], words[2])
seen = {}
TIMES = "1s", "500ms", "0.5s", "1"
looks = [threading.Thread(target=look, args=(given,)) for given in TIMES]  # at once, to be done sooner
for one in looks:
    one.start()
for one in looks:
    one.join()
for given in TIMES:
    print(f"{{{given}}}: {seen[given]}")
END
python3 look.py | tee seen

cat >expected <<'END'
Exim 4.96
{1s}: timed out early
{500ms}: waited for the answer, no error
{0.5s}: waited for the answer, no error
{1}: waited for the answer, no error
END
cmp -s seen expected || { echo "$0: Exim does otherwise now" >&2; exit 1; }
