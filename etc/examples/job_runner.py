#!/usr/bin/python3
"""
Does jobs, no more at a time than allowd has slots, however many runners there are:

    job_runner.py FOLDER COMMAND [ARGUMENT...]

Each file in FOLDER/todo is a job: COMMAND ARGUMENT... FILE does it, called in FOLDER. The file then
goes to done/, or after MAX_TRIES failures to failed/; what was written is in log/. The runner ends
when no job is left.

Start as many runners on one folder as you like. A job that runs is in running/, as LEASE.NAME. Its
runner renews the lease; one that dies does not, so the lease ends by itself: its slot is free
again, and another runner does the job. So a job may be begun twice: it has to bear that.

Needs setpriv of util-linux. job-runner.sh does the same, on the same folder.
"""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URL = os.environ.get("ALLOWD_URL", "http://127.0.0.1:10429")
KEY = os.environ.get("JOB_KEY", "jobs:all")
MAX_TRIES = int(os.environ.get("MAX_TRIES", "3"))
WAIT_S = float(os.environ.get("WAIT_S", "10"))  # for a slot; at most wait_max of allowd
TTL_S = float(os.environ.get("TTL_S", "30"))  # of the lease, from each renewal on
# Two renewals may fail in a row, and the job is still over before its lease is:
# 2 * (RENEW_S + CALL_S) < TTL_S
RENEW_S = float(os.environ.get("RENEW_S", "10"))
CALL_S = float(os.environ.get("CALL_S", "4"))


# ---- allowd ----

def call(path, timeout_s=CALL_S, **form):
    """Status and answer; 0 and {} if there is none. A form is posted. Nothing here asks twice."""
    body = urllib.parse.urlencode(form).encode() if form else None
    try:
        try:
            answer = urllib.request.urlopen(URL + path, body, timeout_s)
        except urllib.error.HTTPError as error:
            answer = error  # which is an answer too
        with answer:
            return answer.status, json.load(answer)
    except (OSError, http.client.HTTPException, ValueError):
        return 0, {}


def milliseconds(seconds):
    return f"{round(1000 * seconds)}ms"


def acquire():
    """The lease of a slot, or None if there was none in time."""
    # The call takes as long as the wait, so it must not time out before.
    status, answer = call("/acquire", WAIT_S + CALL_S, key=KEY, wait=milliseconds(WAIT_S),
                          ttl=milliseconds(TTL_S))
    if status == 200:
        return answer["lease"]
    if status == 429 and answer["retry_after_ms"] is not None:
        if answer.get("reason") != "wait_over":  # that was the wait
            time.sleep(min(answer["retry_after_ms"] / 1000 + 0.1, WAIT_S))
    elif status == 0 or status >= 500:  # allowd is down: without a lease no job runs
        time.sleep(1)
    else:
        sys.exit(f"{sys.argv[0]}: allowd refuses: {status} {answer}")
    return None


def is_over(lease):
    """Whether it is no more: its runner has died. Not if nobody says so."""
    status, answer = call("/status?lease=" + urllib.parse.quote(lease, ""))
    return status == 404 or (status == 200 and answer["state"] != "held")


# ---- jobs ----

class Job:
    """A job that is ours, for as long as our lease is."""

    def __init__(self, lease, name):
        self.lease, self.name = lease, name
        self.file = pathlib.Path("running", f"{lease}.{name}")
        self.counter = pathlib.Path("tries", name)

    def tries(self):
        with contextlib.suppress(OSError, ValueError):
            return int(self.counter.read_text(encoding="ascii"))
        return 0

    def put(self, folder):
        """Another runner may have been faster: then it is not ours any more."""
        with contextlib.suppress(FileNotFoundError):
            self.file.rename(pathlib.Path(folder, self.name))
            return True
        return False

    def put_back(self):
        """After a try that came to nothing: once more, or no more."""
        tries = self.tries()
        if tries < MAX_TRIES:
            self.put("todo")
        elif self.put("failed"):
            print(f"{sys.argv[0]}: {self.name} has failed {tries} times, see log/{self.name}",
                  file=sys.stderr)

    def work(self, command):
        """Does it, and returns whether that went well. A signal's exception ends it too."""
        # The kernel ends it when we die; in a session of its own it can be ended with all that it began.
        command = ["setpriv", "--pdeathsig", "KILL", *command, str(self.file)]
        with open(pathlib.Path("log", self.name), "ab") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True)
        missed = 0
        try:
            while missed < 2:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    return process.wait(RENEW_S) == 0
                status, _ = call("/renew", lease=self.lease, ttl=milliseconds(TTL_S))
                if 400 <= status < 500:
                    break
                missed = 0 if status == 200 else missed + 1
            return False
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(RENEW_S)
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def names(folder):
    return sorted(file.name for file in pathlib.Path(folder).iterdir() if file.is_file())


def claim(lease):
    """A job that nobody else has: of two runners that rename a file one fails."""
    for name in names("todo"):
        job = Job(lease, name)
        with contextlib.suppress(FileNotFoundError):
            pathlib.Path("todo", name).rename(job.file)
            job.counter.write_text(str(job.tries() + 1), encoding="ascii")
            return job
    return None


def do_one(lease, command):
    """A job, and how many of the lease's tokens that used."""
    job = claim(lease)
    if job is None:
        return 0
    try:
        went_well = job.work(command)
    except BaseException:  # a signal: the try does not count
        job.counter.write_text(str(job.tries() - 1), encoding="ascii")
        job.put("todo")
        raise
    if went_well:
        job.put("done")
        return 1
    job.put_back()
    return 0


def find_lost():
    """Puts back the jobs whose lease is no more."""
    for name in names("running"):
        lease, _, name_of_job = name.partition(".")
        if is_over(lease):
            Job(lease, name_of_job).put_back()


def main():
    if len(sys.argv) < 3:
        sys.exit(f"usage: {sys.argv[0]} FOLDER COMMAND [ARGUMENT...]")
    os.chdir(sys.argv[1])
    for folder in ("todo", "running", "done", "failed", "log", "tries"):
        os.makedirs(folder, exist_ok=True)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    while True:
        find_lost()
        if names("todo"):
            if lease := acquire():
                used = 0
                try:
                    used = do_one(lease, sys.argv[2:])
                finally:  # what is not used comes back; if this is lost, the lease ends by itself
                    call("/release", lease=lease, used=used)
        elif names("running"):
            time.sleep(1)  # a runner may die yet
        else:
            return


if __name__ == "__main__":
    main()
