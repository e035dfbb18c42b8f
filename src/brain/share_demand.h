/*
 * Demand of a share: how many tokens were asked for lately, and how many will be.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/share.h"
#include "limits/limits.h"

/* Somebody asks for tokens. */
static inline void share_ask(struct share *share, uint64_t tokens, uint64_t now_ns)
{
    share->used_ns = now_ns;
    if (share->demand.is_new) {
        share->demand = (struct share_demand){.window_ns = now_ns};
        return;
    }
    share->demand.recent += tokens;
    share->demand.questions++;
}

/* Slots come back: what is asked for is how many more than come back. */
static inline void share_ask_less(struct share *share, uint64_t slots)
{
    share->demand.recent -= slots < share->demand.recent ? slots : share->demand.recent;
}

/* How many tokens the next horizon will want. */
uint64_t share_wanted(struct share *share, uint64_t now_ns, const struct fleet_terms *terms);
