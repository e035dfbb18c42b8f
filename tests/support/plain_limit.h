/*
 * A limit of one bucket, as most tests want it.
 */
#pragma once

#include "limits/limits.h"

#include <stdio.h>
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

/* As many limits as asked for, "n0" upwards, with a tick of 100 ms. */
static inline struct limits *many_plain_limits(uint32_t count, uint64_t burst, struct rate rate)
{
    struct limits *limits = limits_new(count, 100);
    if (limits == NULL)
        abort();
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", (unsigned)i);
        add_plain_limit(limits, name, NULL, burst, rate);
    }
    return limits;
}
