#!/bin/sh
# libmicrohttpd 0.9.75 (Debian 12, 0.9.75-6): a response that is queued when the handler is called for the
# first time of a request, with the header read, gets Connection: close, and requests that the client has
# pipelined behind it are thrown away unanswered. Queued at the second call, it does not.
#
# One would guess no difference for a GET, which has no body that could still come: all that there is
# of the request has been read in both cases. Who answers as soon as he can thus loses keep-alive and
# pipelining, and the client has to find out by itself which of its requests were not heard.
#
# Needs apt, dpkg-deb and python3; takes 10 seconds. Output on Debian 12.11, for 3 pipelined requests:
#
#   0.9.75 queued at the second call: 3 answers, 0 with Connection: close, connection stays
#   0.9.75 queued at the first call: 1 answer, 1 with Connection: close, connection ends
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=libmicrohttpd12=0.9.75-6
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
dpkg-deb -x libmicrohttpd12_*.deb .

cat >serve.py <<'END'
import ctypes
import glob
import socket

INTERNAL_THREAD, POLL = 8, 64
OPTION_END, OPTION_LISTEN_SOCKET = 0, 12
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUIET_S = 3

mhd = ctypes.CDLL(glob.glob("usr/lib/*/libmicrohttpd.so.12")[0])
mhd.MHD_get_version.restype = ctypes.c_char_p
mhd.MHD_start_daemon.restype = ctypes.c_void_p
mhd.MHD_create_response_from_buffer.restype = ctypes.c_void_p
BODY = ctypes.create_string_buffer(b"yes", 3)
RESPONSE = ctypes.c_void_p(mhd.MHD_create_response_from_buffer(ctypes.c_size_t(3), BODY, 0))


def look(name, calls_before):
    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
                      ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))
    def on_request(_, connection, _url, _method, _version, _data, _size, own):
        calls = own[0] or 0
        if calls < calls_before:
            own[0] = calls + 1
            return 1
        return mhd.MHD_queue_response(ctypes.c_void_p(connection), 200, RESPONSE)

    listener = socket.create_server(("127.0.0.1", 0))
    server = ctypes.c_void_p(mhd.MHD_start_daemon(
        INTERNAL_THREAD | POLL, 0, None, None, on_request, None,
        OPTION_LISTEN_SOCKET, listener.fileno(), OPTION_END))
    assert server
    client = socket.create_connection(listener.getsockname(), timeout=QUIET_S)
    client.sendall(REQUEST * 3)
    got, end = b"", "connection ends"
    try:
        while data := client.recv(4096):
            got += data
    except TimeoutError:
        end = "connection stays"
    client.close()
    listener.detach()  # MHD_stop_daemon closes it
    mhd.MHD_stop_daemon(server)
    answers, closing = got.count(b"HTTP/1.1 200 "), got.count(b"\r\nConnection: close\r\n")
    print(f"{mhd.MHD_get_version().decode()} {name}: {answers} answer{'s' * (answers != 1)}, "
          f"{closing} with Connection: close, {end}")


look("queued at the second call", 1)
look("queued at the first call", 0)
END
python3 serve.py | tee seen

cat >expected <<'END'
0.9.75 queued at the second call: 3 answers, 0 with Connection: close, connection stays
0.9.75 queued at the first call: 1 answer, 1 with Connection: close, connection ends
END
cmp -s seen expected || { echo "$0: libmicrohttpd does otherwise now" >&2; exit 1; }
