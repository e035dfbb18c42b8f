/*
 * Waiting: for an event, a letter of a front-end, or the end of the delay before a drain.
 *
 * Owns nothing. Threads: the main one. Blocks until one of these comes; meanwhile it feeds the watchdog
 * and looks after the state file and the surroundings. Errors: none.
 */
#pragma once

#include <poll.h>

struct server;

/* Waits, and sets the revents of all events. The first of them is that of the inbox for reloads. */
void wait_for_events(struct server *server, struct pollfd *events, nfds_t count);
