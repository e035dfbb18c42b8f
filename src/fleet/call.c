#include "fleet/call.h"

#include "base/quantity.h"

#include <assert.h>
#include <string.h>

/* The layouts of script.lua. */
enum { CALL_VERSION = 1, ANSWER_CONVERTED = 1, ANSWER_ROLLED_BACK = 2 };
enum { CALL_HEAD_BYTES = 42, CALL_BUCKET_BYTES = 51, CALL_KEEP_BYTES = 4, CALL_FORMER_BYTES = 8 };
enum { ANSWER_HEAD_BYTES = 20, ANSWER_BUCKET_BYTES = 20 };
static_assert(CALL_HEAD_BYTES + BUCKETS_MAX * CALL_BUCKET_BYTES + CALL_KEEP_BYTES +
                      CALL_FORMER_BYTES <=
                  CALL_BYTES_MAX,
              "a call has room for all buckets");
static_assert(ANSWER_HEAD_BYTES + BUCKETS_MAX * ANSWER_BUCKET_BYTES <= CALL_ANSWER_BYTES_MAX,
              "an answer has room for all buckets");

#define SIGNED_ZERO (UINT64_C(1) << 52) /* what 0 is written as where there may be less */

static unsigned char *put(unsigned char *at, unsigned bytes, uint64_t number)
{
    assert(bytes == 8 || number >> 8 * bytes == 0);
    for (unsigned i = 0; i < bytes; i++)
        *at++ = (unsigned char)(number >> 8 * i);
    return at;
}

static uint64_t get(const unsigned char **at, unsigned bytes)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < bytes; i++)
        number |= (uint64_t) * (*at)++ << 8 * i;
    return number;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- the call ---- */

/* The latest that the store's clock can truly show now, by our own clock; 0: we cannot know. */
static uint64_t not_after_ms(const struct order *order, const struct call_terms *terms,
                             uint64_t now_ns)
{
    if (order->store_ms == 0)
        return 0;
    uint64_t passed_ns = now_ns > order->store_at_ns ? now_ns - order->store_at_ns : 0;
    uint64_t passed_ms = passed_ns / NS_PER_MS + (passed_ns % NS_PER_MS != 0);
    return order->store_ms + passed_ms + terms->clock_guard_ms;
}

static unsigned char *put_terms(unsigned char *at, const struct order_terms *terms)
{
    at = put(at, 7, terms->burst_tokens);
    at = put(at, 5, terms->token_units);
    at = put(at, 7, terms->step_units);
    return put(at, 7, terms->outstanding_tokens);
}

static unsigned char *put_totals(unsigned char *at, const struct order_totals *totals)
{
    assert(totals->granted <= ORDER_TOKENS_MAX && totals->disposed <= totals->granted);
    at = put(at, 6, totals->granted);
    at = put(at, 6, totals->disposed);
    at = put(at, 7, SIGNED_ZERO + (uint64_t)totals->net);
    return put(at, 6, least(totals->want, ORDER_TOKENS_MAX - totals->granted));
}

size_t call_write(const struct order *order, const struct call_terms *terms, uint64_t now_ns,
                  unsigned char call[CALL_BYTES_MAX])
{
    assert(order->buckets >= 1 && order->buckets <= BUCKETS_MAX && order->session != 0);
    unsigned char *at = put(call, 1, CALL_VERSION);
    at = put(at, 1, order->buckets);
    at = put(at, 4, order->terms_tag);
    at = put(at, 4, terms->ttl_ms);
    at = put(at, 4, terms->grace_ms);
    for (unsigned i = 0; i < order->buckets; i++)
        at = put_terms(at, &order->terms[i]);
    at = put(at, 1, order->flags);
    at = put(at, 8, order->session);
    at = put(at, 6, order->seq);
    at = put(at, 6, order->epoch_ms);
    at = put(at, 7, not_after_ms(order, terms, now_ns));
    for (unsigned i = 0; i < order->buckets; i++)
        at = put_totals(at, &order->totals[i]);
    bool takes_over = (order->flags & ORDER_TAKES_OVER) != 0;
    if (order->keep_ms > 0 || takes_over)
        at = put(at, CALL_KEEP_BYTES, order->keep_ms + (uint64_t)terms->grace_ms);
    if (takes_over)
        at = put(at, CALL_FORMER_BYTES, order->former);
    return (size_t)(at - call);
}

/* ---- the answer ---- */

static bool get_bucket(const unsigned char **at, struct order *order, unsigned bucket)
{
    order->granted[bucket] = get(at, 6);
    order->level_units[bucket] = (int64_t)get(at, 7) - (int64_t)SIGNED_ZERO;
    order->out_tokens[bucket] = get(at, 7);
    return order->granted[bucket] <= ORDER_TOKENS_MAX &&
           order->level_units[bucket] <= (int64_t)ORDER_UNITS_MAX;
}

static bool get_answer(const unsigned char *at, struct order *order)
{
    if (get(&at, 1) != CALL_VERSION)
        return false;
    uint64_t result = get(&at, 1);
    if (result > ORDER_VERSION)
        return false;
    order->result = (enum order_result)result;
    uint64_t flags = get(&at, 1);
    order->is_converted = (flags & ANSWER_CONVERTED) != 0;
    order->was_rolled_back = (flags & ANSWER_ROLLED_BACK) != 0;
    order->holders = (uint32_t)get(&at, 1);
    order->answered_epoch_ms = get(&at, 6);
    order->answered_ms = get(&at, 6);
    order->behind_ms = get(&at, 4);
    for (unsigned i = 0; i < order->buckets; i++)
        if (!get_bucket(&at, order, i))
            return false;
    return true;
}

bool call_read(struct order *order, const unsigned char *answer, size_t len)
{
    if (len != ANSWER_HEAD_BYTES + order->buckets * (size_t)ANSWER_BUCKET_BYTES)
        return false;
    struct order read = *order;
    if (!get_answer(answer, &read))
        return false;
    *order = read;
    return true;
}
