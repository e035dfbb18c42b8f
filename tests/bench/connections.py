"""
What a connection takes of memory that has been answered once and is silent since, beside an earlier allowd.
"""
import contextlib
import resource
import socket

import base
import figures
import peers
import servers
import tools

COUNT = 10_000
BEFORE_COUNT = 4_000    # 0.1.0 takes no more than 4,096; what each takes is the same
REQUEST = b"GET /allow?key=alice HTTP/1.1\r\nHost: bench\r\n\r\n"
SPARE = 64      # descriptors of the bench's own


def make_room():
    """Has this process take as many descriptors."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard != resource.RLIM_INFINITY and hard < COUNT + SPARE:
        raise tools.ToolError(f"{COUNT} connections need more descriptors: ulimit -n {COUNT + SPARE}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(COUNT + SPARE, resource.getrlimit(resource.RLIMIT_NOFILE)[0]), hard))


def connect(server):
    """A connection that has had an answer."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=servers.PATIENCE_S)
    client.sendall(REQUEST)
    if not client.recv(4096).startswith(b"HTTP/1.1 200 "):
        raise servers.ServerError(f"{server.name} does not answer each of its connections")
    return client


def a_connection(run, server, count):
    """Bytes that each of so many takes."""
    with peers.prepared(run, server), contextlib.ExitStack() as clients:
        run.progress(f"{count:,} connections to {server.name}")
        clients.enter_context(connect(server))
        before = server.resident_bytes()
        for _ in range(count - 1):
            clients.enter_context(connect(server))
        return (server.resident_bytes() - before) / (count - 1)


def memory(run):
    """The row."""
    make_room()
    mine = a_connection(run, peers.AllowdPeer(run, connections=COUNT + SPARE), COUNT)
    before = a_connection(run, base.peer(run), BEFORE_COUNT)
    return figures.Finding(mine / before, f"allowd {figures.number(mine)}, {base.NAME} {figures.number(before)} bytes")
