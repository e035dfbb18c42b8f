#include "brain/share_hand.h"

#include "base/least.h"
#include "brain/share_estimate.h"

typedef __int128 i128;

/* What a record can owe. */
#define DEBT_UNITS_MAX ((int64_t)ORDER_UNITS_MAX / 2)

bool share_has_hand(const struct share *share)
{
    for (uint32_t i = 0; i < share->buckets; i++)
        if (share_bucket_hand(&share->bucket[i]) > 0)
            return true;
    return false;
}

bool share_has_out(const struct share *share)
{
    if (share->former != NULL)
        return true;
    for (uint32_t i = 0; i < share->buckets; i++)
        if (share_bucket_out(&share->bucket[i]) > 0)
            return true;
    return false;
}

/* ---- what is spent ---- */

/* What leases give back to the hand counts as granted once more, so that counters only grow. */
static void count_used(uint64_t before, uint64_t slots, struct fleet_counters *counters)
{
    if (slots > before)
        counters->spent_tokens += slots - before;
    else
        counters->granted_tokens += before - slots;
}

/* The session before had them, and until it is taken over nothing is free. */
static void set_former_used(struct share *share, uint64_t slots, struct fleet_counters *counters)
{
    counters->granted_tokens += slots - share->bucket[0].used;
    counters->spent_tokens += slots - share->bucket[0].used;
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].granted = share->bucket[i].used = slots;
}

void share_set_used(struct share *share, uint64_t slots, struct fleet_counters *counters)
{
    if (share->former != NULL) {
        set_former_used(share, slots, counters);
        return;
    }
    count_used(share->bucket[0].used, slots, counters);
    for (uint32_t i = 0; i < share->buckets; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        uint64_t out = share_bucket_out(bucket);
        if (slots > out) {
            bucket->granted += slots - out;
            counters->granted_tokens += i == 0 ? slots - out : 0;
            share->is_claim = true;
        }
        bucket->used = slots;
    }
}

uint64_t share_charge(struct share *share, uint32_t index, uint64_t tokens, uint64_t debt_max,
                      uint64_t now_ns, struct fleet_counters *counters)
{
    struct share_bucket *bucket = &share->bucket[index];
    uint64_t of_hand = least(tokens, share_bucket_hand(bucket));
    bucket->disposed += of_hand;
    counters->spent_tokens += index == 0 ? of_hand : 0;
    i128 debt = (i128)debt_max * (i128)bucket->terms.token_units;
    i128 room = share_level(share, index, now_ns) + (debt > DEBT_UNITS_MAX ? DEBT_UNITS_MAX : debt);
    room = room < 0 ? 0 : room / (i128)bucket->terms.token_units;
    uint64_t rest = tokens - of_hand;
    if ((i128)rest > room)
        rest = (uint64_t)room;
    bucket->net -= (int64_t)rest;
    return of_hand + rest;
}

/* ---- what is given back ---- */

static void give_back(struct share_bucket *bucket, uint64_t tokens)
{
    bucket->disposed += tokens;
    bucket->net += (int64_t)tokens;
}

void share_give_back(struct share *share, uint64_t keep_tokens, struct fleet_counters *counters)
{
    for (uint32_t i = 0; i < share->buckets; i++) {
        uint64_t hand = share_bucket_hand(&share->bucket[i]);
        if (hand <= keep_tokens)
            continue;
        give_back(&share->bucket[i], hand - keep_tokens);
        counters->returned_tokens += i == 0 ? hand - keep_tokens : 0;
    }
}

void share_give_back_beyond_terms(struct share *share, struct fleet_counters *counters)
{
    for (uint32_t i = 0; i < share->buckets; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        uint64_t hand = share_bucket_hand(bucket), keep = bucket->terms.outstanding_tokens;
        if (hand <= keep)
            continue;
        give_back(bucket, hand - keep);
        counters->returned_tokens += i == 0 ? hand - keep : 0;
    }
}

void share_refund(struct share *share, uint64_t tokens, struct fleet_counters *counters)
{
    for (uint32_t i = 0; i < share->buckets; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        uint64_t back = least(tokens, bucket->terms.burst_tokens);
        uint64_t unspent = least(back, bucket->disposed - bucket->sent_disposed);
        bucket->disposed -= unspent;
        bucket->net += (int64_t)(back - unspent);
        counters->spent_tokens -= i == 0 ? unspent : 0;
    }
}

void share_reset(struct share *share, uint64_t now_ns)
{
    for (uint32_t i = 0; i < share->buckets; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        bucket->level_units = (int64_t)ORDER_UNITS_MAX; /* share_level cuts it */
        bucket->seen_net = bucket->net;
    }
    share->has_reset = true;
    share->is_reset_told = false;
    share->seen_ns = now_ns;
    share->next_ns = 0;
}

/* ---- what the store does not know yet ---- */

bool share_has_news(const struct share *share)
{
    bool has_news = share->has_reset;
    for (uint32_t i = 0; i < share->buckets; i++)
        has_news |= share->bucket[i].net != share->bucket[i].told_net;
    return has_news;
}

bool share_has_spent(const struct share *share)
{
    bool has_spent = false;
    for (uint32_t i = 0; i < share->buckets; i++)
        has_spent |= share->bucket[i].disposed != share->bucket[i].told_disposed;
    return has_spent;
}
