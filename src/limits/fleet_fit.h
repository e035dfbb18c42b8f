/*
 * What fits a fleet: whether buckets can be in the store that a fleet shares.
 *
 * The store reckons by milliseconds, in units of a token, and in a script's numbers, which are doubles: they
 * are exact up to 2^52. So the units of a full bucket must not be more, whatever the tick here. A step needs no
 * bound: credit.h asks for 20 years in 63 bits, so that a tick of 10 s, and all the more a millisecond, brings
 * less than 2^38 units.
 *
 * Slots are there as tokens of one unit each that refill at once: a millisecond brings all of them. So a bucket holds what
 * nobody has out. All buckets of a limit and of its overrides hold slots then, or none does: tokens are spent from
 * what is in hand, and slots come back to it.
 *
 * Owns nothing. Any thread. Never blocks. Errors: as the result says.
 */
#pragma once

#include "limits/limits.h"

#define FLEET_UNITS_MAX (UINT64_C(1) << 52) /* of a full bucket */
#define FLEET_BURST_MAX (UINT64_C(1) << 44) /* tokens */
/* The most that totals of a session may be, in tokens: six bytes of the store's record. */
#define FLEET_TOTAL_MAX (UINT64_C(1) << 47)

enum fleet_fit {
    FLEET_FITS,
    FLEET_BURST_TOO_LARGE, /* more than FLEET_UNITS_MAX or FLEET_BURST_MAX */
    FLEET_IS_MIXED,        /* slots beside tokens, or tokens beside slots */
};

/* What else there is in a limit. */
enum fleet_beside { FLEET_BESIDE_NOTHING, FLEET_BESIDE_TOKENS, FLEET_BESIDE_SLOTS };
static inline enum fleet_beside fleet_beside(const struct bucket_terms *bucket)
{
    return bucket->holds_slots ? FLEET_BESIDE_SLOTS : FLEET_BESIDE_TOKENS;
}

/* Units of a token, and those that a millisecond brings: as credit.h with a tick of 1 ms. */
uint64_t fleet_token_units(struct rate rate);
uint64_t fleet_step_units(struct rate rate);

/* The largest burst that fits at this rate. */
uint64_t fleet_burst_most(struct rate rate);

/* Whether a bucket that was checked otherwise can be in the store, beside what else there is. */
enum fleet_fit fleet_fit_of(const struct bucket_terms *bucket, enum fleet_beside beside);

/* Room for fleet_fit_explain, terminating NUL included. */
#define FLEET_EXPLAIN_MAX 384

/* Writes what does not fit, in numbers, and what to do instead. */
void fleet_fit_explain(enum fleet_fit fit, const struct bucket_terms *bucket,
                       char text[FLEET_EXPLAIN_MAX]);
