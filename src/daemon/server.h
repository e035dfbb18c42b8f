/*
 * The server: the life of the daemon, from a checked configuration to the exit status.
 *
 * Starts the decider, the fleet thread if there is a fleet, then the front-ends; waits for signals and
 * reloads; drains the front-ends, then stops the decider and the fleet thread.
 *
 * Owns everything that it starts. Threads: the main one, once. Blocks until the end. Errors:
 * logged, and told by the exit status.
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

/* Runs until SIGTERM or SIGINT. config_path is read again at a reload (NULL: there is no file);
 * warnings: what was found in it so far; ready_fd is told once it serves (NOTIFY_NO_FD: there is
 * none). Configuration and warnings stay the caller's. */
enum exit_status server_run(struct config *config, const char *config_path,
                            const struct faults *warnings, int ready_fd);
