"""How long other callers wait while 1,000 slow ones are there.

A caller on one connection asks at a steady pace: with nobody else on the machine; while
slowhttptest, whose clients each send a bit of a header every second, keeps another daemon busy;
and while it does that to the caller's own. slowhttptest takes a good part of a core, so
with few cores the second of these, not the first, is what the third is to be held against.
Prints the medians of the 50th and 99th percentiles, and those of the ratios of each round.

usage: slow.py BUILD-DIRECTORY [ROUNDS [SECONDS]]
"""

import shutil
import socket
import statistics
import subprocess
import sys
import time

import peers
import run

SLOW = 1000
CONNECT_S = 4 # and 10 s after it connected the daemon ends each
PACE_S = 0.002
TARGET = "/allow?key=alice"
REQUEST = f"GET {TARGET} HTTP/1.1\r\nHost: a\r\n\r\n".encode("ascii")


def percentiles_us(port, seconds):
    """The 50th and the 99th of the time to an answer."""
    took = []
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        due = time.monotonic()
        while len(took) < seconds / PACE_S:
            due += PACE_S
            time.sleep(max(0, due - time.monotonic()))
            began = time.perf_counter()
            caller.sendall(REQUEST)
            if not caller.recv(4096).startswith(b"HTTP/1.1 200"):
                sys.exit("slow: an answer was not 200")
            took.append((time.perf_counter() - began) * 1e6)
    took.sort()
    return took[len(took) // 2], took[len(took) * 99 // 100]


def slow_clients(port, seconds):
    """slowhttptest, while it runs."""
    return subprocess.Popen(
        ["slowhttptest", "-H", "-c", str(SLOW), "-r", str(SLOW // CONNECT_S), "-i", "1", "-x", "24", "-p", "3",
         "-l", str(CONNECT_S + seconds + 2), "-u", f"http://127.0.0.1:{port}{TARGET}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def established(port):
    """Connections to a daemon that are open."""
    listed = subprocess.run(["ss", "-Htn", "state", "established", f"( sport = :{port} )"],
                            capture_output=True, text=True, check=True)
    return len(listed.stdout.splitlines())


def beside(slow_port, port, seconds):
    """The percentiles beside slow clients of a daemon, and how many those are."""
    with slow_clients(slow_port, seconds) as slow:
        time.sleep(CONNECT_S + 0.5)
        count = established(slow_port)
        percentiles = percentiles_us(port, seconds)
        slow.terminate()
    return percentiles, count


def show(name, which, rows):
    """A line for a percentile."""
    none, other, own = (statistics.median(row[i][which] for row in rows) for i in range(3))
    to_none, to_other = (statistics.median(row[2][which] / row[i][which] for row in rows)
                         for i in (0, 1))
    print(f"{name}  quiet {none:7.1f} us  slow clients elsewhere {other:7.1f} us  here {own:7.1f} us  "
          f"here/quiet {to_none:.2f}, here/elsewhere {to_other:.2f}")


def main():
    """Three turns a round."""
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    seconds = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    for program, package in (("slowhttptest", "slowhttptest"), ("ss", "iproute2")):
        if shutil.which(program) is None:
            sys.exit(f"slow: {program} is missing; apt-get install {package}")
    rows, counts = [], []
    with run.new_run(sys.argv[1], rounds, seconds) as this_run, \
            peers.started(this_run, ["allowd", "allowd"]) as (own, other):
        for done in range(rounds):
            quiet = percentiles_us(own.port, seconds)
            (elsewhere, other_count), (here, count) = (
                beside(port, own.port, seconds) for port in (other.port, own.port))
            rows.append((quiet, elsewhere, here))
            counts += [other_count, count]
            this_run.progress(f"slow clients: round {done + 1} of {rounds}")
        this_run.end_progress()
    print(f"{min(counts)} to {max(counts)} slow connections")
    show("p50", 0, rows)
    show("p99", 1, rows)


if __name__ == "__main__":
    main()
