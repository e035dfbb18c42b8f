#!/bin/sh
# OpenJDK 17.0.19 (Debian 12, 17.0.19+10-1~deb12u2), java.net.http: if the server closes the connection without an answer,
# a GET is sent a second time, on a connection of its own, though the first was a new one as well. A POST or DELETE is not.
#
# One would guess that a client repeats a request by itself only on a connection that it had kept, which the server may
# have closed just before: there a request may not have arrived. On a new one it has. What counts requests counts two,
# and the exception tells of one; nothing in HttpClient's interface turns it off for a client. Whoever must be asked once
# is asked by POST.
#
# Needs apt, dpkg-deb and python3; takes 15 seconds. Output on Debian 12.11:
#
#   GET: 2 requests on 2 connections, java.io.IOException: HTTP/1.1 header parser received no bytes
#   POST: 1 request on 1 connection, java.io.IOException: HTTP/1.1 header parser received no bytes
#   DELETE: 1 request on 1 connection, java.io.IOException: HTTP/1.1 header parser received no bytes
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
package=openjdk-17-jre-headless=17.0.19+10-1~deb12u2
apt-get -qq download "$package" 2>apt.log || { apt-get -qq update && apt-get -qq download "$package"; } ||
    { cat apt.log >&2; echo "$0: $package is not to be had" >&2; exit 1; }
dpkg-deb -x openjdk-17-jre-headless_*.deb .
# Its settings, where it looks for them.
find usr/lib/jvm -type l -lname '/etc/*' | while read -r link; do
    target=.$(readlink "$link")
    [ ! -e "$target" ] || cp --remove-destination "$target" "$link"
done

cat >Ask.java <<'END'
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

class Ask {
    public static void main(String[] arguments) throws InterruptedException {
        var client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var request = HttpRequest.newBuilder(URI.create(arguments[0])).method(arguments[1], BodyPublishers.noBody());
        try {
            System.out.println(client.send(request.build(), BodyHandlers.discarding()).statusCode());
        } catch (IOException fault) {
            System.out.println(fault);
        }
    }
}
END

cat >look.py <<'END'
import glob
import socket
import subprocess
import threading

JAVA, = glob.glob("usr/lib/jvm/java-17-*/bin/java")


def count(what, number):
    return f"{number} {what}{'s' * (number != 1)}"


for method in ("GET", "POST", "DELETE"):
    server = socket.create_server(("127.0.0.1", 0))
    connections, requests = [], []

    def serve():
        try:
            while True:
                connection, _ = server.accept()
                connections.append(connection)
                if connection.recv(65536).startswith(method.encode() + b" / HTTP/1.1\r\n"):
                    requests.append(method)
                connection.close()
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    said = subprocess.run([JAVA, "Ask.java", "http://127.0.0.1:%d/" % server.getsockname()[1], method],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=50).stdout.strip()
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
    server.close()
    print(f"{method}: {count('request', len(requests))} on {count('connection', len(connections))}, {said}")
END
python3 look.py | tee seen

cat >expected <<'END'
GET: 2 requests on 2 connections, java.io.IOException: HTTP/1.1 header parser received no bytes
POST: 1 request on 1 connection, java.io.IOException: HTTP/1.1 header parser received no bytes
DELETE: 1 request on 1 connection, java.io.IOException: HTTP/1.1 header parser received no bytes
END
cmp -s seen expected || { echo "$0: java.net.http does otherwise now" >&2; exit 1; }
