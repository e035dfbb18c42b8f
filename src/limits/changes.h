/*
 * Changes: which overrides begin and end as limits take the place of others.
 *
 * Whoever makes the limits works it out, as there may be OVERRIDES_MAX on either side, and no decision can
 * be made while the brain does.
 *
 * Owns the list, which borrows from both limits. Any thread. Never blocks. Errors: NULL when there is no
 * memory.
 */
#pragma once

#include "limits/limits.h"

struct override_change {
    const struct limit *limit; /* as it is now, or if it is gone as it was */
    const struct override *override;
    bool has_ended; /* else it has begun */
};

struct override_changes {
    const struct limits *prior; /* borrowed: what the changes are from */
    uint32_t count;
    struct override_change change[];
};

/* The changes from `prior` to `next` of overrides that hold at a date (Unix time), limit by limit and then
 * sorted by what they are for. An override that only has another reason is the same. The caller frees
 * them. */
struct override_changes *changes_between(const struct limits *prior, const struct limits *next,
                                         int64_t date_s);
