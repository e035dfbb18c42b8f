"""
What the bench ran on, and who else was there.
"""
import os
import platform
import re
import resource
import subprocess
import time

import tools


def first(path, pattern):
    """What a file says where the pattern has its group, or an empty text."""
    with open(path, encoding="utf-8") as file:
        found = re.search(pattern, file.read(), re.M)
    return found.group(1).strip() if found else ""


def description(run):
    """In one sentence."""
    model = first("/proc/cpuinfo", r"^model name\s*: (.*)$") or platform.machine()
    memory_gb = int(first("/proc/meminfo", r"^MemTotal:\s+(\d+)")) / 1e6
    system = first("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)')
    cores = len(os.sched_getaffinity(0))
    virtual = " of a virtual machine" if first("/proc/cpuinfo", r"^flags\s*:.*\b(hypervisor)\b") else ""
    where = (f"servers on core {run.server_core}, clients on core {run.client_core}" if run.has_two_cores
             else "servers and clients share the one core")
    return (f"{model}, {cores} core{'s' if cores > 1 else ''}{virtual}, {memory_gb:.0f} GB, "
            f"Linux {platform.release()}, {system}; {where}")


def said(command):
    """The last word of what a program says."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]


def versions(run):
    """Of everything that was measured, or measured with."""
    return [("allowd", said([run.allowd, "-V"])),
            ("libmicrohttpd", said(["pkg-config", "--modversion", "libmicrohttpd"])),
            *((name, tools.version(name)) for name in
              ("nginx", "haproxy", "redis-server", "go", "wrk", "h2load", "gnuplot"))]


def busy_s():
    """Processor time that was used on this machine, by anybody, that of a hypervisor's others included."""
    fields = [int(field) for field in first("/proc/stat", r"^cpu +(.*)$").split()]
    idle = fields[3] + fields[4]
    return (sum(fields[:8]) - idle) / os.sysconf("SC_CLK_TCK")


def own_s():
    """Of that, by the bench and by all that it has ended."""
    return sum(usage.ru_utime + usage.ru_stime for usage in
               map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def neighbours():
    """Gives a function that says how much of all cores others have used since; servers of ours must
    have ended by then."""
    began, busy_before_s, own_before_s = time.monotonic(), busy_s(), own_s()

    def share():
        took_s = (time.monotonic() - began) * os.cpu_count()
        return max(0, (busy_s() - busy_before_s) - (own_s() - own_before_s)) / took_s
    return share
