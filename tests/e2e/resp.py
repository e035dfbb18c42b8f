"""A client of RESP, as small as can be: commands go out as arrays, and values come back as Python has them."""
import socket

from harness import PATIENCE_S, parse_address


class Refused(Exception):
    """An error that the server has told."""


def resp_address(daemon):
    """Where a daemon listens for RESP."""
    return parse_address(daemon.wait_for_line(r"listening for RESP on (.*?)(, inherited as .*)?$")[1])


def command(*words):
    """The bytes of one command."""
    words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


class Client:
    """One connection; `with Client(address) as client` closes it."""

    def __init__(self, address):
        kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(kind)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(address)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError(line)
        return line[:-2]

    def value(self):
        """The next value; an error is returned, not raised."""
        line = self.line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Refused(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        if kind == b"_":
            return None
        if kind == b"*":
            return [self.value() for _ in range(int(rest))]
        if kind == b"%":
            return dict((self.value(), self.value()) for _ in range(int(rest)))
        raise AssertionError(f"no value begins so: {line}")

    def call(self, *words):
        self.send(command(*words))
        value = self.value()
        if isinstance(value, Refused):
            raise value
        return value

    def is_at_end(self):
        """Waits for the end of the connection; whatever else comes makes it false."""
        try:
            return self.file.read(1) == b""
        except ConnectionResetError:
            return True
