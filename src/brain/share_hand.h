/*
 * The hand of a share: what may be spent without asking the store, and what questions and leases do to it.
 *
 * Inline is what is done for each request whose tokens are in hand.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/fleet_counters.h"
#include "brain/share.h"

static inline uint64_t share_bucket_hand(const struct share_bucket *bucket)
{
    return bucket->granted - bucket->disposed - bucket->used;
}

/* What the store takes to be out, once it is told. */
static inline uint64_t share_bucket_out(const struct share_bucket *bucket)
{
    return bucket->granted - bucket->disposed;
}

/* What every bucket's hand holds. */
static inline uint64_t share_hand(const struct share *share)
{
    uint64_t hand = share_bucket_hand(&share->bucket[0]);
    for (uint32_t i = 1; i < share->buckets; i++)
        if (share_bucket_hand(&share->bucket[i]) < hand)
            hand = share_bucket_hand(&share->bucket[i]);
    return hand;
}

/* Whether anything is in hand; or that, or slots that leases hold, or what is to be taken over. */
bool share_has_hand(const struct share *share);
bool share_has_out(const struct share *share);

/* ---- what is spent ---- */

static inline void share_keep_disposed(const struct share *share)
{
    if (share->kept.record == NULL)
        return;
    for (uint32_t i = 0; i < share->buckets; i++)
        share_record_put_disposed(share->kept.record, i, share->bucket[i].disposed);
}

/* Takes tokens that every bucket's hand holds. */
static inline void share_spend(struct share *share, uint64_t tokens,
                               struct fleet_counters *counters)
{
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].disposed += tokens;
    share_keep_disposed(share);
    counters->spent_tokens += tokens;
}

/* Takes that back, before anything else is done. */
static inline void share_unspend(struct share *share, uint64_t tokens,
                                 struct fleet_counters *counters)
{
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].disposed -= tokens;
    share_keep_disposed(share);
    counters->spent_tokens -= tokens;
}

/* Leases hold so many slots now. Those beyond what the session knows to be granted are claimed, but not while
 * a session is to be taken over: that one had them. */
void share_set_used(struct share *share, uint64_t slots, struct fleet_counters *counters);

/* Takes tokens though the hand may not hold them, as far as the record may owe: `debt_max` tokens. Returns
 * how many a bucket took. */
uint64_t share_charge(struct share *share, uint32_t bucket, uint64_t tokens, uint64_t debt_max,
                      uint64_t now_ns, struct fleet_counters *counters);

/* ---- what is given back ---- */

/* Gives back what is in hand beyond so much of each bucket. */
void share_give_back(struct share *share, uint64_t keep_tokens, struct fleet_counters *counters);

/* The same beyond what may be outstanding. */
void share_give_back_beyond_terms(struct share *share, struct fleet_counters *counters);

/* Gives tokens back that requests had spent. */
void share_refund(struct share *share, uint64_t tokens, struct fleet_counters *counters);

/* Takes the record for full, but for what is out. */
void share_reset(struct share *share, uint64_t now_ns);

/* ---- what the store does not know yet ---- */

/* Whether the store is to be told something that does not wait for the next order. */
bool share_has_news(const struct share *share);

/* Whether tokens are spent that the store still takes to be out. */
bool share_has_spent(const struct share *share);
