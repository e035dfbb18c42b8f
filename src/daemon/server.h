/*
 * The server: the life of the whole, from a checked configuration to the exit status.
 *
 * Starts the state thread and the front-ends, waits for signals, reloads,
 * drains, stops, in the order of the data flow. Blocks until the end.
 */
#pragma once

#include "config/config.h"
#include "daemon/notify.h"

enum exit_status {
    EXIT_STATUS_OK = 0,
    EXIT_STATUS_FAILURE = 1, /* at run time */
    EXIT_STATUS_USAGE = 2,
    EXIT_STATUS_CONFIG = 6,
};

/* Runs until SIGTERM or SIGINT. config_path is read again at SIGHUP (NULL: there is no file to
 * reload); ready_fd is told once it serves (NOTIFY_NO_FD: none). The configuration stays the
 * caller's. */
enum exit_status server_run(struct config *config, const char *config_path, int ready_fd);
