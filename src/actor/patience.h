/*
 * Patience: decides how long a thread watches for something to come before it sleeps.
 *
 * To sleep and be woken takes two system calls and, if an idle processor must be woken, tens of
 * microseconds. So a thread that has a processor to spare first watches, for up to PATIENCE_NS. The
 * clock shows whether it has one: if the thread is interrupted while it watches, somebody else
 * needed the processor. After a watch in vain, and more so after an interruption, it does not watch
 * for a while, twice as long each time. If the process has one processor only, it never watches,
 * because whoever is waited for needs that processor. (sched_yield(2) does not help: beside a busy
 * process each call costs a time slice of milliseconds.)
 *
 * Owns nothing. Threads: one patience a thread. Blocks: for PATIENCE_NS, not more.
 */
#pragma once

#include "base/clock.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    PATIENCE_NS = 20000,
    PATIENCE_INTERRUPTED_NS = 6000, /* two looks at the clock are further apart: interrupted */
    PATIENCE_REST_MIN_NS = 100000,
    PATIENCE_REST_INTERRUPTED_NS = 10000000,
    PATIENCE_REST_MAX_NS = 1000000000,
};

struct patience {
    const struct clock *clock;
    bool has_processors; /* the process may use more than one processor */
    uint64_t rest_ns;    /* how long the last rest was; 0: the last watch was not in vain */
    uint64_t rests_until_ns;
};

/* clock: borrowed for as long as `patience` is used. */
void patience_init(struct patience *patience, const struct clock *clock);

/* Calls has_come, which must be cheap, again and again until it returns true. false: it did not in
 * time, or this is no time to watch. */
bool patience_watch(struct patience *patience, bool (*has_come)(const void *context),
                    const void *context);
