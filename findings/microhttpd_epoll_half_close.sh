#!/bin/sh
# libmicrohttpd 0.9.75 (Debian 12, 0.9.75-6), MHD_USE_EPOLL: a client that sends a request and
# then, in the same breath, half-closes its connection (shutdown(2) with SHUT_WR) gets its answer,
# but never the end of the connection. With MHD_USE_POLL and with select(2) it gets both at once.
#
# A server would be expected to close: it has read all that will ever come, and has answered. But
# libmicrohttpd waits for the edge of an event, and the one edge told of the request and of the
# end. It takes the short read of the request for all there was, and no other edge comes. So the
# connection stays until MHD_OPTION_CONNECTION_TIMEOUT, which by default is for ever. Others are
# served meanwhile. Who uses epoll there must look for EPOLLRDHUP itself, or close after each answer.
#
# Needs apt, dpkg-deb and python3; takes 10 seconds. Output on Debian 12.11:
#
#   0.9.75 select: answer, then the end
#   0.9.75 poll: answer, then the end
#   0.9.75 epoll: answer, then nothing for 5 s; another client is answered
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=libmicrohttpd12=0.9.75-6
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
dpkg-deb -x libmicrohttpd12_*.deb .

cat >serve.py <<'EOF'
import ctypes
import glob
import socket

INTERNAL_THREAD, POLL, EPOLL = 8, 64, 512
OPTION_END, OPTION_LISTEN_SOCKET = 0, 12
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
WAIT_S = 5

mhd = ctypes.CDLL(glob.glob("usr/lib/*/libmicrohttpd.so.12")[0])
mhd.MHD_get_version.restype = ctypes.c_char_p
mhd.MHD_start_daemon.restype = ctypes.c_void_p
mhd.MHD_create_response_from_buffer.restype = ctypes.c_void_p
BODY = ctypes.create_string_buffer(b"yes", 3)
RESPONSE = ctypes.c_void_p(mhd.MHD_create_response_from_buffer(ctypes.c_size_t(3), BODY, 0))


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
                  ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p))
def on_request(_, connection, _url, _method, _version, _data, _size, own):
    if not own[0]:  # the header is here; the answer may be queued when it is called again
        own[0] = 1
        return 1
    return mhd.MHD_queue_response(ctypes.c_void_p(connection), 200, RESPONSE)


def told(client):
    """What the client receives, and whether the end of the connection is part of it."""
    client.settimeout(WAIT_S)
    got = b""
    try:
        while data := client.recv(4096):
            got += data
    except TimeoutError:
        return got, False
    return got, True


def look(name, flags):
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    client.sendall(REQUEST)
    client.shutdown(socket.SHUT_WR)  # all of it before the server looks: no race
    server = ctypes.c_void_p(mhd.MHD_start_daemon(
        INTERNAL_THREAD | flags, 0, None, None, on_request, None,
        OPTION_LISTEN_SOCKET, listener.fileno(), OPTION_END))
    assert server
    got, ended = told(client)
    assert got.startswith(b"HTTP/1.1 200 ") and got.endswith(b"yes"), got
    line = "answer, then the end"
    if not ended:
        with socket.create_connection(listener.getsockname()) as other:
            other.sendall(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            assert told(other)[1]
        line = f"answer, then nothing for {WAIT_S} s; another client is answered"
    client.close()
    listener.detach()  # MHD_stop_daemon closes it
    mhd.MHD_stop_daemon(server)
    print(f"{mhd.MHD_get_version().decode()} {name}: {line}")


look("select", 0)
look("poll", POLL)
look("epoll", EPOLL)
EOF
python3 serve.py | tee seen

cat >expected <<'EOF'
0.9.75 select: answer, then the end
0.9.75 poll: answer, then the end
0.9.75 epoll: answer, then nothing for 5 s; another client is answered
EOF
cmp -s seen expected || { echo "$0: libmicrohttpd does otherwise now" >&2; exit 1; }
