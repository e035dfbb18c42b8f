/*
 * Patience: how long a thread goes on looking for something before it sleeps.
 *
 * To sleep and be woken takes two system calls and, where an idle processor has to be
 * woken, tens of microseconds; so a thread that has a processor to spare watches for up to
 * PATIENCE_NS for what is about to come. Whether it has one shows on the clock: who is
 * interrupted while watching has taken the processor from somebody. Each watch in vain, and
 * all the more such an interruption, is followed by a rest, in which nobody watches, twice as long as
 * the last one. Where the process has one processor, whoever is waited for needs it, and nobody
 * ever watches. (To give it away in turns, by sched_yield(2), is no way out: beside a busy
 * process each turn costs a slice of milliseconds.)
 *
 * Owns nothing. Threads: one patience a thread. Blocks: for PATIENCE_NS, not more.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PATIENCE_NS = 20000,
    PATIENCE_INTERRUPTED_NS = 6000, /* no look at the clock takes that long */
    PATIENCE_REST_MIN_NS = 100000,
    PATIENCE_REST_INTERRUPTED_NS = 10000000,
    PATIENCE_REST_MAX_NS = 1000000000,
};

struct patience {
    const struct clock *clock;
    bool has_processors; /* more than one may run this process */
    uint64_t rest_ns;    /* the last one; 0: the last watch was worth it */
    uint64_t rests_until_ns;
};

/* clock: kept. */
void patience_init(struct patience *patience, const struct clock *clock);

/* Looks again and again whether something has come; false: not within the time, or there is
 * no watching now. has_come: cheap, and safe to call at any rate. */
bool patience_watch(struct patience *patience, bool (*has_come)(const void *context),
                    const void *context);
