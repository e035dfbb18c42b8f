#include "brain/share_slots.h"

#include "base/least.h"
#include "brain/orders.h"
#include "brain/share_demand.h"
#include "brain/share_estimate.h"
#include "brain/share_hand.h"

/* Those who have none look each ORDERS_RETRY_MS for what others have given back. Those who have some leave it
 * to them for so long, and those who have their part for longer. */
enum { LEAVE_MS = ORDERS_RETRY_MS, LEAVE_LONGER_MS = ORDERS_RETRY_MS * 3 / 2 };

/* For so many turns it goes on if nobody has more than one beyond his part. */
enum { TURNS_IF_EVEN = 4 };

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
    share_set_used(share, slots, brain_fleet_counters(brain));
    share->used_until_ns = brain->now_ns + (end_ns > lived_ns ? end_ns - lived_ns : 0);
}

void share_slots_yield(struct brain *brain, struct share *share)
{
    bool is_too_much = false;
    for (uint32_t i = 0; i < share->buckets; i++)
        is_too_much |= share->is_known && share->bucket[i].level_units < 0;
    if (share->has_slots && is_too_much)
        share_give_back(share, 0, brain_fleet_counters(brain));
}

/* The fewest slots of a bucket. */
static uint64_t slots_of(const struct share *share)
{
    uint64_t slots = share->bucket[0].terms.burst_tokens;
    for (uint32_t i = 1; i < share->buckets; i++)
        slots = least(slots, share->bucket[i].terms.burst_tokens);
    return slots;
}

/* What each of so many sidecars should have: of two or more. */
static uint64_t part_of(const struct share *share)
{
    return slots_of(share) / share->holders;
}

static bool has_others(const struct share *share)
{
    return share->has_slots && share->is_known && share->holders > 1;
}

/* Whether it has some, or has had its turn. */
static bool has_some(const struct share *share, uint64_t now_ns)
{
    return share_has_out(share) || now_ns < share->back_ns;
}

/* Whether the record has one more, as far as is known. */
static bool is_free(const struct share *share, uint64_t now_ns)
{
    return share_ready_ns(share, share_hand(share) + 1, now_ns) <= now_ns;
}

/* Gives one back, and leaves it to others. */
static void give_one(struct share *share, uint64_t now_ns, struct fleet_counters *counters)
{
    const uint64_t turn_ns = SHARE_SLOTS_TURN_MS * NS_PER_MS, part = part_of(share);
    uint64_t others = share->holders - 1, slots = slots_of(share);
    share_give_back(share, share_hand(share) - 1, counters);
    share->owed -= share->owed > 0;
    share->hold_ns = now_ns + LEAVE_LONGER_MS * NS_PER_MS;
    share->give_ns =
        now_ns +
        turn_ns * (part > 0 && share_bucket_out(&share->bucket[0]) <= part + 1 ? TURNS_IF_EVEN : 1);
    if (share_has_out(share))
        return;
    share->owed = 0;
    share->back_ns = now_ns + (others + slots - 1) / slots * turn_ns;
}

void share_slots_part(struct brain *brain, struct share *share)
{
    uint64_t now_ns = brain->now_ns;
    bool is_due = share->owed > 0 || now_ns >= share->give_ns;
    if (is_due && has_others(share) && !orders_are_cut(brain, share) && share_hand(share) > 0 &&
        !is_free(share, now_ns) && share_bucket_out(&share->bucket[0]) > part_of(share))
        give_one(share, now_ns, brain_fleet_counters(brain));
}

struct share_slots_seen share_slots_seen(const struct share *share, uint64_t now_ns)
{
    if (!share->has_slots)
        return (struct share_slots_seen){0};
    return (struct share_slots_seen){
        .out = share_bucket_out(&share->bucket[0]),
        .holders = share->holders,
        .is_free = !share->is_known || is_free(share, now_ns),
    };
}

void share_slots_see(struct share *share, struct share_slots_seen before, uint64_t now_ns)
{
    uint64_t out = share_bucket_out(&share->bucket[0]);
    if (!share->has_slots)
        return;
    if (out > before.out)
        share->give_ns = now_ns + SHARE_SLOTS_TURN_MS * NS_PER_MS;
    if (!has_others(share) || out == 0 || before.out == 0)
        share->owed = 0;
    else if (share->holders > before.holders)
        share->owed += share->holders - before.holders;
    share->owed = least(share->owed, share->holders);
    if (has_others(share) && has_some(share, now_ns) && is_free(share, now_ns) && !before.is_free) {
        uint64_t leave_ms = out < part_of(share) ? LEAVE_MS : LEAVE_LONGER_MS;
        share->hold_ns = most(share->hold_ns, now_ns + leave_ms * NS_PER_MS);
    }
}

bool share_slots_hold_off(const struct share *share, uint64_t now_ns)
{
    return share->has_slots &&
           (now_ns < share->hold_ns ||
            (has_others(share) && has_some(share, now_ns) && !is_free(share, now_ns)));
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
    return (uint32_t)(ms + ms / 500); /* its clock may be faster: see share_session.h */
}
