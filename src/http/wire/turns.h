/*
 * Turns: requests that take long, and which of them are served in one turn of a front-end.
 *
 * Everybody waits for all that is done in a turn. Lists take long to parse, to decide
 * and to write, a walk over keys to look, metrics to print: what a turn has of these is
 * bounded by what they cost together, and by one in any case. The rest waits for the
 * next turns, first come, first served, however fast some clients send more. What a
 * request costs its route says.
 *
 * Owns nothing: requests are linked by next_in_turn. One thread. Never blocks. Never fails.
 */
#pragma once

#include "http/request.h"

struct turns {
    struct request *first, **last;
    size_t cost; /* of those that have had this turn */
};

void turns_init(struct turns *turns);

void turns_add(struct turns *turns, struct request *request);

/* Takes out one that waits: its client has gone. */
void turns_remove(struct turns *turns, struct request *request);

/* Begins a turn. */
void turns_begin(struct turns *turns);

/* Takes out the next that has this turn; NULL: none has. Here, for mostly nobody waits. */
struct request *turns_take_first(struct turns *turns);
static inline struct request *turns_next(struct turns *turns)
{
    return turns->first == NULL ? NULL : turns_take_first(turns);
}
