#!/bin/sh
# hiredis 0.14.1 (Debian 12, 0.14.1-3): redisCommand with "%zu" or "%jd" in its format sends nothing, returns
# NULL, and leaves the connection unusable: each later command on it, however good, returns NULL as well and
# is not sent either.
#
# Formats are said to be like those of printf, and one would guess that they are all there; or that a
# mistake in one command is an error of that command, as nothing has gone wrong between the two ends. But
# only d, i, o, u, x, X and the like with hh, h, l and ll are known, what is unknown is an error of the context,
# and that never goes away. A size_t is cast and written with "%llu", or the command given as a vector.
#
# Needs apt, dpkg-deb and python3; takes 10 seconds. Output on Debian 12.11:
#
#   hiredis 0.14.1-3
#   SET k %llu: answered, error 0
#   SET k %zu: NULL, error 2 Invalid format string
#   PING: NULL, error 2 Invalid format string
#   SET k %llu: NULL, error 2 Invalid format string
#   the server has seen 1 command
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=libhiredis0.14=0.14.1-3
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
dpkg-deb -x libhiredis0.14_*.deb .

cat >ask.py <<'END'
import ctypes
import glob
import socket
import threading

hiredis = ctypes.CDLL(glob.glob("usr/lib/*/libhiredis.so.0.14")[0])
hiredis.redisConnect.restype = ctypes.c_void_p
hiredis.redisCommand.restype = ctypes.c_void_p
received = []


def serve(listener):
    client, _ = listener.accept()
    while data := client.recv(4096):
        received.append(data)
        client.sendall(b"+OK\r\n")


def look(form, *values):
    answered = hiredis.redisCommand(context, form.encode(), *values) is not None
    # A redisContext begins with the error's number and text.
    error, text = ctypes.c_int.from_address(context.value).value, ctypes.string_at(context.value + 4).decode()
    print(f"{form}: {'answered' if answered else 'NULL'}, error {error} {text}".strip())


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
host, port = listener.getsockname()
context = ctypes.c_void_p(hiredis.redisConnect(host.encode(), port))
look("SET k %llu", ctypes.c_ulonglong(5))
look("SET k %zu", ctypes.c_size_t(5))
look("PING")
look("SET k %llu", ctypes.c_ulonglong(5))
commands = b"".join(received).count(b"*")
print(f"the server has seen {commands} command{'s' * (commands != 1)}")
END
{ echo "hiredis $(dpkg-deb -f libhiredis0.14_*.deb Version)" && python3 ask.py; } | tee seen

cat >expected <<'END'
hiredis 0.14.1-3
SET k %llu: answered, error 0
SET k %zu: NULL, error 2 Invalid format string
PING: NULL, error 2 Invalid format string
SET k %llu: NULL, error 2 Invalid format string
the server has seen 1 command
END
cmp -s seen expected || { echo "$0: hiredis does otherwise now" >&2; exit 1; }
