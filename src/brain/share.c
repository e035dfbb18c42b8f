#include "brain/share.h"

#include "base/least.h"
#include "limits/fleet_fit.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

typedef __int128 i128;

/* What a record can owe. */
#define DEBT_UNITS_MAX ((int64_t)ORDER_UNITS_MAX / 2)

/* ---- sessions ---- */

/* Any odd number with many ones makes ids of one process differ, and those of two unlikely to meet. */
#define SESSION_STEP UINT64_C(0x9e3779b97f4a7c15)

static uint64_t next_session(struct share_sessions *sessions)
{
    uint64_t session = sessions->nonce + ++sessions->begun * SESSION_STEP;
    return session == 0 ? next_session(sessions) : session;
}

void share_begin(struct share *share, struct share_sessions *sessions)
{
    share->session = next_session(sessions);
    share->lease_ns = SHARE_NEVER;
    share->demand.is_new = true;
}

bool share_take_over(struct share *share, const struct share_former *former, uint64_t epoch_ms,
                     uint64_t lease_ns)
{
    assert(share->buckets == former->buckets && share->former == NULL);
    share->former = malloc(sizeof *former);
    if (share->former == NULL)
        return false;
    *share->former = *former;
    share->is_claim = false;
    share->seq = former->seq + 1;
    share->epoch_ms = epoch_ms;
    share->lease_ns = lease_ns;
    return true;
}

void share_end(struct share *share)
{
    free(share->former);
    share->former = NULL;
}

/* What it had in hand of the first bucket; slots that leases hold are not lost with it. */
static uint64_t former_hand(const struct share *share)
{
    const struct share_former_bucket *bucket = &share->former->bucket[0];
    return bucket->granted - bucket->disposed -
           least(bucket->granted - bucket->disposed, share->bucket[0].used);
}

/* Another session begins, in which nothing is in hand. What no order has told yet goes along; what one has told may be
 * done already. */
static void begin_anew(struct share *share, struct share_sessions *sessions)
{
    for (uint32_t i = 0; i < BUCKETS_MAX; i++) {
        struct share_bucket *bucket = &share->bucket[i];
        int64_t untold = bucket->net - bucket->sent_net;
        bucket->seen_net += untold - bucket->net;
        bucket->net = untold;
        bucket->granted = bucket->used; /* which it claims */
        bucket->disposed = 0;
        bucket->sent_disposed = bucket->told_disposed = 0;
        bucket->sent_net = bucket->told_net = 0;
    }
    share_end(share);
    share->has_reset &= !share->is_reset_told;
    share->is_reset_told = false;
    share->session = next_session(sessions);
    share->is_claim = share->bucket[0].used > 0;
    share->session_buckets = 0;
    share->is_joined = false;
    share->seq = 0;
    share->lease_ns = SHARE_NEVER;
    share->kept_ns = 0;
}

/* What is in hand counts as out until the store says otherwise. */
static void lose_hand(struct share *share, struct share_sessions *sessions,
                      struct fleet_counters *counters)
{
    counters->lost_tokens += share_bucket_hand(&share->bucket[0]);
    if (share->former != NULL) {
        counters->granted_tokens += former_hand(share);
        counters->lost_tokens += former_hand(share);
    }
    for (uint32_t i = 0; i < share->buckets; i++)
        share->bucket[i].others_tokens += share_bucket_out(&share->bucket[i]);
    begin_anew(share, sessions);
}

void share_expire(struct share *share, uint64_t now_ns, struct share_sessions *sessions,
                  struct fleet_counters *counters)
{
    if (now_ns >= share->lease_ns)
        lose_hand(share, sessions, counters);
}

/* ---- terms ---- */

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

static void give_back(struct share_bucket *bucket, uint64_t tokens)
{
    bucket->disposed += tokens;
    bucket->net += (int64_t)tokens;
}

/* The record has no such bucket any more, and so nothing of it is out. What was spent apart from the store stays so. */
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

/* Gives back what is in hand beyond what may be outstanding. */
static void give_back_beyond_terms(struct share *share, struct fleet_counters *counters)
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

void share_set_terms(struct share *share, const struct allowance *allowance,
                     uint32_t outstanding_percent, struct share_sessions *sessions,
                     struct fleet_counters *counters)
{
    uint32_t before = share->terms_tag, buckets = share->buckets;
    bool is_other = share->former != NULL && (share->former->buckets != allowance->count ||
                                              share->has_slots != (allowance->burst == 0));
    if (is_other || (allowance->count > buckets && share->session_buckets > buckets))
        lose_hand(share, sessions, counters);
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
    give_back_beyond_terms(share, counters);
    share->is_known = false;
    share->next_ns = 0;
}

/* ---- the hand ---- */

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

/* ---- the record ---- */

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

/* Milliseconds in which so many units are refilled: more than 0, and nearly always few enough for a fast division. */
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

/* ---- demand ---- */

/* What a horizon wants by what has come in the first part of one. A few questions that come together may be all that
 * come for a while; the more there are, the shorter a time is believed. */
static uint64_t extrapolated(const struct share_demand *demand, uint64_t elapsed_ns,
                             uint64_t horizon_ns, uint64_t interval_ns)
{
    enum { BELIEVED = 8 };
    uint64_t questions = least(demand->questions, BELIEVED);
    uint64_t least_ns = least(interval_ns, horizon_ns) / (questions == 0 ? 1 : questions);
    if (elapsed_ns < least_ns)
        elapsed_ns = least_ns;
    return elapsed_ns == 0 ? demand->recent
                           : (uint64_t)((i128)demand->recent * horizon_ns / elapsed_ns);
}

uint64_t share_wanted(struct share *share, uint64_t now_ns, const struct fleet_terms *terms)
{
    struct share_demand *demand = &share->demand;
    uint64_t horizon_ns = terms->horizon_ms * NS_PER_MS;
    uint64_t elapsed_ns = now_ns - demand->window_ns;
    if (demand->is_new)
        return 0;
    if (elapsed_ns >= horizon_ns) {
        demand->previous = (uint64_t)((i128)demand->recent * horizon_ns / elapsed_ns);
        demand->is_new = demand->recent == 0;
        demand->recent = demand->questions = 0;
        demand->window_ns = now_ns;
        return demand->previous;
    }
    if (demand->previous == 0)
        return extrapolated(demand, elapsed_ns, horizon_ns, terms->min_interval_ms * NS_PER_MS);
    return demand->recent +
           (uint64_t)((i128)demand->previous * (horizon_ns - elapsed_ns) / horizon_ns);
}

/* ---- a bucket of its own ---- */

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

/* ---- orders ---- */

/* For how long the store keeps a session for sure: its clock may run faster than ours by a thousandth. */
static uint64_t sure_ms(uint64_t keep_ms)
{
    return keep_ms - keep_ms / 1000;
}

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

/* Whether the next order is another copy of the last one for the store. One that takes a session over must not come to be later
 * than what the store knows of that one, however often it goes. */
static bool keeps_seq(const struct share *share)
{
    return share->is_reset_told || share->former != NULL;
}

void share_write_order(struct share *share, struct order *order, uint8_t flags,
                       const uint64_t want[BUCKETS_MAX], uint32_t keep_ms, uint64_t now_ns,
                       uint64_t ttl_ns, struct share_sessions *sessions,
                       struct fleet_counters *counters)
{
    share_expire(share, now_ns, sessions, counters);
    if (has_lasted(share) && share->bucket[0].used == 0)
        flags |= ORDER_RELEASE;
    bool is_release = (flags & ORDER_RELEASE) != 0;
    if (share_has_news(
            share)) /* only a record that knows the session does it; and a last order may be lost */
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
    uint64_t kept_ns = now_ns + most(ttl_ns, sure_ms(keep_ms) * NS_PER_MS);
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

/* By how many milliseconds the record's time is ahead of the store's clock, so that nothing is refilled until then: as
 * after the store has forgotten it. If it is the clock that is ahead, the record's time is held back to what we allow, and
 * goes on. */
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
        give_back_beyond_terms(share, counters); /* that one's terms may have been others */
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
        share->kept_ns =
            orders->sent_ns + most(orders->ttl_ms, sure_ms(order->keep_ms)) * NS_PER_MS;
        share->lease_ns = share->kept_ns;
    }
    if (has_ended(order))
        lose_hand(share, sessions, counters);
}

/* The hand is void, because the store knows nothing of it. */
static void take_void(struct share *share, const struct order *order,
                      struct share_sessions *sessions, struct fleet_counters *counters)
{
    counters->damaged += order->result == ORDER_UNSOUND;
    if (order->session == share->session)
        lose_hand(share, sessions, counters);
    share->is_known = false;
    share->is_again = true;
    if (order->result == ORDER_EPOCH ||
        order->result == ORDER_AGAIN) /* the clock may be another one */
        share->store_ms = 0;
}

/* By which the store's clock may go on: the answer of which it was least ahead of ours. If each answer counted, one that
 * has jumped ahead would gain clock_guard by each. */
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
        lose_hand(share, sessions, counters);
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
