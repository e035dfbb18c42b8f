/*
 * Watch: looks whether what the daemon depends on is still at its path.
 *
 * That is the files of its Unix sockets, the configuration, and the token's file; the state's is
 * the keeper's. Nobody is told by the kernel that a file was removed or replaced, so it looks every
 * few seconds and at each reload. Nobody new can connect to a socket whose file is gone: /readyz is
 * red, and a reload makes it anew. What was read from the others stays in force until they are read
 * again.
 *
 * Owns its marks; borrows the listeners and the path of the configuration. Threads: the main one.
 * Blocks on the disk; watch_mend, on connections that wait to be accepted, for a moment. Errors:
 * logged, each change once.
 */
#pragma once

#include "base/file_mark.h"
#include "brain/message.h"
#include "config/config.h"
#include "daemon/listener.h"

struct watched_file {
    const char *path; /* NULL: there is none */
    struct file_mark mark;
    enum file_look seen; /* and logged */
};

struct watch {
    struct listener *listeners;
    unsigned listeners_count;
    struct watched_file config, token;
    char token_path[CONFIG_PATH_MAX + 1];
    struct surroundings seen;
    uint64_t look_due_ns;
};

/* What is watched from now on: these sockets, as far as they have files; and the files that this
 * configuration was read from. config_path: NULL: from none. */
void watch_begin(struct watch *watch, struct listener *listeners, unsigned count,
                 const char *config_path, const struct config *config);

/* Another configuration was read; or (faulty) one was refused, so that it is known. */
void watch_read(struct watch *watch, const struct config *config);
void watch_refused(struct watch *watch);

/* Looks. Returns whether watch->seen has changed. */
bool watch_look(struct watch *watch, uint64_t now_ns);

/* Looks at the sockets alone, as for a reload, which is about to read the files. */
void watch_look_at_sockets(struct watch *watch);

/* Milliseconds until the next look is due; -1: never, because there is nothing to look at. */
int watch_timeout_ms(const struct watch *watch, uint64_t now_ns);

/* Makes anew the sockets that watch_look has found gone, except inherited ones. Another process's
 * live socket and what is no socket stay. Returns how many were made: the front-ends must listen
 * again (front_listen_again). */
unsigned watch_mend(struct watch *watch, const struct socket_access *sockets);
