"""
One thread of the daemon made to stand still, as by a fault or a machine that swaps.

The kernel stops it through ptrace(2); all others run on. Needs nothing that a
parent does not have over its child.
"""
import contextlib
import ctypes
import os
import pathlib
import unittest

from harness import wait_until

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def thread_named(daemon, name):
    """The id of the daemon's thread of that name, which it may be about to take."""
    def find():
        for task in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir():
            if (task / "comm").read_text(encoding="ascii").strip() == name:
                return int(task.name)
        return None
    return wait_until(find, f"there is a thread named {name}")


def _ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def stalled(daemon, name="state"):
    """Within it, the thread of that name does not run."""
    thread = thread_named(daemon, name)
    try:
        _ptrace(PTRACE_SEIZE, thread)
    except PermissionError:
        raise unittest.SkipTest("ptrace(2) is not permitted here") from None
    _ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WALL)
    try:
        yield
    finally:
        try:
            _ptrace(PTRACE_DETACH, thread)
        except OSError:  # the daemon is gone, and cannot be waited for before this thread of it is
            with contextlib.suppress(OSError):
                os.waitpid(thread, WALL)

