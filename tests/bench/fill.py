"""
Ten million keys, and each peer made to know them all, the quickest way it has.
"""
import contextlib
import http.client
import socket

import peers
import servers
from peers_check import CheckError, expect

KEYS = 10_000_000
KEY = "user:%012d"      # 17 bytes
IN_A_BATCH = 1000
LIMIT = peers.LIMITS["kept"]
LEFT = LIMIT.burst // 2


def batches(keys):
    """Where each begins."""
    return (range(first, min(first + IN_A_BATCH, keys)) for first in range(0, keys, IN_A_BATCH))


def batch_body(numbers):
    """Half of what each bucket holds is taken."""
    items = ",".join(f'{{"key":"{KEY % number}","limit":"kept","tokens":{LIMIT.burst - LEFT}}}' for number in numbers)
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
                raise CheckError(f"{server.name} answers {response.status}: {answer[:200]!r}")
    expect(server, "what the last key has", server.decide(KEY % (keys - 1), "kept", 0), (True, LEFT))


def receive(connection, size):
    """So many bytes."""
    left = size
    while left > 0:
        got = connection.recv(1 << 20)
        if not got:
            raise CheckError("a connection ended")
        left -= len(got)
    if left < 0:
        raise CheckError("an answer is longer than the others")


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
    "string": "redis.call('SET', key, struct.pack('<dd', {units}, now), 'PX', {full_ms})",
    "hash": "redis.call('HSET', key, 'tokens', {tokens}, 'time', now) redis.call('PEXPIRE', key, {full_ms})",
}


def redis(server, bucket, keys=KEYS):
    """By a script, for there is no other way to have that many in a minute."""
    units = LEFT * LIMIT.period_us()
    keep = REDIS_BUCKET[bucket].format(tokens=LEFT, units=units, full_ms=units // LIMIT.rate // 1000)
    script = ("local clock = redis.call('TIME') local now = clock[1] * 1000000 + clock[2] "
              "for number = ARGV[1], ARGV[2] do "
              f"local key = string.format('{KEY}', number) {keep} end")
    server.command("FLUSHALL")
    for numbers in batches(keys):
        server.command("EVAL", script, 0, numbers[0], numbers[-1])
    expect(server, "its keys", server.command("DBSIZE"), keys)
