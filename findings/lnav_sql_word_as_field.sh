#!/bin/sh
# lnav 0.11.1 (Debian 12, 0.11.1-3): a JSON format with a value that is named like a word of SQL,
# "limit", "group" or "order", is taken without a fault, and its lines are shown; but the SQL table
# of the format does not exist, and nothing says why.
#
# One would guess that the name is quoted, as it comes out of somebody's log and SQL can quote any, or
# that the format is refused. lnav -C, which checks formats, is content as well. The member may be left
# out of "value": its lines are shown all the same, and json_extract(log_raw_text, '$.limit') has it.
#
# Needs apt, dpkg-deb, python3 and the libraries of lnav; takes 10 seconds. Output on Debian 12.11:
#
#   lnav 0.11.1
#   bucket: format accepted, 2 lines shown, 2 rows
#   limit: format accepted, 2 lines shown, no such table: t_log
#   group: format accepted, 2 lines shown, no such table: t_log
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=lnav=0.11.1-3
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is to be had on Debian 12 only" >&2; exit 1; }
dpkg-deb -x lnav_*.deb .

cat >look.py <<'END'
import json
import os
import re
import subprocess


def lnav(home, *arguments):
    environment = {**os.environ, "HOME": home, "XDG_CONFIG_HOME": f"{home}/.config", "TERM": "dumb"}
    done = subprocess.run(["usr/bin/lnav", *arguments], env=environment, text=True, timeout=20,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def look(name):
    home = os.path.abspath(f"home-{name}")
    formats = f"{home}/.config/lnav/formats/installed"
    os.makedirs(formats)
    with open(f"{formats}/t.json", "w") as file:
        json.dump({"$schema": "https://lnav.org/schemas/format-v1.schema.json",
                   "t_log": {"title": "t", "description": "t", "json": True,
                             "line-format": [{"field": "__timestamp__"}, " ", {"field": "message"}],
                             "timestamp-field": "time", "body-field": "message",
                             "value": {name: {"kind": "string"}}}}, file)
    with open(f"{home}/log", "w") as file:
        for second in range(2):
            print(json.dumps({"time": f"2026-01-02T03:04:0{second}.000Z", "message": "denied", name: "a"}), file=file)
    status, said = lnav(home, "-C")
    accepted = "format accepted" if status == 0 else f"format refused: {said}"
    _, shown = lnav(home, "-n", f"{home}/log")
    lines = len(re.findall(r"^2026-01-02T03:04:0\d\.000 denied$", shown, re.M))
    _, said = lnav(home, "-n", "-c", ";SELECT count(*) AS n FROM t_log", f"{home}/log")
    fault = re.search(r"no such table: t_log", said)
    rows = fault[0] if fault else f"{re.search(r'^ *([0-9]+) *$', said, re.M)[1]} rows"
    print(f"{name}: {accepted}, {lines} lines shown, {rows}")


print(" ".join(lnav(os.getcwd(), "-V")[1].split()[:2]))
look("bucket")
look("limit")
look("group")
END
python3 look.py | tee seen

cat >expected <<'END'
lnav 0.11.1
bucket: format accepted, 2 lines shown, 2 rows
limit: format accepted, 2 lines shown, no such table: t_log
group: format accepted, 2 lines shown, no such table: t_log
END
cmp -s seen expected || { echo "$0: lnav does otherwise now" >&2; exit 1; }
