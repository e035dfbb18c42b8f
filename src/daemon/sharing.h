/*
 * Sharing: the life of the fleet thread, which speaks to the store that limits of scope fleet share.
 *
 * It begins with the first configuration that has `fleet:`, at the start or by a reload, and stays until the
 * end: a reload may leave `fleet:` out while tokens are still to be given back. What another configuration
 * says of the store waits for the next start. Nobody waits until the store is there: without it limits of
 * scope local are served as ever, and of the others on_partition says what becomes of them.
 *
 * Owns the thread, through the server. Threads: the main one. Blocks: sharing_give_back, until the store has
 * answered or op_timeout is over, as sharing_stop does. Errors: logged.
 */
#pragma once

#include <stdbool.h>

struct brain;
struct config;
struct server;

/* Gives the brain the nonce of this process's sessions with a store, and has it go on with those of the process before that the
 * state has. false: it cannot, which is logged. */
bool sharing_name_process(struct brain *brain);

/* Begins the thread, if this configuration has `fleet:` and there is none yet. Call it before limits of
 * this configuration are asked about. false: it cannot begin, which is logged. */
bool sharing_begin(struct server *server, const struct config *config);

/* Has the brain give back all that is in hand. The front-ends have ended, so nobody asks for more. */
void sharing_give_back(struct server *server);

/* Ends the thread. The decider is stopped, and nobody looks at the store any more. */
void sharing_stop(struct server *server);
