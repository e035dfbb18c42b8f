"""
Plays the service manager: hears what systemd would hear, and passes sockets as it does.
"""
import os
import socket
import time

from harness import PATIENCE_S


class Manager:
    """The receiving end of NOTIFY_SOCKET, for one daemon."""

    def __init__(self, path=None):
        """path: of its socket; without it, one in the abstract namespace."""
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path or "")
        name = self.socket.getsockname()
        self.address = name if path else "@" + name[1:].decode("ascii")

    def prepare(self, **variables):
        """For Daemon: the environment that a service gets. A None takes a variable out."""
        def in_child():
            os.environ["NOTIFY_SOCKET"] = self.address
            set_variables(variables)
        return in_child

    def hear(self, patience_s=PATIENCE_S):
        """The next message, as a dictionary; None once patience ends."""
        self.socket.settimeout(max(patience_s, 0.001))
        try:
            text = self.socket.recv(1 << 16).decode("utf-8")
        except TimeoutError:
            return None
        return dict(line.split("=", 1) for line in text.split("\n"))

    def hear_word(self, patience_s=PATIENCE_S):
        """The next message that is not from the watchdog's feeding."""
        deadline = time.monotonic() + patience_s
        while True:
            message = self.hear(deadline - time.monotonic())
            if message != {"WATCHDOG": "1"}:
                return message

    def hear_silence(self, for_s):
        """Whether nothing at all comes for so long."""
        return self.hear(for_s) is None

    def close(self):
        self.socket.close()


def set_variables(variables):
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = str(value)


def passing(count, names=None, pid=None, prepare=None):
    """For Daemon: the environment that says how many of its descriptors are sockets to serve."""
    def in_child():
        if prepare is not None:
            prepare()
        set_variables({"LISTEN_FDS": count, "LISTEN_FDNAMES": names,
                       "LISTEN_PID": os.getpid() if pid is None else pid})
    return in_child
