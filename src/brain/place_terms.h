/*
 * Terms at a place: the limit, the override in force, and the buckets that the two promise a key.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* The limit of a place that has one. */
static inline const struct limit *place_limit(const struct brain *brain, const struct place *place)
{
    return &brain->limits->limit[place->limit];
}

/* What a place leads to, looked up once. It holds as long as the place. */
struct place_terms {
    const struct limit *limit;
    const struct override *override;   /* or NULL */
    const struct allowance *allowance; /* the buckets: of the override, or of the limit */
};

static inline __attribute__((always_inline)) struct place_terms place_terms(
    const struct brain *brain, const struct place *place)
{
    const struct limit *limit = place_limit(brain, place);
    const struct override *override =
        place->override < 0 ? NULL : &limit->overrides[place->override];
    return (struct place_terms){
        .limit = limit,
        .override = override,
        .allowance = override != NULL && override->action == OVERRIDE_TERMS ? &override->allowance
                                                                            : &limit->allowance,
    };
}

static inline const struct allowance *place_allowance(const struct brain *brain,
                                                      const struct place *place)
{
    return place_terms(brain, place).allowance;
}

/* What the override in force does, if there is one. */
static inline enum override_action place_action(const struct place_terms *terms)
{
    return terms->override == NULL ? OVERRIDE_TERMS : terms->override->action;
}
