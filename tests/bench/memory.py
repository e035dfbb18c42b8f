"""
What a key takes: the resident memory of a whole server that knows ten million, by their number.

Two million for nginx, which forgets a key that owes nothing after a minute: more than that do not
get there in time, and what each takes of its zone is the same.
"""
import figures
import fill
import peers

# The most that allowd's may be of each peer's.
SHARE_MAX = 0.5
NGINX_KEYS = 2_000_000


def bytes_a_key(run, name, server, fill_up, keys=fill.KEYS):
    """One server's."""
    run.progress(f"memory: {keys:,} keys for {name}")
    with peers.prepared(run, server):
        fill_up(server)
        return server.resident_bytes() / keys


def a_key(run):
    """The row."""
    mine = bytes_a_key(run, "allowd", peers.AllowdPeer(run, max_keys=fill.KEYS), fill.allowd)
    others = {
        "Redis hash": bytes_a_key(run, "Redis", peers.redis(run), lambda server: fill.redis(server, "hash")),
        "Redis string": bytes_a_key(run, "Redis", peers.redis(run), lambda server: fill.redis(server, "string")),
        "nginx zone": bytes_a_key(run, "nginx", peers.nginx(run, zone="512m"),
                                  lambda server: fill.nginx(server, NGINX_KEYS), NGINX_KEYS),
    }
    heavy = [f"{mine / theirs:.2f} of {name}" for name, theirs in others.items() if mine > SHARE_MAX * theirs]
    details = ", ".join(f"{name} {figures.number(theirs)}" for name, theirs in others.items())
    return figures.Finding(mine, f"allowd {figures.number(mine)}, {details} bytes", ", ".join(heavy))
