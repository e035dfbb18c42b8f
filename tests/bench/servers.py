"""
Servers to measure: started on one core, waited for, looked at, and ended by their process id.

A server is the process and all its descendants: what a worker uses counts as its master's.
"""
import ctypes
import os
import signal
import socket
import subprocess
import time

PATIENCE_S = 20     # no server takes as long to answer, or to end
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG = 1
CPUCLOCK_SCHED = 2  # clock_gettime(2): the processor time of a process, from the scheduler


class ServerError(Exception):
    """A server that does not do what it was started for; says which and why."""


def free_port():
    """A TCP port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def processor_time_s(pid):
    """User and system time of a process and of all its threads, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED)


def descendants(pid):
    """A process and its children and theirs."""
    found = [pid]
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as children:
            for child in children.read().split():
                found += descendants(int(child))
    return found


class Server:
    """One that runs; `with Server(...) as server` ends it."""

    def __init__(self, name, command, port, cores, folder):
        """cores: those it may use. folder: for its log."""
        self.name, self.port, self.cores = name, port, set(cores)
        self.log_path = os.path.join(folder, f"{name.replace(' ', '-')}-{port}.log")

        def in_child():
            # Even a bench that is killed outright leaves no server behind.
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, self.cores)

        self.began = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                preexec_fn=in_child)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def log_text(self):
        """What it said."""
        with open(self.log_path, encoding="utf-8", errors="replace") as log:
            return log.read().strip()

    def wait(self):
        """Until it takes connections."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise ServerError(f"{self.name} left with status {self.process.returncode}: {self.log_text()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                    return self
            except OSError:
                time.sleep(0.01)
        raise ServerError(f"{self.name} takes no connections on port {self.port}: {self.log_text()}")

    def processor_time_s(self):
        """User and system time of the whole of it, so far."""
        return sum(processor_time_s(pid) for pid in descendants(self.process.pid))

    def resident_bytes(self):
        """Resident memory of the whole of it; what its processes share counts once for all (PSS)."""
        total = 0
        for pid in descendants(self.process.pid):
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:")) * 1024
        return total

    def stop(self):
        """By its process id; by force if it does not leave."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
