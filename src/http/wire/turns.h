/*
 * Turns: chooses which of the requests that take long are served in one turn of a front-end.
 *
 * Every client of a front-end waits until its turn is over. Lists take long to parse, decide and
 * write; walks over keys and metrics take long too. So the requests of one turn may cost
 * ROUTE_COST_TURN together, or be a single one that costs more. The others wait for the next turns:
 * first come, first served, however fast some clients send more. The route says what a request
 * costs.
 *
 * Owns nothing: requests are linked by next_in_turn. One thread. Never blocks. Never fails.
 */
#pragma once

#include "http/request.h"

struct turns {
    struct request *first, **last;
    size_t cost; /* of the requests that have had this turn */
};

void turns_init(struct turns *turns);

void turns_add(struct turns *turns, struct request *request);

/* Takes out a request that waits, because its client has gone. */
void turns_remove(struct turns *turns, struct request *request);

/* Begins a turn. */
void turns_begin(struct turns *turns);

/* Takes out the next request that has this turn, or NULL. Inline, because mostly nobody waits. */
struct request *turns_take_first(struct turns *turns);
static inline struct request *turns_next(struct turns *turns)
{
    return turns->first == NULL ? NULL : turns_take_first(turns);
}
