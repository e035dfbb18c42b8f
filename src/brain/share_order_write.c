#include "brain/share_order.h"

#include "base/least.h"
#include "brain/share_hand.h"

/* Whether totals come near what records have room for. */
static bool has_lasted(const struct share *share)
{
    const int64_t bound = ORDER_TOKENS_MAX / 2;
    bool has_lasted = false;
    for (uint32_t i = 0; i < share->buckets; i++) {
        const struct share_bucket *bucket = &share->bucket[i];
        has_lasted |=
            (int64_t)bucket->granted > bound || bucket->net > bound || bucket->net < -bound;
    }
    return has_lasted;
}

/* Has an order say whom the session takes over, and that one's totals, instead of its own and what is wanted. */
static void write_former(struct share *share, struct order *order)
{
    struct share_former *former = share->former;
    order->flags = (order->flags & ORDER_ON_LOSS_FULL) | ORDER_TAKES_OVER;
    order->former = former->session;
    for (uint32_t i = 0; i < share->buckets; i++) {
        struct share_former_bucket *bucket = &former->bucket[i];
        uint64_t hand = bucket->granted - bucket->disposed;
        uint64_t free = share->has_slots ? hand - least(hand, share->bucket[i].used) : 0;
        bucket->disposed += free;
        bucket->net += (int64_t)free;
        order->totals[i] = (struct order_totals){
            .granted = bucket->granted,
            .disposed = bucket->disposed,
            .net = bucket->net,
        };
        share->bucket[i].sent_net = 0; /* of its own */
    }
}

/* Whether the next order is another copy of the last one for the store. One that takes a session over must not
 * come to be later than what the store knows of that one, however often it goes. */
static bool keeps_seq(const struct share *share)
{
    return share->is_reset_told || share->former != NULL;
}

void share_write_order(struct share *share, struct order *order, uint8_t flags,
                       const uint64_t want[BUCKETS_MAX], uint32_t keep_ms, uint64_t now_ns,
                       uint64_t ttl_ms, struct share_sessions *sessions,
                       struct fleet_counters *counters)
{
    share_expire(share, now_ns, sessions, counters);
    if (has_lasted(share) && share->bucket[0].used == 0)
        flags |= ORDER_RELEASE;
    bool is_release = (flags & ORDER_RELEASE) != 0;
    if (share_has_news(
            share)) /* only a record that knows it does it; and a last order may be lost */
        flags = (uint8_t)((flags & ~ORDER_RELEASE) | (share->is_joined ? 0 : ORDER_JOIN));
    if (is_release)
        share_give_back(share, 0, counters);
    bool is_reset = share->has_reset && share->is_joined;
    *order = (struct order){
        .limit_name = share->name,
        .key = share->key,
        .limit_len = share->name_len,
        .key_len = share->key_len,
        .flags = (uint8_t)(flags | (is_reset ? ORDER_RESET : 0) |
                           (share->is_claim && !share->is_joined ? ORDER_CLAIM : 0)),
        .buckets = (uint8_t)share->buckets,
        .terms_tag = share->terms_tag,
        .session = share->session,
        .seq = keeps_seq(share) ? share->seq : ++share->seq,
        .keep_ms = keep_ms,
        .epoch_ms = share->epoch_ms,
        .store_ms = share->store_ms,
        .store_at_ns = share->store_at_ns,
        .share = share,
    };
    for (uint32_t i = 0; i < share->buckets; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        order->terms[i] = bucket->terms;
        order->totals[i] = (struct order_totals){
            .granted = bucket->granted,
            .disposed = bucket->disposed,
            .net = share->is_joined ? bucket->net : 0,
            .want = is_release ? 0 : want[i],
        };
        bucket->sent_disposed = bucket->disposed;
        bucket->sent_net = order->totals[i].net;
    }
    if (share->former != NULL)
        write_former(share, order);
    if (share->session_buckets < share->buckets)
        share->session_buckets = share->buckets;
    share->has_reset &= !is_reset; /* it is set again if the order fails */
    /* the store may keep it for no longer than this order says, whatever the one before has said */
    uint64_t kept_ns = share_kept_until_ns(now_ns, ttl_ms, keep_ms);
    share->lease_ns = least(share->lease_ns, kept_ns);
    share->kept_ns = least(share->kept_ns, kept_ns);
    if (share->waiting == 0)
        share->asked_ttl_ms = 0;
    share->is_away = true;
    share->is_released = (order->flags & ORDER_RELEASE) != 0;
    share->is_again = false;
    share->sent_ns = now_ns;
    counters->orders++;
}
