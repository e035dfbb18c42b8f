#!/bin/sh
# Dovecot 2.3.19.1 (Debian 12, 1:2.3.19.1+dfsg1-2.1+deb12u7), auth_policy_server_url: the member "status" of
# the policy server's JSON, where it is above 0, is how many seconds the login is held before it is let in.
# In a problem of RFC 9457, {"title": ..., "status": 429}, it is read as that, and the login waits for so many seconds.
#
# One would guess that a number other than 0 is some kind of no, or that a wait has a ceiling. Only numbers
# below 0 deny. As an answer whose HTTP status is an error counts as no answer, a denial has to be a 200;
# and a limiter that makes it one must not send the body that it has for its other clients.
#
# Needs apt, dpkg-deb, python3 and the libraries of dovecot-core; takes 15 seconds. Output on Debian 12.11:
#
#   Dovecot 2.3.19.1
#   {"status": 0}: let in at once
#   {"status": -1, "msg": "slower"}: refused, slower
#   {"status": 3}: let in after 3 s
#   {"title": "Too Many Requests", "status": 4}: let in after 4 s
#   {"title": "Too Many Requests", "status": 429}: no verdict within 8 s
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=dovecot-core=1:2.3.19.1+dfsg1-2.1+deb12u7
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
dpkg-deb -x dovecot-core_*.deb .
mkdir run state
chmod 755 .

cat >look.py <<'END'
import grp
import http.server
import json
import os
import pwd
import re
import subprocess
import threading
import time

FOLDER = os.getcwd()
LIBRARIES = f"{FOLDER}/usr/lib/dovecot"
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": LIBRARIES}
WATCHED_S = 8
USER = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(pwd.getpwnam(USER).pw_gid).gr_name


class Policy(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        login = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["login"]
        body = ANSWERS[int(login)].encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def look(login):
    began = time.monotonic()
    try:
        said = subprocess.run(["usr/bin/doveadm", "-c", f"{FOLDER}/dovecot.conf", "auth", "test", "-a",
                               f"{FOLDER}/run/auth-client", str(login), "secret"], env=ENVIRONMENT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=WATCHED_S).stdout
    except subprocess.TimeoutExpired:
        seen[login] = f"no verdict within {WATCHED_S} s"
        return
    took_s = int(time.monotonic() - began)
    if "auth succeeded" in said:
        seen[login] = f"let in after {took_s} s" if took_s else "let in at once"
    else:
        reason = re.search(r"reason=(.*)", said)
        seen[login] = f"refused, {reason[1]}" if reason else said


ANSWERS = [json.dumps(answer) for answer in (
    {"status": 0}, {"status": -1, "msg": "slower"}, {"status": 3},
    {"title": "Too Many Requests", "status": 4}, {"title": "Too Many Requests", "status": 429})]
policy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Policy)
threading.Thread(target=policy.serve_forever, daemon=True).start()
with open("dovecot.conf", "w") as configuration:
    configuration.write(f"""
base_dir = {FOLDER}/run
state_dir = {FOLDER}/state
libexec_dir = {LIBRARIES}
log_path = {FOLDER}/run/log
import_environment = LD_LIBRARY_PATH
protocols =
ssl = no
default_internal_user = {USER}
default_login_user = {USER}
default_internal_group = {GROUP}
passdb {{
  driver = static
  args = password=secret
}}
auth_policy_server_url = http://127.0.0.1:{policy.server_address[1]}/
auth_policy_hash_nonce = none
auth_policy_check_after_auth = no
auth_policy_report_after_auth = no
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
""")
version = subprocess.run(["usr/sbin/dovecot", "--version"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True).stdout
print(f"Dovecot {version.split()[0]}")
dovecot = subprocess.Popen(["usr/sbin/dovecot", "-F", "-c", f"{FOLDER}/dovecot.conf"], env=ENVIRONMENT)
seen = {}
try:
    while not os.path.exists("run/auth-client"):
        assert dovecot.poll() is None, open("run/log").read()
        time.sleep(0.1)
    looks = [threading.Thread(target=look, args=(login,)) for login in range(len(ANSWERS))]  # at once
    for one in looks:
        one.start()
    for one in looks:
        one.join()
finally:
    dovecot.terminate()
    dovecot.wait()
for login, answer in enumerate(ANSWERS):
    print(f"{answer}: {seen[login]}")
END
python3 look.py | tee seen

cat >expected <<'END'
Dovecot 2.3.19.1
{"status": 0}: let in at once
{"status": -1, "msg": "slower"}: refused, slower
{"status": 3}: let in after 3 s
{"title": "Too Many Requests", "status": 4}: let in after 4 s
{"title": "Too Many Requests", "status": 429}: no verdict within 8 s
END
cmp -s seen expected || { echo "$0: Dovecot does otherwise now" >&2; exit 1; }
