/*
 * Run-time overrides: those that a request has set, beside those of the configuration.
 *
 * They are in no list of their own: they are overrides of the limits in force, marked as is_runtime,
 * and stand before those of the configuration, the one that was set last first. So they go where the
 * limits go, into lines and the state file. Whenever limits are to be put into force, runtime_merge makes
 * them of what the configuration says now and of the run-time overrides in force.
 *
 * An override of the configuration for the same key stays behind that of run time, so that it holds
 * again at once when that one ends. One that has ended is forgotten by the next merge.
 *
 * Owns nothing. Any thread. Never blocks. Errors: NULL when there is no memory.
 */
#pragma once

#include "limits/limits.h"

/* A change to the run-time overrides of one limit. */
struct runtime_change {
    uint32_t limit;                   /* its index in the limits in force */
    const char *key;                  /* whose run-time override goes, if there is one */
    const struct override_terms *set; /* the one that comes in its place; NULL: none */
};

/* Run-time overrides that were in force and could not stay. */
struct runtime_lost {
    uint32_t without_limit; /* their limit is gone */
    uint32_t unfit; /* their buckets do not go with the tick, or with the scope of their limit */
    uint32_t
        without_room; /* there would be more than OVERRIDES_MAX; those that were set last stay */
};

/* Makes limits as `configured` has them, and the run-time overrides of `prior` (NULL: there are none),
 * with a change (NULL: none) whose limit is that of `prior`. A limit has those of the limit that it goes
 * on as (limits_before). date_s: Unix time; an override that has ended by then is left out. Run-time
 * overrides in `configured` are left out too, so that it may be limits that were merged before. NULL: no
 * memory, and *lost is untouched. The caller has a reference to the limits, which are `configured` itself
 * if there is nothing to be added to it. */
struct limits *runtime_merge(struct limits *configured, const struct limits *prior,
                             const struct runtime_change *change, int64_t date_s,
                             struct runtime_lost *lost);

/* How many run-time overrides of a limit hold at this Unix time. */
uint32_t runtime_count(const struct limit *limit, int64_t as_of_s);

/* How many overrides a limit has: all of the configuration, and those of run time that hold at this Unix
 * time. Others of run time have ended, and are only not forgotten yet. */
uint32_t runtime_count_all(const struct limit *limit, int64_t as_of_s);

/* The index of the run-time override for this key that holds at this Unix time, or -1. */
int runtime_find(const struct limit *limit, const char *key, int64_t as_of_s);
