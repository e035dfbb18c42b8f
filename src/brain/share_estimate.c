#include "brain/share_estimate.h"

#include "base/least.h"
#include "brain/share_hand.h"

typedef __int128 i128;

/* What the record can hold beside what is out. */
static int64_t cap_of(const struct share_bucket *bucket)
{
    uint64_t out = bucket->others_tokens + share_bucket_out(bucket);
    uint64_t burst = bucket->terms.burst_tokens;
    return (int64_t)((burst - least(burst, out)) * bucket->terms.token_units);
}

int64_t share_level(const struct share *share, uint32_t index, uint64_t now_ns)
{
    const struct share_bucket *bucket = &share->bucket[index];
    i128 cap = cap_of(bucket);
    i128 level = !share->is_known && !share->has_reset ? cap : bucket->level_units;
    uint64_t seen_ns = least(share->seen_ns, now_ns);
    i128 refilled = (i128)((now_ns - seen_ns) / NS_PER_MS) * bucket->terms.step_units;
    level += (i128)(bucket->net - bucket->seen_net) * (i128)bucket->terms.token_units + refilled;
    return (int64_t)(level > cap ? cap : level < INT64_MIN ? INT64_MIN : level);
}

/* Milliseconds in which so many units are refilled: more than 0, and nearly always few enough for a fast
 * division. */
static uint64_t ms_of(i128 units, uint64_t step_units)
{
    return units <= INT64_MAX ? ((uint64_t)units - 1) / step_units + 1
                              : (uint64_t)((units - 1) / step_units + 1);
}

/* Milliseconds until the record has so many tokens of a bucket beyond the hand. */
static uint64_t ms_until(const struct share *share, uint32_t index, uint64_t tokens,
                         uint64_t now_ns)
{
    const struct share_bucket *bucket = &share->bucket[index];
    uint64_t hand = share_bucket_hand(bucket), step = bucket->terms.step_units;
    if (tokens <= hand)
        return 0;
    i128 lack = (i128)(tokens - hand) * bucket->terms.token_units;
    lack -= share_level(share, index, now_ns);
    if (lack <= 0)
        return 0;
    if (share->has_slots)
        return SHARE_NEVER;
    uint64_t later_ms = share->seen_ns > now_ns ? (share->seen_ns - now_ns) / NS_PER_MS + 1 : 0;
    return later_ms + ms_of(lack, step);
}

uint64_t share_ready_ns(const struct share *share, uint64_t tokens, uint64_t now_ns)
{
    uint64_t longest_ms = 0, ready_ns;
    for (uint32_t i = 0; i < share->buckets; i++) {
        uint64_t ms = ms_until(share, i, tokens, now_ns);
        if (ms > longest_ms)
            longest_ms = ms;
    }
    if (__builtin_mul_overflow(longest_ms, NS_PER_MS, &ready_ns) ||
        __builtin_add_overflow(ready_ns, now_ns, &ready_ns))
        return SHARE_NEVER - 1;
    return ready_ns;
}

/* When the record of a bucket is full but for others and for so many tokens of ours. */
static uint64_t full_ms(const struct share *share, uint32_t index, uint64_t now_ns)
{
    const struct share_bucket *bucket = &share->bucket[index];
    uint64_t out = bucket->others_tokens + bucket->granted - bucket->told_disposed;
    uint64_t room = bucket->terms.burst_tokens - least(bucket->terms.burst_tokens, out);
    i128 lack = (i128)room * bucket->terms.token_units - share_level(share, index, now_ns);
    uint64_t step = bucket->terms.step_units;
    return lack <= 0 ? 0 : ms_of(lack, step);
}

uint64_t share_full_ns(const struct share *share, uint64_t now_ns)
{
    uint64_t first_ms = UINT64_MAX / NS_PER_MS - now_ns / NS_PER_MS - 1;
    for (uint32_t i = 0; i < share->buckets; i++)
        if (share->bucket[i].disposed != share->bucket[i].told_disposed)
            first_ms = least(first_ms, full_ms(share, i, now_ns));
    return now_ns + first_ms * NS_PER_MS;
}
