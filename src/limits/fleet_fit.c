#include "limits/fleet_fit.h"

#include <inttypes.h>
#include <stdio.h>

uint64_t fleet_token_units(struct rate rate)
{
    return rate.period_ms / quantity_common_divisor(rate.period_ms, rate.tokens);
}

uint64_t fleet_step_units(struct rate rate)
{
    return rate.tokens / quantity_common_divisor(rate.period_ms, rate.tokens);
}

uint64_t fleet_burst_most(struct rate rate)
{
    uint64_t most = FLEET_UNITS_MAX / fleet_token_units(rate);
    return most < FLEET_BURST_MAX ? most : FLEET_BURST_MAX;
}

enum fleet_fit fleet_fit_of(const struct bucket_terms *bucket, enum fleet_beside beside)
{
    if (beside != FLEET_BESIDE_NOTHING && beside != fleet_beside(bucket))
        return FLEET_IS_MIXED;
    if (bucket->holds_slots)
        return FLEET_FITS;
    return bucket->burst > fleet_burst_most(bucket->rate) ? FLEET_BURST_TOO_LARGE : FLEET_FITS;
}

void fleet_fit_explain(enum fleet_fit fit, const struct bucket_terms *bucket,
                       char text[FLEET_EXPLAIN_MAX])
{
    char rate[QUANTITY_TEXT_MAX];
    quantity_print_rate(&bucket->rate, rate);
    text[0] = '\0';
    switch (fit) {
    case FLEET_FITS:
        return;
    case FLEET_IS_MIXED:
        snprintf(
            text, FLEET_EXPLAIN_MAX,
            "%s; of scope fleet, a limit with its overrides has either the one or the other: make "
            "two limits of them",
            bucket->holds_slots ? "concurrent stands beside burst and rate here"
                                : "burst and rate stand beside concurrent here");
        return;
    case FLEET_BURST_TOO_LARGE:
        snprintf(text, FLEET_EXPLAIN_MAX,
                 "burst %" PRIu64
                 " is more than the store of a fleet can count: at rate %s a token "
                 "is %" PRIu64 " unit%s there, and a bucket holds at most %" PRIu64
                 " units and %" PRIu64 " tokens; use at most %" PRIu64,
                 bucket->burst, rate, fleet_token_units(bucket->rate),
                 fleet_token_units(bucket->rate) == 1 ? "" : "s", (uint64_t)FLEET_UNITS_MAX,
                 (uint64_t)FLEET_BURST_MAX, fleet_burst_most(bucket->rate));
        return;
    }
}
