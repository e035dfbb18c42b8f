#include "brain/share_apart.h"

typedef __int128 i128;

/* Tokens cost as many times more as there are sidecars, so that burst and rate are as many times less. */
static i128 apart_cost(const struct share_bucket *bucket, uint32_t sidecars)
{
    return (i128)bucket->terms.token_units * (sidecars == 0 ? 1 : sidecars);
}

static i128 apart_cap(const struct share_bucket *bucket, uint32_t sidecars)
{
    i128 cap = (i128)bucket->terms.burst_tokens * bucket->terms.token_units;
    i128 cost = apart_cost(bucket, sidecars);
    return cap < cost ? cost : cap;
}

static void refill_apart(struct share *share, uint64_t now_ns)
{
    uint64_t ms = (now_ns - share->apart_ns) / NS_PER_MS;
    for (uint32_t i = 0; i < share->buckets; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        i128 refilled = (i128)ms * bucket->terms.step_units;
        bucket->apart_units -=
            refilled > bucket->apart_units ? bucket->apart_units : (uint64_t)refilled;
    }
    share->apart_ns += ms * NS_PER_MS;
}

bool share_spend_apart(struct share *share, uint64_t tokens, uint64_t now_ns, uint32_t sidecars)
{
    refill_apart(share, now_ns);
    for (uint32_t i = 0; i < share->buckets; i++)
        if (share->bucket[i].apart_units + apart_cost(&share->bucket[i], sidecars) * tokens >
            apart_cap(&share->bucket[i], sidecars))
            return false;
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].apart_units +=
            (uint64_t)(apart_cost(&share->bucket[i], sidecars) * tokens);
    return true;
}

bool share_is_full_apart(struct share *share, uint64_t now_ns)
{
    refill_apart(share, now_ns);
    for (uint32_t i = 0; i < share->buckets; i++)
        if (share->bucket[i].apart_units > 0)
            return false;
    return true;
}
