/*
 * Throttles: questions that bring their limit along, as CL.THROTTLE of redis-cell does.
 *
 * They are decided as redis-cell does, by the generic cell rate algorithm. Of a key one number is
 * kept: when it will be as if it had never asked. So there are no lines, ticks or limits in this, and
 * the same key may come with another limit the next time. Time counts in whole nanoseconds of the
 * brain's clock.
 *
 * The keys are apart from those of the limits. There is room for as many, in memory that is taken
 * with the first of them and touched as they come. One that is as if it had never asked is forgotten,
 * and if there are too many, so is one of those that are nearest to that. A restart forgets all.
 *
 * Owns the table of these keys. One thread, the brain's. Never blocks. Errors: has_no_memory.
 */
#pragma once

#include "brain/message.h"
#include "table/table.h"

struct brain_counters;

/* All zeros: no key has asked. */
struct throttles {
    struct table table; /* of one mark each: the time, in nanoseconds */
    bool has_table;
};

void throttles_release(struct throttles *throttles);

/* Decides a GCRA. The table has room and seed of that of the limits' keys, which it is given. */
void throttles_answer(struct throttles *throttles, const struct table *like, uint64_t now_ns,
                      struct message *message, struct brain_counters *counters);
