"""
Ten million keys, and each peer made to know them all, the quickest way it has.
"""
import contextlib
import http.client
import json
import socket

import servers

KEYS = 10_000_000
KEY = "user:%012d"      # 17 bytes
IN_A_BATCH = 1000
KEPT_BURST = 1_000_000  # of the limit "kept" (peers.LIMITS)


class FillError(Exception):
    """A peer that does not know all that it was told."""


def expect(server, seen, wanted):
    """So many keys."""
    if seen != wanted:
        raise FillError(f"{server.name} has {seen} keys, not {wanted}")


def batches(keys):
    """Where each begins."""
    return (range(first, min(first + IN_A_BATCH, keys)) for first in range(0, keys, IN_A_BATCH))


def batch_body(numbers):
    """Half of what each bucket holds is taken."""
    items = ",".join(f'{{"key":"{KEY % number}","limit":"kept","tokens":{KEPT_BURST // 2}}}' for number in numbers)
    return f'{{"requests":[{items}]}}'


def allowd(server, keys=KEYS):
    """Buckets that are half full."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=servers.PATIENCE_S)
    with contextlib.closing(connection):
        for numbers in batches(keys):
            connection.request("POST", "/allow", batch_body(numbers), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read()
            if response.status != 200 or answer.count(b'"allowed":true') != len(numbers):
                raise FillError(f"{server.name} answers {response.status}: {answer[:200]!r}")
    expect(server, json.loads(server.get("/status?key=" + KEY % (keys - 1) + "&limit=kept")[1])["remaining"],
           KEPT_BURST - KEPT_BURST // 2)


def receive(connection, size):
    """So many bytes."""
    left = size
    while left > 0:
        got = connection.recv(1 << 20)
        if not got:
            raise FillError("a connection ended")
        left -= len(got)
    if left < 0:
        raise FillError("an answer is longer than the others")


def nginx(server, keys=KEYS):
    """Requests that do not wait for each other's answers, which are all of one length."""
    def requests(numbers):
        return "".join(f"GET /kept?key={KEY % number} HTTP/1.1\r\nHost: a\r\n\r\n" for number in numbers).encode()

    with socket.create_connection(("127.0.0.1", server.port), timeout=servers.PATIENCE_S) as connection:
        connection.sendall(requests([0]))
        answer_len = len(connection.recv(1 << 16))
        for numbers in batches(keys):
            connection.sendall(requests(numbers))
            receive(connection, answer_len * len(numbers))


# What buckets are kept as: bucket.lua's string, or a hash of two fields, as most have it.
REDIS_BUCKET = {
    "string": "redis.call('SET', key, struct.pack('<dd', 30000000000000, now), 'PX', 30000000000)",
    "hash": "redis.call('HSET', key, 'tokens', 500000, 'time', now) redis.call('PEXPIRE', key, 30000000000)",
}


def redis(server, bucket, keys=KEYS):
    """By a script, for there is no other way to have that many in a minute."""
    script = ("local clock = redis.call('TIME') local now = clock[1] * 1000000 + clock[2] "
              "for number = ARGV[1], ARGV[2] do "
              f"local key = string.format('{KEY}', number) {REDIS_BUCKET[bucket]} end")
    server.command("FLUSHALL")
    for numbers in batches(keys):
        server.command("EVAL", script, 0, numbers[0], numbers[-1])
    expect(server, server.command("DBSIZE"), keys)
