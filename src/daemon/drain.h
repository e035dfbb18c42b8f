/*
 * The drain: when it begins, and who hears of it: the log, the service manager, and events.
 *
 * A signal begins the drain, or first the delay before it, if there is one. The end of the delay, or a
 * second signal, begins the drain then.
 *
 * Owns nothing; its letters to the decider are the server's. Threads: the main one. Never blocks but for
 * the service manager, as notify.h says. Errors: none.
 */
#pragma once

#include <stdbool.h>

struct server;

/* Heeds SIGTERM or SIGINT. Returns whether the drain begins now. */
bool drain_heed(struct server *server, int signal);

/* Whether the delay is over. Without one, it never is. */
bool drain_is_due(const struct server *server);

/* Says that the delay is over. */
void drain_tell_due(struct server *server);

/* Ends the delay, if there is one, and tells the service manager that it drains. */
void drain_begin(struct server *server);
