/*
 * Upkeep: looks after what the daemon depends on, the state file and its surroundings, and mends it.
 *
 * keeper.h and watch.h find out what is wrong, and do to files what can be done. Here the decider hears of
 * it, which answers /readyz, and the front-ends, which listen again.
 *
 * Owns nothing. Threads: the main one. Blocks on the disk, and until the decider has answered. Errors:
 * logged.
 */
#pragma once

#include <stdint.h>

struct server;

/* Looks at the state file, when that is due or before it is mended. */
void upkeep_look_at_state(struct server *server, uint64_t now_ns);

/* For a reload: if the state is lost, and can be kept again, sees to it. */
void upkeep_mend_state(struct server *server);

/* Looks at the surroundings, when that is due or after a reload has read the files. */
void upkeep_look_around(struct server *server, uint64_t now_ns);

/* For a reload: makes anew the sockets whose files are gone. */
void upkeep_mend_sockets(struct server *server);
