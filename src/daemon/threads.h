/*
 * Threads: how many front-ends a configuration has, at the start and over reloads, and whether one of
 * them hosts the decider.
 *
 * Owns the pool of front-ends from threads_start on, as a part of the server. Threads: the main one.
 * Blocks for a moment, while threads start. Errors: logged.
 */
#pragma once

#include "config/config.h"

struct server;

/* Whether the decider is hosted. To hand work to another thread pays off only if both can run at the
 * same time. */
bool threads_host_decider(const struct config *config);

/* How many front-ends a configuration asks for, at least one. */
unsigned threads_wanted(const struct config *config);

/* Starts the front-ends, once the listeners are open and the decider has been started. false: not all of
 * them could be, which is logged; those that were serve. */
bool threads_start(struct server *server);

/* How many front-ends take descriptors once a configuration is in force: those that serve now, and go
 * then, too. */
unsigned threads_with(const struct server *server, const struct config *next);

/* Has as many front-ends as a configuration that is in force asks for. If not all can be started, that is
 * logged, and a later reload tries again. */
void threads_set(struct server *server, const struct config *next);

/* Logs what of a new number of threads takes effect only at the next start. */
void threads_warn(const struct server *server, const struct config *next);

/* Frees front-ends that went and have ended. Call it if fronts_event is readable. */
void threads_look(struct server *server);
