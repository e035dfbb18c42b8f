/*
 * Fleet counters: what the brain counts of limits of scope fleet since the start, for METRICS.
 *
 * Tokens are those of the first bucket of each key, so that what goes on with a limit of several buckets counts once:
 *
 *     in hand now = granted - spent - returned - lost
 *
 * Owns nothing. Threads: plain numbers of the brain's. Never blocks. Never fails.
 */
#pragma once

#include <stdint.h>

struct fleet_counters {
    uint64_t orders;          /* that went to the store, many in one letter */
    uint64_t orders_failed;   /* of them: refused, unanswered, or not sent */
    uint64_t granted_tokens;  /* by the store */
    uint64_t spent_tokens;    /* of these, by requests and charges */
    uint64_t returned_tokens; /* given back to the store */
    /* in hands that became void: their lease was over, or the store had forgotten them */
    uint64_t lost_tokens;
    /* times that the store had forgotten what it granted to a key, and took it as a debt when it was told */
    uint64_t rollbacks;
    uint64_t converted;   /* records that were of other terms */
    uint64_t cold_waits;  /* questions that waited for an order */
    uint64_t partitioned; /* questions that were decided as on_partition says */
    uint64_t epochs;      /* times that a key found its store to have forgotten everything */
    uint64_t damaged;     /* records that the store found damaged */
    /* by so much the clock of the store was back, or held back by ours, as it last told */
    uint64_t behind_ms;
};

static inline uint64_t fleet_hand_tokens(const struct fleet_counters *counters)
{
    return counters->granted_tokens - counters->spent_tokens - counters->returned_tokens -
           counters->lost_tokens;
}
