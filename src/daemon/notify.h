/*
 * Notify: tells the service manager how the daemon is, in systemd's words and in s6's.
 *
 * systemd's are datagrams to the socket that NOTIFY_SOCKET names (sd_notify(3));
 * s6's is a newline on a descriptor once the daemon is ready. Without either,
 * nothing happens.
 *
 * Owns its socket, and the descriptor that is told. One thread. Blocks for a
 * second at most, where a manager does not read. Errors: logged, the first one
 * only, and not at all once something has arrived: whoever started the daemon
 * may have waited for READY alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_NO_FD (-1)

struct notify {
    int socket; /* -1: nobody to tell */
    struct sockaddr_un to;
    socklen_t to_len;
    int ready_fd;         /* NOTIFY_NO_FD: none, or told already */
    uint64_t watchdog_ns; /* the longest silence that the manager bears; 0: any */
    bool has_arrived, has_failed;
};

/* Reads the number of a descriptor that can be told that the daemon is ready: it
 * is open for writing, and none of standard input, output and error. */
bool notify_parse_fd(const char *text, int *fd);

/* Reads the environment, and takes over ready_fd. */
void notify_open(struct notify *notify, int ready_fd);

/* A descriptor that was never told stays open: whoever waits for it sees it close
 * when the process has ended, and not before. */
void notify_close(const struct notify *notify);

/* The daemon serves: for the first time, or again after a reload. */
void notify_ready(struct notify *notify, const char *status);

void notify_reloading(struct notify *notify, uint64_t now_ns);
void notify_stopping(struct notify *notify);

/* The watchdog can stay calm. */
void notify_alive(struct notify *notify);
