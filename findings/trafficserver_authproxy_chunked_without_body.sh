#!/bin/sh
# Traffic Server 9.2.5 (Debian 12, 9.2.5+ds-0+deb12u4; it calls itself 9.2.9), plugin authproxy with
# --auth-transform=redirect: the question that it asks about a chunked upload says
# Transfer-Encoding: chunked, and no chunk follows. So whoever is asked waits for chunks that never come, and the
# upload is refused once somebody's patience ends.
#
# One would guess a question without a body that says so: with a Content-Length the plugin sets that to 0.
#
# Needs apt, dpkg-deb, python3 and libraries of trafficserver (libhwloc, libpcre3, libtcl and the like); takes
# 15 seconds. Output on Debian 12.11:
#
#   Traffic Server 9.2.9
#   POST of 7 bytes: asked POST, Content-Length 0, no Transfer-Encoding, 0 bytes of body
#   POST of 7 bytes in a chunk: asked POST, no Content-Length, Transfer-Encoding chunked, 0 bytes of body
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in trafficserver=9.2.5+ds-0+deb12u4; do
    apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
        { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
    dpkg-deb -x "${package%%=*}"_*.deb .
done
chmod 755 .
mkdir conf run
chmod 777 run
cat >look.py <<'END'
import http.server
import os
import socket
import subprocess
import threading
import time

FOLDER = os.getcwd()
ENVIRONMENT = {**os.environ, "LD_LIBRARY_PATH": f"{FOLDER}/usr/lib/trafficserver"}
asked = []


def ports(number):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    found = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return found


def ask(listener):
    """Reads one request by hand: all that comes within two seconds."""
    while True:
        client = listener.accept()[0]
        client.settimeout(2)
        data = b""
        try:
            while more := client.recv(4096):
                data += more
        except TimeoutError:
            pass
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        fields = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in lines[1:]}
        told = [f"{name} {fields[name.lower()]}" if name.lower() in fields else f"no {name}"
                for name in ("Content-Length", "Transfer-Encoding")]
        asked.append(f"asked {lines[0].split()[0]}, {', '.join(told)}, {len(body)} bytes of body")
        client.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        client.close()


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=ask, args=(listener,), daemon=True).start()
port, unused = ports(2)
answers = listener.getsockname()[1]
with open("conf/records.config", "w") as file:
    file.write(f"""CONFIG proxy.config.http.server_ports STRING {port}:ip-in=127.0.0.1
CONFIG proxy.config.admin.user_id STRING {"nobody" if os.getuid() == 0 else "#-1"}
CONFIG proxy.config.diags.logfile.filename STRING stderr
CONFIG proxy.config.log.logging_enabled INT 0
""")
with open("conf/storage.config", "w") as file:
    file.write(f"{FOLDER}/run 16M\n")
for name in "ip_allow.yaml", "plugin.config", "logging.yaml":
    os.link(f"etc/trafficserver/{name}", f"conf/{name}")
with open("conf/remap.config", "w") as file:
    file.write(f"map http://127.0.0.1:{unused}/ http://127.0.0.1:{answers}/\n"
               f"map / http://127.0.0.1:{unused}/ @plugin=authproxy.so @pparam=--auth-transform=redirect "
               f"@pparam=--auth-host=127.0.0.1 @pparam=--auth-port={unused}\n")
with open("runroot.yaml", "w") as file:
    lib = f"{FOLDER}/usr/lib/trafficserver"
    for name, path in (("prefix", FOLDER), ("exec_prefix", FOLDER), ("bindir", f"{FOLDER}/usr/bin"),
                       ("sbindir", f"{FOLDER}/usr/sbin"), ("sysconfdir", f"{FOLDER}/conf"), ("datadir", f"{FOLDER}/run"),
                       ("includedir", FOLDER), ("libdir", lib), ("libexecdir", f"{lib}/modules"),
                       ("localstatedir", f"{FOLDER}/run"), ("runtimedir", f"{FOLDER}/run"),
                       ("logdir", f"{FOLDER}/run"), ("cachedir", f"{FOLDER}/run")):
        file.write(f"{name}: {path}\n")
program = f"{FOLDER}/usr/bin/traffic_server"
version = subprocess.run([program, "--version"], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True,
                         stderr=subprocess.DEVNULL).stdout
print(*version.split()[:3])
server = subprocess.Popen([program, f"--run-root={FOLDER}/runroot.yaml"], env=ENVIRONMENT, stdout=open("out", "w"),
                          stderr=subprocess.STDOUT)
try:
    while socket.socket().connect_ex(("127.0.0.1", port)):
        assert server.poll() is None, open("out").read()
        time.sleep(0.1)
    post = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    for what, rest in (("POST of 7 bytes", b"Content-Length: 7\r\n\r\na body!"),
                       ("POST of 7 bytes in a chunk",
                        b"Transfer-Encoding: chunked\r\n\r\n7\r\na body!\r\n0\r\n\r\n")):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(post + rest)
            client.makefile("rb").read()
        print(f"{what}: {asked[-1]}")
finally:
    server.kill()
    server.wait()
END
python3 look.py | tee seen

cat >expected <<'END'
Traffic Server 9.2.9
POST of 7 bytes: asked POST, Content-Length 0, no Transfer-Encoding, 0 bytes of body
POST of 7 bytes in a chunk: asked POST, no Content-Length, Transfer-Encoding chunked, 0 bytes of body
END
cmp -s seen expected || { echo "$0: Traffic Server does otherwise now" >&2; exit 1; }
