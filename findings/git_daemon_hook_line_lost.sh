#!/bin/sh
# git daemon 2.39.5 (Debian 12, 1:2.39.5-0+deb12u3), --access-hook: the line that a declining hook prints
# for the client is thrown away, and the client reads that access is denied or the repository is not
# exported, as for any fault, unless --informative-errors is there as well.
#
# One would guess that the hook alone is enough: the manual promises the line there and does not name the
# other option. Besides, the address among the hook's arguments belongs to the host that the client asked
# for; its own is in REMOTE_ADDR, so who counts by the argument has one counter for everybody.
#
# Needs apt, dpkg-deb and python3; takes 10 seconds. Output on Debian 12.11, from 127.0.0.2 to 127.0.0.1:
#
#   git version 2.39.5
#   the hook's 5th argument 127.0.0.1, REMOTE_ADDR 127.0.0.2
#   --access-hook: ERR access denied or repository not exported: /r.git
#   --access-hook --informative-errors: ERR too many, come back in 5 s: /r.git
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=git=1:2.39.5-0+deb12u3
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
dpkg-deb -x git_*.deb .

cat >hook <<END
#!/bin/sh
echo "the hook's 5th argument \$5, REMOTE_ADDR \$REMOTE_ADDR" >"$folder/told"
echo "too many, come back in 5 s"
exit 1
END
chmod 755 hook
cat >look.py <<'END'
import os
import socket
import subprocess
import time

FOLDER = os.getcwd()
GIT = f"{FOLDER}/usr/bin/git"
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": FOLDER, "GIT_EXEC_PATH": f"{FOLDER}/usr/lib/git-core",
               "GIT_CONFIG_NOSYSTEM": "1"}


def look(*options):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    daemon = subprocess.Popen([f"{FOLDER}/usr/lib/git-core/git-daemon", f"--base-path={FOLDER}", "--export-all",
                               "--listen=127.0.0.1", f"--port={port}", f"--access-hook={FOLDER}/hook", *options],
                              env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            assert daemon.poll() is None
            time.sleep(0.1)
        client = socket.create_connection(("127.0.0.1", port), timeout=10, source_address=("127.0.0.2", 0))
        request = b"git-upload-pack /r.git\0host=127.0.0.1\0"
        client.sendall(b"%04x" % (len(request) + 4) + request)
        return client.makefile("rb").read()[4:].decode()
    finally:
        daemon.kill()
        daemon.wait()


subprocess.run([GIT, "init", "-q", "--bare", "r.git"], env=ENVIRONMENT, check=True)
print(subprocess.run([GIT, "version"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True).stdout.strip())
lines = [f"{' '.join(('--access-hook', *options))}: {look(*options)}" for options in ((), ("--informative-errors",))]
print(open("told").read().strip(), *lines, sep="\n")
END
python3 look.py | tee seen

cat >expected <<'END'
git version 2.39.5
the hook's 5th argument 127.0.0.1, REMOTE_ADDR 127.0.0.2
--access-hook: ERR access denied or repository not exported: /r.git
--access-hook --informative-errors: ERR too many, come back in 5 s: /r.git
END
cmp -s seen expected || { echo "$0: git daemon does otherwise now" >&2; exit 1; }
