#!/usr/bin/python3 -ISB
"""
run.py [--one-processor] COMMAND...: runs a test, and ends it if it hangs, however busy the machine is.

A test hangs if all processes that it has started use less than a second of processor time in
five minutes, or 1/300 of TEST_IDLE_S in TEST_IDLE_S. One that goes round in a circle is ended
after an hour, or TEST_BOUND_S. Either way it has failed. What the test leaves running is ended with it. The exit status is the test's,
or 124 if it was ended.

--one-processor: the test may use one processor only. Tests at the same time take different ones.
"""
import collections
import ctypes
import os
import signal
import sys
import time

WINDOW_S = float(os.environ.get("TEST_IDLE_S") or 300)
BOUND_S = float(os.environ.get("TEST_BOUND_S") or 3600)
BUSY_S = WINDOW_S / 300        # of processor time in each window, or it hangs
LOOK_S = min(5, WINDOW_S / 4)  # from one look to the next
GRACE_S = 5                    # from SIGTERM to SIGKILL
ENDED = 124
HEARD = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PR_SET_CHILD_SUBREAPER = 36


def processes():
    """Of each process: its parent, name, and the processor time of it and its dead children."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", encoding="utf-8", errors="replace") as file:
                    head, _, tail = file.read().rpartition(")")
            except OSError:  # it has just ended
                continue
            fields = tail.split()
            found[int(name)] = (int(fields[1]), head.partition("(")[2],
                                TICK_S * sum(map(int, fields[11:15])))
    return found


def below(found, root):
    """The processes that descend from root."""
    children = collections.defaultdict(list)
    for pid, (parent, _, _) in found.items():
        children[parent].append(pid)
    tree, left = [], [root]
    while left:
        more = children[left.pop()]
        tree += more
        left += more
    return tree


def used_s():
    """Processor time of all that the test has started and is known of."""
    found = processes()
    times = os.times()
    return times.children_user + times.children_system + sum(
        found[pid][2] for pid in below(found, os.getpid()))


def tell_all(why):
    print(f"run: {why}; what runs:", flush=True)
    found = processes()
    for pid in below(found, os.getpid()):
        try:
            with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
                waits = file.read()
        except OSError:
            waits = "?"
        print(f"run: {pid} {found[pid][1]}, {found[pid][2]:.2f} s, waits in {waits}", flush=True)


def reap(test):
    """Takes in all that has ended; the test's status once it has, or None."""
    status = None
    while True:
        try:
            pid, ended = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status
        if pid == 0:
            return status
        if pid == test:
            status = os.waitstatus_to_exitcode(ended)


def end_all():
    """SIGTERM to all that is left, and SIGKILL to those that stay."""
    deadline = time.monotonic() + GRACE_S
    sent = set()
    while tree := below(processes(), os.getpid()):
        late = time.monotonic() > deadline
        for pid in tree:
            if late or pid not in sent:
                sent.add(pid)
                try:
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                except ProcessLookupError:
                    pass
        signal.sigtimedwait({signal.SIGCHLD}, 0.05)
        reap(None)


def start(command):
    test = os.fork()
    if test == 0:
        for number in (signal.SIGINT, signal.SIGHUP):  # which background jobs of a shell, or of nohup, ignore
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        try:
            os.execvp(command[0], command)
        except OSError as error:
            print(f"run: {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        os._exit(127)
    return test


def watch(test):
    """The status of the test, or why it was ended."""
    began = time.monotonic()
    looks = collections.deque([(began, 0.0)])
    while True:
        heard = signal.sigtimedwait(HEARD, LOOK_S)
        if heard is not None and heard.si_signo != signal.SIGCHLD:
            return None, f"ended by signal {heard.si_signo}"
        status = reap(test)
        if status is not None:
            return status, None
        now = time.monotonic()
        if now - looks[-1][0] < LOOK_S:
            continue
        looks.append((now, used_s()))
        while len(looks) > 1 and now - looks[1][0] >= WINDOW_S:
            looks.popleft()
        if now - looks[0][0] >= WINDOW_S and looks[-1][1] - looks[0][1] < BUSY_S:
            return None, f"it hangs: less than {BUSY_S:.2g} s of processor time in {WINDOW_S:.0f} s"
        if now - began >= BOUND_S:
            return None, f"it has not ended in {BOUND_S:.0f} s"


def use_one_processor():
    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})


def main():
    command = sys.argv[1:]
    if command[0] == "--one-processor":
        use_one_processor()
        command = command[1:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    began = time.monotonic()
    status, why = watch(start(command))
    if why is not None:
        tell_all(why)
    end_all()
    times = os.times()
    print(f"run: {time.monotonic() - began:.1f} s, "
          f"{times.children_user + times.children_system:.1f} s of processor time", flush=True)
    if status is None:
        return ENDED
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
