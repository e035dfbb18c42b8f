/*
 * Notify: tells the service manager how the daemon is, in the protocols of systemd and s6.
 *
 * systemd gets datagrams on the socket that NOTIFY_SOCKET names (sd_notify(3)); s6 gets a newline
 * on a descriptor once the daemon is ready. If neither is given, nothing is told.
 *
 * Owns its socket and that descriptor. One thread. Blocks up to a second if the manager does not
 * read. Errors: only the first is logged, and none once a datagram has arrived, because whoever
 * started the daemon may have waited for READY only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_NO_FD (-1)

struct notify {
    int socket; /* -1: there is nobody to tell */
    struct sockaddr_un to;
    socklen_t to_len;
    int ready_fd;         /* NOTIFY_NO_FD: there is none, or it has been told */
    uint64_t watchdog_ns; /* the longest silence that the manager bears; 0: no watchdog */
    bool has_arrived, has_failed;
};

/* Reads the number of the descriptor for s6. It must be open for writing and must not be standard
 * input, output or error. */
bool notify_parse_fd(const char *text, int *fd);

/* Reads the environment, and takes over ready_fd. */
void notify_open(struct notify *notify, int ready_fd);

/* If the descriptor was never told, it stays open: whoever reads from it must see it close only
 * after the process has ended. */
void notify_close(const struct notify *notify);

/* The daemon serves, for the first time or again after a reload. */
void notify_ready(struct notify *notify, const char *status);

void notify_reloading(struct notify *notify, uint64_t now_ns);

/* The daemon is about to end. within_ms: how long that may take at most, so that the manager waits
 * for it, however short its own patience is; 0: what the manager is set to is enough. */
void notify_stopping(struct notify *notify, const char *status, uint64_t within_ms);

/* Sends WATCHDOG=1. */
void notify_alive(struct notify *notify);
