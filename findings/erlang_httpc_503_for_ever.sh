#!/bin/sh
# Erlang's httpc (inets of Debian 12, 1:25.2.3+dfsg-1+deb12u4): a POST that is answered 503 with
# Retry-After: 1 is sent again each second, for as long as it is answered so. The option timeout does
# not end it, and neither does the end of the process that asked. Where Retry-After is a date, or is
# not there, the 503 is returned at once.
#
# One would guess that {timeout, 2000} bounds the call, that a POST is not repeated by itself, and that
# nothing is sent for a process that is gone. RabbitMQ's HTTP authentication is built on it. A server
# that is full and says 503 with Retry-After to such clients gets each of them back, for good; it leaves
# the field out. This version has no option against it.
#
# Needs apt, dpkg-deb, python3 and the libraries of erlang-base; takes 20 seconds. Output on Debian 12.11:
#
#   erlang 25.2.3, 503 without Retry-After: answered 503, 1 request
#   erlang 25.2.3, 503 with a date: answered 503, 1 request
#   erlang 25.2.3, 503 with 1: no answer within 4 s, more requests, more after the asking process is dead
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for package in erlang-base erlang-inets; do
    pinned=$package=1:25.2.3+dfsg-1+deb12u4
    apt-get -qq download "$pinned" 2>apt.log || { apt-get -qq update && apt-get -qq download "$pinned"; } ||
        { cat apt.log >&2; echo "$0: $pinned is not to be had" >&2; exit 1; }
    dpkg-deb -x "$package"_*.deb .
done

cat >ask.escript <<'END'
#!/usr/bin/env escript
%% Asks on behalf of a process of its own; that one is killed if it has no answer after 4 s.
main([Url]) ->
    {ok, _} = application:ensure_all_started(inets),
    Main = self(),
    Asker = spawn(fun() -> Main ! httpc:request(post, {Url, [], "text/plain", "x"}, [{timeout, 2000}], []) end),
    receive
        {ok, {{_, Status, _}, _, _}} -> io:format("answered ~p~n", [Status]);
        {error, Why} -> io:format("error ~p~n", [Why])
    after 4000 ->
        exit(Asker, kill),
        timer:sleep(500),
        io:format("dead ~p~n", [not is_process_alive(Asker)]),
        timer:sleep(4000)
    end.
END
cat >serve.py <<'END'
import email.utils
import http.server
import os
import re
import subprocess
import threading
import time

ROOT = os.path.abspath("usr/lib/erlang")
asked = []


class Full(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        asked.append(time.monotonic())
        self.send_response(503)
        if self.server.retry_after:
            self.send_header("Retry-After", self.server.retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def look(name, retry_after):
    asked.clear()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Full)
    server.retry_after = retry_after
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    erlang = subprocess.Popen([f"{ROOT}/bin/escript", "ask.escript", url], text=True, stdout=subprocess.PIPE,
                              env={**os.environ, "ERL_ROOTDIR": ROOT, "HOME": os.getcwd()})
    said = erlang.stdout.readline().strip()
    then = time.monotonic()
    erlang.wait()
    server.shutdown()
    if said == "dead true":
        before, after = sum(at < then for at in asked), sum(at > then for at in asked)
        said = "no answer within 4 s" + ", more requests" * (before >= 3)
        said += ", more after the asking process is dead" * (after >= 2)
    else:
        said += f", {len(asked)} request" + "s" * (len(asked) != 1)
    print(f"erlang {version}, {name}: {said}", flush=True)


releases = open(f"{ROOT}/releases/25/OTP_VERSION").read().strip()
version = re.match(r"[\d.]+", releases)[0]
look("503 without Retry-After", None)
look("503 with a date", email.utils.formatdate(time.time() + 1, usegmt=True))
look("503 with 1", "1")
END
python3 serve.py | tee seen

cat >expected <<'END'
erlang 25.2.3, 503 without Retry-After: answered 503, 1 request
erlang 25.2.3, 503 with a date: answered 503, 1 request
erlang 25.2.3, 503 with 1: no answer within 4 s, more requests, more after the asking process is dead
END
cmp -s seen expected || { echo "$0: httpc does otherwise now" >&2; exit 1; }
