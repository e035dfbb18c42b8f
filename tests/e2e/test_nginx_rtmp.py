#!/usr/bin/python3 -B
"""
The recipe for nginx's RTMP module, with the real server and clients that publish or play.
"""
import contextlib
import socket
import struct
import unittest

from callers import ADDRESSES, BURST, NginxCaller
from harness import PATIENCE_S
from share import load_tests  # which unittest calls

HELLO = bytes(1536)
CHUNK = 128  # bytes of a message that go without another head


class Rtmp:
    """A client's end of RTMP, as far as it takes to begin."""

    def __init__(self, port, address):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S, (address, 0))
        self.stream = self.socket.makefile("rb")
        self.socket.sendall(b"\3" + HELLO)
        self.stream.read(1 + 2 * len(HELLO))
        self.socket.sendall(HELLO)

    def close(self):
        self.stream.close()
        self.socket.close()

    @staticmethod
    def amf(value):
        if value is None:
            return b"\5"
        if isinstance(value, dict):
            return b"\3" + b"".join(struct.pack(">H", len(name)) + name.encode() + Rtmp.amf(member)
                                    for name, member in value.items()) + b"\0\0\t"
        if isinstance(value, str):
            return struct.pack(">BH", 2, len(value)) + value.encode()
        return struct.pack(">Bd", 0, value)

    def send(self, stream, *command):
        body = b"".join(map(self.amf, command))
        chunks = [body[at:at + CHUNK] for at in range(0, len(body), CHUNK)]
        self.socket.sendall(b"\3" + bytes(3) + struct.pack(">I", len(body))[1:] + b"\x14" +
                            struct.pack("<I", stream) + b"\xc3".join(chunks))

    def read_until(self, words):
        """Which of the words comes first; None if the connection is closed before."""
        seen = b""
        while byte := self.stream.read(1):
            seen += byte
            for word in words:
                if seen.endswith(word):
                    return word
        return None

    def begin(self, what, name):
        self.send(0, "connect", 1, {"app": "live", "tcUrl": "rtmp://localhost/live"})
        self.send(0, "createStream", 2, None)
        self.send(1, what, 3, None, name, *(["live"] if what == "publish" else []))
        start = b"NetStream.P" + what[1:].encode() + b".Start"
        with contextlib.suppress(ConnectionResetError):
            return self.read_until([start]) == start
        return False


class NginxRtmp(NginxCaller, unittest.TestCase):
    neighbour = "nginx, RTMP"
    module = "ngx_rtmp_module"
    fails_open = stuck_opens = False
    stuck_s = 2
    patience = [("netcall_timeout 2s", "netcall_timeout 60s")]

    def start(self):
        self.start_with("nginx-rtmp.conf", [("listen 1935;", f"listen 127.0.0.1:{self.port};")])

    def enter(self, user, what="publish", name="stream"):
        with contextlib.closing(Rtmp(self.port, ADDRESSES[user])) as client:
            is_in = client.begin(what, name)
        return is_in, "" if is_in else "closed without a word"

    def assert_told(self, text):
        self.assertEqual(text, "closed without a word")

    def test_playing(self):
        answers = [self.enter("alice", "play")[0] for _ in range(BURST + 1)]
        self.assertEqual(answers, [True] * BURST + [False])

    def test_a_client_cannot_choose_its_key(self):
        """What it writes behind the name is sent to allowd too."""
        self.assertFalse(self.enter("alice", name="stream?addr=198.51.100.7")[0])
        self.assert_exactly_the_burst_enters("alice")
        self.assertFalse(self.enter("alice", name="stream?addr=198.51.100.7")[0])

if __name__ == "__main__":
    unittest.main()
