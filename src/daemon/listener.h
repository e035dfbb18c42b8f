/*
 * Listeners: the sockets that new connections come in on.
 *
 * Owns its descriptor, and the file of a Unix socket that it made; what lies
 * behind an inherited descriptor is others' too, and stays as it is. One thread.
 * Blocks for a second at most where an address is in use, and for one where another
 * holds the lock on a Unix socket's directory; a stale file then stays. Errors: an
 * errno value, and what was being done.
 */
#pragma once

#include "base/address.h"

#include <stdbool.h>
#include <sys/types.h>

struct listener {
    int socket;
    bool is_admin;          /* what comes in on it may call everything */
    struct address address; /* with the port that was given where 0 was asked for */
    dev_t device;           /* of a Unix socket's file */
    ino_t inode;
    bool is_inherited;
};

/* Binds and listens; an address in use may be that of a process that was killed and is not
 * quite gone, so it is tried again for a second. 0, or an errno value and *doing, a verb ("bind"), for the log.
 * A Unix socket's file that nobody listens on any more is replaced, a live one never;
 * a new one has its mode and group before anybody can connect. While no other thread
 * makes files: the process's umask is changed and put back. */
int listener_open(struct listener *listener, const struct address *address,
                  const struct socket_access *sockets, const char **doing);

/* Takes over a descriptor that was inherited. NULL, or what is wrong with it. */
const char *listener_adopt(struct listener *listener, int descriptor);

/* Closes, and removes the file. */
void listener_close(struct listener *listener);

/* Removes a Unix socket's file if it is still the one made by listener_open. Any thread. */
void listener_remove_file(const struct listener *listener);
