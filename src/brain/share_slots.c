#include "brain/share_slots.h"

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

bool share_slots_do(const struct share *share, uint64_t slots, uint64_t end_ns)
{
    return slots <= share_hand(share) && end_ns <= share->kept_ns;
}

static void keep_peaks(struct share *share, uint64_t used, uint64_t now_ns, uint64_t window_ns)
{
    if (now_ns - share->peak_ns >= window_ns) {
        bool is_next = now_ns - share->peak_ns < 2 * window_ns;
        share->peak_before = is_next ? share->peak : share->bucket[0].used;
        share->peak = share->bucket[0].used;
        share->peak_ns = now_ns;
    }
    share->peak = most(share->peak, used);
}

void share_slots_count(struct brain *brain, struct share *share)
{
    if (!share->has_slots || share->is_leaving)
        return;
    const struct lease_key *key =
        leases_of_key(&brain->leases, share->hash, share->key, share->key_len);
    uint64_t slots = key == NULL ? 0 : leases_key_slots(&brain->leases, key);
    uint64_t end_ns = key == NULL ? 0 : leases_key_last_slots_ns(&brain->leases, key);
    uint64_t lived_ns = brain_lived_ns(brain, brain->now_ns);
    if (slots < share->bucket[0].used)
        share_ask_less(share, share->bucket[0].used - slots);
    keep_peaks(share, slots, brain->now_ns, brain->limits->fleet.return_after_ms * NS_PER_MS);
    share_set_used(share, slots, &brain->shares.counters);
    share->used_until_ns = brain->now_ns + (end_ns > lived_ns ? end_ns - lived_ns : 0);
}

void share_slots_yield(struct brain *brain, struct share *share)
{
    bool is_too_much = false;
    for (uint32_t i = 0; i < share->buckets; i++)
        is_too_much |= share->is_known && share->bucket[i].level_units < 0;
    if (share->has_slots && is_too_much)
        share_give_back(share, 0, &brain->shares.counters);
}

uint64_t share_slots_to_keep(const struct share *share)
{
    uint64_t peak = most(share->peak, share->peak_before);
    return peak - (share->bucket[0].used < peak ? share->bucket[0].used : peak);
}

void share_slots_ask(struct share *share, uint64_t ttl_ms)
{
    share->asked_ttl_ms = most(share->asked_ttl_ms, ttl_ms);
}

uint32_t share_slots_keep_ms(const struct share *share, uint64_t now_ns, uint64_t spare_ms)
{
    uint64_t until_ns = now_ns + share->asked_ttl_ms * NS_PER_MS;
    if (share->bucket[0].used > 0)
        until_ns = most(until_ns, share->used_until_ns);
    if (until_ns <= now_ns)
        return 0;
    uint64_t ms = (until_ns - now_ns - 1) / NS_PER_MS + 1 + spare_ms;
    return (uint32_t)(ms + ms / 500); /* the store's clock may be faster than ours: see share.c */
}
