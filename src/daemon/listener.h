/*
 * Listeners: the sockets that new connections come in on.
 *
 * Owns its descriptor, and the file of a Unix socket that it made. An inherited socket belongs to
 * others too, and its file stays. One thread. Blocks up to a second if an address is in use, and up
 * to a second more if another process holds the lock on a Unix socket's directory; then a stale
 * file stays. Errors: an errno value, and what was being done.
 */
#pragma once

#include "base/address.h"

#include <stdbool.h>
#include <sys/types.h>

struct listener {
    int socket;
    bool is_admin;          /* connections that come in on it may call everything */
    bool is_resp;           /* what comes in on it speaks Redis's protocol, and no HTTP */
    struct address address; /* if port 0 was asked for, with the port that it got */
    dev_t device;           /* of a Unix socket's file */
    ino_t inode;            /* 0: it has none that can be seen */
    bool is_inherited;
    const char *
        name; /* of an inherited one: what its manager calls it, in the environment, up to a ':' or its end */
    bool is_gone; /* its file is no longer at its path; the main thread's alone */
};

/* Binds and listens. Returns 0, or an errno value and in *doing what failed ("bind"), for the log.
 * If the address is in use, tries again for a second: the process that has it may have been killed
 * and be about to end. A Unix socket's file that nobody listens on is replaced, a live one never. A
 * new one has its mode and group before anybody can connect. No other thread may make files
 * meanwhile, because the umask of the process is changed and restored. */
int listener_open(struct listener *listener, const struct address *address,
                  const struct socket_access *sockets, const char **doing);

/* Whether the file of a Unix socket is still at its path; true also if it has none, or if that
 * cannot be found out. */
bool listener_is_at_its_path(const struct listener *listener);

/* Makes a socket of its own anew, if the file of the one before is gone: other threads may go on
 * using its descriptor, which is of the new socket once that listens, but whoever watches it by
 * epoll must watch it again. Who waited to be accepted by the old one is, if that takes a moment
 * only. Does not wait for an address in use. Errors as of listener_open; then all is as it was. */
int listener_reopen(struct listener *listener, const struct socket_access *sockets,
                    const char **doing);

/* Takes over an inherited descriptor. Returns NULL, or what is wrong with it. */
const char *listener_adopt(struct listener *listener, int descriptor);

/* What it is for, as the log has it: "for RESP " or "for admins ", or "" for all of HTTP. */
const char *listener_purpose(const struct listener *listener);

/* Closes it, and removes its file. */
void listener_close(struct listener *listener);

/* Removes a Unix socket's file if it is still the one made by listener_open. Any thread. */
void listener_remove_file(const struct listener *listener);
