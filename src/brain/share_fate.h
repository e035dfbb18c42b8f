/*
 * Fates: what becomes of a question under a limit of scope fleet if what is in hand is not enough.
 *
 *     the record has too little       denied, unless it may wait until the record has refilled
 *     nobody knows, or it has enough  it waits for an order as `cold` says
 *     the store is out of reach       as `on_partition` says, unless it may wait for the next try
 *
 * Slots are lent only with the store's consent: they are waited for if `cold` says allow, and denied while it
 * is out of reach. Nobody knows when others give some back, so who may wait does so to the end.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/place_terms.h"

/* is_apart: see struct bucket_answer. */
struct share_fate {
    enum bucket_result result;
    bool is_apart;
};

/* What becomes of so many tokens, or slots, whatever is in hand; BUCKET_DENIED: that depends on the hand. */
static inline enum bucket_result share_result_without_hand(const struct place_terms *terms,
                                                           uint64_t tokens)
{
    enum override_action action = place_action(terms);
    if (action == OVERRIDE_ALLOW)
        return BUCKET_ALWAYS;
    if (tokens == 0)
        return BUCKET_ALLOWED;
    if (action == OVERRIDE_DENY)
        return BUCKET_NEVER;
    return tokens > allowance_shown_burst(terms->allowance) ? BUCKET_EXCEEDS_BURST : BUCKET_DENIED;
}

/* What becomes of it while the store is out of reach; counts it. */
struct share_fate share_fate_apart(struct brain *brain, struct share *share, uint64_t tokens);

/* Whether an ALLOW or ACQUIRE is to wait, behind so many tokens of others who do. Its waiter has the
 * deadline. If not, *fate is what it is told. */
bool share_waits(struct brain *brain, const struct place *place, struct share *share,
                 const struct message *message, uint64_t behind, struct share_fate *fate);

/* Whether an order has been away for so long that nobody waits for it who has not asked to wait. */
bool share_is_overdue(const struct brain *brain, const struct share *share);

/* When the record may have so many tokens beyond the hand; what is not known may be there. Slots that others
 * had out may be there again when the store is asked next. */
uint64_t share_come_ns(const struct brain *brain, const struct share *share, uint64_t tokens);
