#include "brain/share_terms.h"

#include "brain/share_hand.h"
#include "limits/fleet_fit.h"

typedef __int128 i128;

struct order_terms share_terms(const struct bucket_terms *terms, uint32_t outstanding_percent)
{
    uint64_t outstanding = (uint64_t)((i128)terms->burst * outstanding_percent / 100);
    if (terms->holds_slots)
        return (struct order_terms){
            .burst_tokens = terms->burst,
            .token_units = 1,
            .step_units = terms->burst,
            .outstanding_tokens = terms->burst,
        };
    return (struct order_terms){
        .burst_tokens = terms->burst,
        .token_units = fleet_token_units(terms->rate),
        .step_units = fleet_step_units(terms->rate),
        .outstanding_tokens = outstanding == 0 ? 1 : outstanding,
    };
}

/* 32-bit FNV-1a, byte by byte, so that it is the same on every machine. */
static uint32_t hash_number(uint32_t hash, uint64_t number)
{
    for (unsigned shift = 0; shift < 64; shift += 8)
        hash = (hash ^ (uint8_t)(number >> shift)) * UINT32_C(16777619);
    return hash;
}

static uint32_t tag_of(const struct share *share)
{
    uint32_t tag = hash_number(UINT32_C(2166136261), share->buckets);
    for (uint32_t i = 0; i < share->buckets; i++) {
        const struct order_terms *terms = &share->bucket[i].terms;
        tag = hash_number(tag, terms->burst_tokens);
        tag = hash_number(tag, terms->token_units);
        tag = hash_number(tag, terms->step_units);
    }
    return tag;
}

/* The record has no such bucket any more, and so nothing of it is out. What was spent apart from the store
 * stays so. */
static void drop_bucket(struct share_bucket *bucket)
{
    *bucket = (struct share_bucket){.terms = bucket->terms, .apart_units = bucket->apart_units};
}

/* Leases hold nothing of it any more that counts. */
static void spend_used(struct share_bucket *bucket)
{
    bucket->disposed += bucket->used;
    bucket->used = 0;
}

/* Puts terms into force for what was spent apart: as many tokens as before, but no more than all. */
static void set_bucket_terms(struct share_bucket *bucket, struct order_terms terms)
{
    uint64_t before = bucket->terms.token_units, full = terms.burst_tokens * terms.token_units;
    if (bucket->apart_units > 0 && before != 0 && before != terms.token_units) {
        i128 units = ((i128)bucket->apart_units * terms.token_units + before - 1) / before;
        bucket->apart_units = units > (i128)full ? full : (uint64_t)units;
    }
    bucket->terms = terms;
}

void share_set_terms(struct share *share, const struct allowance *allowance,
                     uint32_t outstanding_percent, struct share_sessions *sessions,
                     struct fleet_counters *counters)
{
    uint32_t before = share->terms_tag, buckets = share->buckets;
    bool is_other = share->former != NULL && (share->former->buckets != allowance->count ||
                                              share->has_slots != (allowance->burst == 0));
    if (is_other || (allowance->count > buckets && share->session_buckets > buckets))
        share_lose_hand(share, sessions, counters);
    share->buckets = allowance->count;
    for (uint32_t i = 0; i < share->buckets; i++)
        set_bucket_terms(&share->bucket[i],
                         share_terms(&allowance->bucket[i], outstanding_percent));
    share->has_slots = allowance->burst == 0;
    if (!share->has_slots)
        share->hold_ns = share->back_ns = 0;
    for (uint32_t i = 0; !share->has_slots && i < share->buckets; i++)
        spend_used(&share->bucket[i]);
    share->terms_tag = tag_of(share);
    if (share->terms_tag == before)
        return;
    for (uint32_t i = share->buckets; i < buckets; i++)
        drop_bucket(&share->bucket[i]);
    share_give_back_beyond_terms(share, counters);
    share->is_known = false;
    share->next_ns = 0;
}
