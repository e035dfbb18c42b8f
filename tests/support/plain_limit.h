/*
 * A limit of one bucket, as most tests want it.
 */
#pragma once

#include "limits/limits.h"

#include <stdlib.h>

/* was: the name that it had before, or NULL. */
static inline void add_renamed_limit(struct limits *limits, const char *name, const char *was,
                                     const char *match, uint64_t burst, struct rate rate)
{
    struct limit_terms terms = {
        .name = name,
        .was = was,
        .match = match,
        .buckets_count = 1,
        .buckets = {{.burst = burst, .rate = rate}},
    };
    if (!limits_add(limits, &terms))
        abort();
}

static inline void add_plain_limit(struct limits *limits, const char *name, const char *match,
                                   uint64_t burst, struct rate rate)
{
    add_renamed_limit(limits, name, NULL, match, burst, rate);
}
