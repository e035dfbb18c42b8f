"""
An earlier version of allowd to compare with: BENCH_BASE, a commit (that of release 0.1.0), built below the
build directory the first time that a row asks for it.
"""
import os
import subprocess

import peers
import tools

COMMIT = os.environ.get("BENCH_BASE") or "76b88c5"
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NAME = f"allowd at {COMMIT}"
STEPS = (["autoreconf", "-fi"], ["./configure", "-q", "--disable-dependency-tracking"], ["make", "-s", "allowd"])


def unpack(folder):
    """The sources of that commit."""
    os.makedirs(folder)
    archive = subprocess.run(["git", "-C", SOURCE, "archive", COMMIT], capture_output=True, check=False)
    if archive.returncode != 0:
        raise tools.ToolError(f"there are no sources of BENCH_BASE={COMMIT}: {archive.stderr.decode().strip()}; "
                              "fetch that commit into a checkout, and make bench there")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)


def program(run):
    """Where the program is; it is built as the bench's own is unless CFLAGS says otherwise."""
    folder = os.path.join(run.build, f"base-{COMMIT}")
    built = os.path.join(folder, "allowd")
    if os.path.exists(built):
        return built
    if not os.path.exists(folder):
        unpack(folder)
    for step in STEPS:
        run.progress(f"building {NAME}: {step[0]}")
        done = subprocess.run(step, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise tools.ToolError(f"{NAME} does not build, {step[0]} fails: {done.stderr.strip()[-500:]}")
    return built


def peer(run, **settings):
    """A server of it. 0.1.0 knows no `threads: auto`, and its default is one thread beside the decider's."""
    return peers.AllowdPeer(run, threads=1, program=program(run), name=NAME, **settings)
