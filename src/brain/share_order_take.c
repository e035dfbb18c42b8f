#include "brain/share_order.h"

#include "base/least.h"
#include "brain/share_hand.h"

static bool is_cut(enum order_result result)
{
    switch (result) {
    case ORDER_VERSION:
    case ORDER_REFUSED:
    case ORDER_UNREACHABLE:
    case ORDER_NOT_SENT:
        return true;
    case ORDER_DONE:
    case ORDER_AGAIN:
    case ORDER_EPOCH:
    case ORDER_SESSION:
    case ORDER_OLD:
    case ORDER_REPEATED:
    case ORDER_FULL:
    case ORDER_UNSOUND:
    case ORDER_RESULT_COUNT:
        break;
    }
    return false;
}

/* Whether the record has no holder of this session any more, or may have none. */
static bool has_ended(const struct order *order)
{
    return (order->flags & ORDER_RELEASE) != 0 &&
           (order->result == ORDER_DONE || order->result == ORDER_OLD ||
            order->result == ORDER_UNREACHABLE);
}

/* By how many milliseconds the record's time is ahead of the store's clock, so that nothing is refilled until
 * then: as after the store has forgotten it. If it is the clock that is ahead, the record's time is held back
 * to what we allow, and goes on. */
static uint64_t ahead_ms(const struct order *order, const struct orders *orders)
{
    uint64_t elapsed_ms = (orders->sent_ns - order->store_at_ns) / NS_PER_MS;
    uint64_t expected_ms = order->store_ms + elapsed_ms;
    bool is_held_back = order->store_ms != 0 && order->answered_ms > expected_ms &&
                        order->answered_ms <= expected_ms + orders->clock_guard_ms + 1;
    return is_held_back ? 0 : order->behind_ms;
}

/* The record as the store has told it. */
static void see(struct share *share, const struct order *order, const struct orders *orders,
                uint64_t now_ns)
{
    for (uint32_t i = 0; i < share->buckets; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        uint64_t own = order->session == share->session
                           ? bucket->granted - least(bucket->granted, order->totals[i].disposed)
                           : 0;
        bucket->level_units = order->level_units[i];
        bucket->seen_net = order->session == share->session ? order->totals[i].net : 0;
        bucket->others_tokens = order->out_tokens[i] - least(order->out_tokens[i], own);
    }
    share->holders = order->holders;
    share->is_known = true;
    share->seen_ns = now_ns + ahead_ms(order, orders) * NS_PER_MS;
}

/* The session has what the former one had. */
static void take_former(struct share *share, struct fleet_counters *counters)
{
    for (uint32_t i = 0; i < share->buckets; i++) {
        const struct share_former_bucket *former = &share->former->bucket[i];
        struct share_bucket *bucket = &share->bucket[i];
        bucket->granted = former->granted;
        bucket->disposed = bucket->sent_disposed = bucket->told_disposed = former->disposed;
        bucket->sent_net = bucket->told_net = former->net;
        bucket->seen_net += former->net;
        bucket->net += former->net;
    }
    share_end(share);
    uint64_t used = share->bucket[0].used;
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].used = least(used, share_bucket_out(&share->bucket[i]));
    counters->granted_tokens += share_bucket_hand(&share->bucket[0]);
}

/* What the store has granted to the session, by its totals. */
static void take_grants(struct share *share, const struct order *order,
                        struct fleet_counters *counters)
{
    uint32_t buckets = order->buckets < share->buckets ? order->buckets : share->buckets;
    share->is_short = false;
    for (uint32_t i = 0; i < buckets; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        uint64_t granted =
            order->granted[i] > bucket->granted ? order->granted[i] - bucket->granted : 0;
        bucket->granted += granted;
        if (order->result != ORDER_OLD) {
            bucket->told_net = order->totals[i].net;
            bucket->told_disposed = order->totals[i].disposed;
        }
        counters->granted_tokens += i == 0 ? granted : 0;
        share->is_short |= granted < order->totals[i].want;
    }
}

/* Those of a session that has ended meanwhile. */
static void lose_grants(const struct order *order, struct fleet_counters *counters)
{
    uint64_t granted = order->granted[0] - least(order->granted[0], order->totals[0].granted);
    counters->granted_tokens += granted;
    counters->lost_tokens += granted;
}

/* Whether the record has a holder of this session after an order that it has done. */
static bool has_joined(const struct order *order)
{
    bool has_joined = order->result != ORDER_DONE || (order->flags & ORDER_JOIN) != 0 ||
                      (order->flags & ORDER_TAKES_OVER) != 0; /* which knew of something */
    for (unsigned i = 0; i < order->buckets; i++)
        has_joined |= order->granted[i] > 0;
    return has_joined;
}

static void take_done(struct share *share, const struct order *order, const struct orders *orders,
                      uint64_t now_ns, struct share_sessions *sessions,
                      struct fleet_counters *counters)
{
    bool is_own = order->session == share->session;
    bool has_taken_over = is_own && share->former != NULL;
    if (has_taken_over)
        take_former(share, counters);
    if (is_own)
        take_grants(share, order, counters);
    else
        lose_grants(order, counters);
    if (has_taken_over)
        share_give_back_beyond_terms(share, counters); /* that one's terms may have been others */
    if (order->terms_tag == share->terms_tag)
        see(share, order, orders, now_ns);
    if (!is_own)
        return;
    if (!share->is_joined && has_joined(order)) {
        share->is_joined = true;
        if (share->seq < order->answered_ms)
            share->seq = order->answered_ms; /* a newcomer's begins no later */
    }
    share->is_claim &= !share->is_joined;
    if (order->result != ORDER_OLD) { /* else one before it was done, and nobody knows when */
        share->kept_ns = share_kept_until_ns(orders->sent_ns, orders->ttl_ms, order->keep_ms);
        share->lease_ns = share->kept_ns;
    }
    if (has_ended(order))
        share_lose_hand(share, sessions, counters);
}

/* The hand is void, because the store knows nothing of it. */
static void take_void(struct share *share, const struct order *order,
                      struct share_sessions *sessions, struct fleet_counters *counters)
{
    counters->damaged += order->result == ORDER_UNSOUND;
    if (order->session == share->session)
        share_lose_hand(share, sessions, counters);
    share->is_known = false;
    share->is_again = true;
    if (order->result == ORDER_EPOCH ||
        order->result == ORDER_AGAIN) /* the clock may be another one */
        share->store_ms = 0;
}

/* By which the store's clock may go on: the answer of which it was least ahead of ours. If each answer
 * counted, one that has jumped ahead would gain clock_guard by each. */
static void keep_clock(struct share *share, const struct order *order, const struct orders *orders)
{
    uint64_t elapsed_ms = (orders->sent_ns - share->store_at_ns) / NS_PER_MS;
    if (share->store_ms != 0 && order->answered_ms >= share->store_ms + elapsed_ms)
        return;
    share->store_ms = order->answered_ms;
    share->store_at_ns = orders->sent_ns;
}

static bool tells_reset(const struct order *order)
{
    return (order->flags & ORDER_RESET) != 0;
}

/* The next try comes later each time. */
static void take_cut(struct share *share, const struct order *order, uint64_t now_ns,
                     struct share_sessions *sessions, struct fleet_counters *counters)
{
    bool is_own = order->session == share->session;
    counters->orders_failed++;
    if (is_own && tells_reset(order) && !share->has_reset) {
        share->has_reset = true;
        share->is_reset_told |= order->result == ORDER_UNREACHABLE;
    }
    if (is_own && has_ended(order)) {
        share_lose_hand(share, sessions, counters);
        share->is_looked_for = true; /* or nobody would see when the store is back */
    }
    share->is_cut = true;
    share->retry_ns = now_ns + share->retry_after_ns;
}

void share_take_order(struct share *share, const struct order *order, const struct orders *orders,
                      uint64_t now_ns, struct share_sessions *sessions,
                      struct fleet_counters *counters)
{
    share->is_away = share->is_released = false;
    if (is_cut(order->result)) {
        take_cut(share, order, now_ns, sessions, counters);
        return;
    }
    bool has_forgotten = share->epoch_ms != 0 && order->answered_epoch_ms != share->epoch_ms;
    bool is_reset_left =
        order->session == share->session && tells_reset(order) && !share->is_reset_told;
    share->is_cut = false;
    share->is_reset_told = false;
    share->retry_after_ns = 0;
    share->epoch_ms = order->answered_epoch_ms;
    keep_clock(share, order, orders);
    counters->converted += order->is_converted;
    counters->rollbacks += order->was_rolled_back && (order->flags & ORDER_CLAIM) == 0;
    counters->epochs += has_forgotten;
    switch (order->result) {
    case ORDER_DONE:
    case ORDER_OLD:
    case ORDER_REPEATED:
        take_done(share, order, orders, now_ns, sessions, counters);
        break;
    case ORDER_EPOCH:
    case ORDER_SESSION:
    case ORDER_UNSOUND:
        take_void(share, order, sessions, counters);
        share->has_reset |= is_reset_left;
        break;
    case ORDER_AGAIN:
        if (has_forgotten)
            take_void(share, order, sessions, counters);
        share->is_again = true;
        share->has_reset |= is_reset_left;
        break;
    case ORDER_FULL:
        share->is_known = false;
        break;
    case ORDER_VERSION:
    case ORDER_REFUSED:
    case ORDER_UNREACHABLE:
    case ORDER_NOT_SENT:
    case ORDER_RESULT_COUNT:
        break;
    }
    share->repeats = share->is_again ? share->repeats + 1 : 0;
}
