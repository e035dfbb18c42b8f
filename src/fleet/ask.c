#include "fleet/courier_parts.h"

#include "fleet/call.h"
#include "fleet/name.h"

#include <assert.h>

static_assert(ORDERS_MAX <= 16, "link_call.orders has a bit for each");

void ask_set_results(struct orders *letter, uint16_t orders, enum order_result result)
{
    for (uint32_t i = 0; i < letter->count; i++) {
        if ((orders >> i & 1) != 0)
            letter->order[i].result = result;
    }
}

/* The keys and the argument of one order. */
struct asked {
    char record[FLEET_RECORD_NAME_MAX], epoch[FLEET_RECORD_NAME_MAX];
    unsigned char call[CALL_BYTES_MAX];
};

static uint8_t shard_of(const struct order *order)
{
    return fleet_shard(order->limit_name, order->limit_len, order->key, order->key_len);
}

static void write_order(const struct courier *courier, const struct orders *letter,
                        const struct order *order, struct asked *asked, struct resp_arg keys[2],
                        struct resp_arg *arg)
{
    const char *fleet = courier->settings.name;
    const struct call_terms terms = {letter->ttl_ms, letter->grace_ms, letter->clock_guard_ms};
    keys[0] = (struct resp_arg){asked->record, fleet_record_name(fleet, order, asked->record)};
    keys[1] =
        (struct resp_arg){asked->epoch, fleet_epoch_name(fleet, shard_of(order), asked->epoch)};
    *arg = (struct resp_arg){asked->call,
                             call_write(order, &terms, clock_now_ns(&courier->keys), asked->call)};
}

bool ask_call(const struct courier *courier, struct station *station, const struct trip *trip,
              struct link_call call, uint64_t now_ns)
{
    struct asked asked[ORDERS_MAX];
    struct resp_arg keys[2 * ORDERS_MAX], args[ORDERS_MAX];
    const struct orders *letter = trip->letter;
    size_t count = 0;
    for (uint32_t i = 0; i < letter->count; i++) {
        if ((call.orders >> i & 1) == 0)
            continue;
        write_order(courier, letter, &letter->order[i], &asked[count], &keys[2 * count],
                    &args[count]);
        count++;
    }
    return node_call(&station->node, &call, count, keys, args, now_ns);
}

/* Asks for these orders of a trip for the first time. */
static void ask(struct courier *courier, struct trip *trip, uint16_t orders, uint8_t shard,
                uint64_t now_ns)
{
    struct station *station = posts_of(&courier->posts, shard);
    struct link_call call = {.kind = NODE_CALL, .trip = trip->serial, .orders = orders};
    if (station == NULL || !posts_is_ready(&courier->posts, station, now_ns) ||
        !ask_call(courier, station, trip, call, now_ns))
        return;
    ask_set_results(trip->letter, orders, ORDER_UNREACHABLE);
    trip->calls++;
    courier->seen.calls++;
}

/* The orders that go with the first of those that are left. */
static uint16_t orders_beside(const struct courier *courier, const struct orders *letter,
                              uint16_t left, uint8_t *shard)
{
    uint16_t beside = 0;
    for (uint32_t i = 0; i < letter->count; i++) {
        if ((left >> i & 1) == 0)
            continue;
        uint8_t its = shard_of(&letter->order[i]);
        if (beside == 0)
            *shard = its;
        if (!courier->posts.is_cluster || its == *shard)
            beside |= (uint16_t)(1u << i);
    }
    return beside;
}

void ask_all(struct courier *courier, struct trip *trip, uint64_t now_ns)
{
    uint16_t left = (uint16_t)((1u << trip->letter->count) - 1);
    while (left != 0) {
        uint8_t shard = 0;
        uint16_t orders = orders_beside(courier, trip->letter, left, &shard);
        ask(courier, trip, orders, shard, now_ns);
        left = (uint16_t)(left & ~orders);
    }
}
