/*
 * Start: makes what the server runs on, in the order in which each needs the one before.
 *
 * Signals can be read first, because a wait for the state file must be ended by one. Next comes the
 * state, from which the decider is made. Then it listens, and front-ends begin to serve.
 *
 * What is made is owned by the server. Threads: the main one. Blocks: start_deciding, as long as another
 * process has the state file (keeper.h); start_serving, as listening does. Errors: logged.
 */
#pragma once

#include <stdbool.h>

struct server;

/* Opens the signals, the state, the log's pipe and the inboxes, and starts the decider. false: one of
 * these fails, or a signal has ended it. Either way start_undo gives back what is made. */
bool start_deciding(struct server *server);

/* Listens, starts the log's thread, and then the front-ends. false: one of these fails, or a signal has
 * ended it; what was started is to be stopped all the same. */
bool start_serving(struct server *server);

/* Gives back what start_deciding has made, except the decider and its watchdog: these must be released
 * before. */
void start_undo(struct server *server);
