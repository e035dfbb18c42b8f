"""
The programs that the bench needs, and what Debian calls the packages they are in.
"""
import os
import re
import shutil
import subprocess

# program -> (package, how it says its version)
TOOLS = {
    "wrk": ("wrk", ["-v"]),
    "h2load": ("nghttp2-client", ["--version"]),
    "nginx": ("nginx", ["-v"]),
    "haproxy": ("haproxy", ["-v"]),
    "redis-server": ("redis-server", ["--version"]),
    "redis-benchmark": ("redis-tools", ["--version"]),
    "go": ("golang-go", ["version"]),
    "gnuplot": ("gnuplot-nox", ["--version"]),
}
# Where servers are, whatever a user's PATH is.
PLACES = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/sbin"


class ToolError(Exception):
    """A program that is missing, or failed; says what to do."""


def find(name):
    """Where a program is."""
    path = shutil.which(name, path=PLACES)
    if path is None:
        raise ToolError(f"{name} is missing: apt-get install {TOOLS[name][0]}")
    return path


def need_all():
    """That all are there, so that none is found missing after ten minutes."""
    missing = sorted({package for name, (package, _) in TOOLS.items()
                      if shutil.which(name, path=PLACES) is None})
    if missing:
        raise ToolError(f"programs are missing: apt-get install {' '.join(missing)}, or ./bootstrap bench")


def version(name):
    """What a program says is its version."""
    said = subprocess.run([find(name), *TOOLS[name][1]], capture_output=True, text=True, check=False)
    number = re.search(r"\d+\.\d+[\w.+-]*", said.stdout + said.stderr)
    return number.group(0) if number else "unknown"
