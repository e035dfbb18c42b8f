#include "fleet/courier.h"

#include "base/quantity.h"
#include "fleet/call.h"
#include "fleet/name.h"
#include "fleet/refusal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_PAUSE_NS (250 * NS_PER_MS) /* between two times that the slots are asked for */

static_assert(ORDERS_MAX <= 16, "link_call.orders has a bit for each");

const struct histogram_bounds fleet_latency_bounds_ns = {
    .count = 12,
    .bound = {100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000,
              100000000, 250000000, 1000000000},
};

/* ---- posts ---- */

static bool add_post(struct courier *courier, enum node_kind kind, const char *words)
{
    struct post *post = calloc(1, sizeof *post);
    const struct fleet_settings *settings = &courier->settings;
    if (post == NULL)
        return false;
    if (words != NULL)
        strncpy(post->words, words, sizeof post->words - 1);
    courier->random += UINT64_C(0x9e3779b97f4a7c15);
    station_init(&post->station, kind, settings, words == NULL ? settings->stores : &post->words,
                 words == NULL ? settings->stores_count : 1, courier->random);
    courier->posts[courier->posts_count++] = post;
    return true;
}

static enum node_kind kind_of(const struct fleet_settings *settings)
{
    struct store store;
    if (!store_read(settings->stores[0], &store))
        return NODE_ALONE;
    if (store.kind == STORE_CLUSTER)
        return NODE_SEED;
    return store.kind == STORE_SENTINEL ? NODE_OF_SENTINEL : NODE_ALONE;
}

int courier_init(struct courier *courier, const struct fleet_settings *settings,
                 const struct clock *keys, uint64_t random, uint64_t now_ns)
{
    *courier =
        (struct courier){.settings = *settings, .keys = *keys, .random = random, .down_ns = now_ns};
    enum node_kind kind = kind_of(settings);
    courier->is_cluster = kind == NODE_SEED;
    return add_post(courier, kind, NULL) ? 0 : ENOMEM;
}

void courier_release(struct courier *courier)
{
    for (unsigned i = 0; i < courier->posts_count; i++) {
        station_release(&courier->posts[i]->station);
        free(courier->posts[i]);
    }
    courier->posts_count = 0;
}

/* The station that has these records; NULL: nobody is known to. */
static struct station *station_of(const struct courier *courier, uint8_t shard)
{
    if (!courier->is_cluster)
        return &courier->posts[0]->station;
    uint8_t at = courier->of_shard[shard];
    return at == 0 ? NULL : &courier->posts[at]->station;
}

static struct station *station_at(const struct courier *courier, const char *words)
{
    for (unsigned i = 1; i < courier->posts_count; i++) {
        if (strcmp(courier->posts[i]->words, words) == 0)
            return &courier->posts[i]->station;
    }
    return NULL;
}

static bool is_ready(const struct courier *courier, const struct station *station, uint64_t now_ns)
{
    uint64_t timeout_ns = courier->settings.op_timeout_ms * NS_PER_MS;
    uint64_t since_ns = now_ns > timeout_ns ? now_ns - timeout_ns : 0;
    return station->state == STATION_UP && node_is_ready(&station->node, since_ns);
}

/* ---- calls ---- */

static void set_results(struct orders *letter, uint16_t orders, enum order_result result)
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

/* Sends a call for these orders of a trip. false: there is no room. */
static bool send_call(const struct courier *courier, struct station *station,
                      const struct trip *trip, struct link_call call, uint64_t now_ns)
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
    struct station *station = station_of(courier, shard);
    struct link_call call = {.kind = NODE_CALL, .trip = trip->serial, .orders = orders};
    if (station == NULL || !is_ready(courier, station, now_ns) ||
        !send_call(courier, station, trip, call, now_ns))
        return;
    set_results(trip->letter, orders, ORDER_UNREACHABLE);
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
        if (!courier->is_cluster || its == *shard)
            beside |= (uint16_t)(1u << i);
    }
    return beside;
}

void courier_take(struct courier *courier, struct orders *letter, uint64_t now_ns)
{
    uint64_t due_ns = now_ns + courier->settings.op_timeout_ms * NS_PER_MS;
    struct trip *trip = courier->is_stopping ? NULL : trips_begin(&courier->trips, letter, due_ns);
    if (trip == NULL) {
        trips_answer(&courier->trips, letter, ORDER_NOT_SENT);
        return;
    }
    uint16_t left = (uint16_t)((1u << letter->count) - 1);
    while (left != 0) {
        uint8_t shard = 0;
        uint16_t orders = orders_beside(courier, letter, left, &shard);
        ask(courier, trip, orders, shard, now_ns);
        left = (uint16_t)(left & ~orders);
    }
    if (trip->calls == 0)
        trips_end(&courier->trips, trip);
}

/* ---- answers ---- */

static void end_call(struct courier *courier, struct trip *trip)
{
    if (--trip->calls == 0)
        trips_end(&courier->trips, trip);
}

/* Whether it is an array of as many answers as there are orders; these are then answered. */
static bool read_answers(struct orders *letter, uint16_t orders, const redisReply *reply)
{
    size_t at = 0;
    if (reply->type != REDIS_REPLY_ARRAY)
        return false;
    for (uint32_t i = 0; i < letter->count; i++) {
        if ((orders >> i & 1) == 0)
            continue;
        const redisReply *answer = at < reply->elements ? reply->element[at++] : NULL;
        if (answer == NULL || answer->type != REDIS_REPLY_STRING ||
            !call_read(&letter->order[i], (const unsigned char *)answer->str, answer->len))
            return false;
    }
    return at == reply->elements;
}

/* Sends a call once more. false: it cannot be, and nothing was done. */
static bool ask_again(const struct courier *courier, struct station *station,
                      const struct trip *trip, struct link_call call, bool is_asking,
                      uint64_t now_ns)
{
    const struct link_call asking_call = {.kind = NODE_ASKING};
    struct resp_arg asking = resp_string("ASKING");
    call.is_again = true;
    if (is_asking && !link_send(&station->node.link, &asking_call, 1, &asking, now_ns))
        return false;
    return send_call(courier, station, trip, call, now_ns);
}

/* The script is not there any more: it is loaded, and the call sent behind it. */
static bool load_and_ask(const struct courier *courier, struct station *station,
                         const struct trip *trip, const struct link_call *call, uint64_t now_ns)
{
    return !call->is_again && node_load(&station->node, now_ns) &&
           ask_again(courier, station, trip, *call, false, now_ns);
}

/* Another node of the cluster has this slot, or gets it just now. */
static bool ask_other(struct courier *courier, struct station *station, const struct trip *trip,
                      const struct link_call *call, const redisReply *reply, bool is_asking,
                      uint64_t now_ns)
{
    store_words words;
    if (!is_asking)
        courier->is_stale = true;
    if (call->is_again || !cluster_read_error(reply->str, station->seek.at.host, words))
        return false;
    struct station *other = station_at(courier, words);
    return other != NULL && is_ready(courier, other, now_ns) &&
           ask_again(courier, other, trip, *call, is_asking, now_ns);
}

/* Whether it was sent again. */
static bool bear_error(struct courier *courier, struct station *station, const struct trip *trip,
                       const struct link_call *call, const redisReply *reply, uint64_t now_ns)
{
    switch (refusal_of(reply->str, reply->len)->act) {
    case REFUSAL_LOAD:
        return load_and_ask(courier, station, trip, call, now_ns);
    case REFUSAL_MOVED:
    case REFUSAL_ASK:
        return courier->is_cluster &&
               ask_other(courier, station, trip, call, reply,
                         refusal_of(reply->str, reply->len)->act == REFUSAL_ASK, now_ns);
    case REFUSAL_STAY:
    case REFUSAL_LEAVE:
        return false;
    }
    return false;
}

static void take_error(struct courier *courier, struct station *station, struct trip *trip,
                       const struct link_call *call, const redisReply *reply, uint64_t now_ns)
{
    char told[STATION_TROUBLE_MAX];
    const struct refusal *refusal = refusal_of(reply->str, reply->len);
    if (bear_error(courier, station, trip, call, reply, now_ns))
        return;
    courier->seen.calls_failed++;
    if (courier->is_cluster && (refusal->act == REFUSAL_MOVED || refusal->act == REFUSAL_ASK)) {
        set_results(trip->letter, call->orders, ORDER_NOT_SENT);
        end_call(courier, trip);
        return;
    }
    set_results(trip->letter, call->orders, ORDER_REFUSED);
    refusal_tell(reply->str, reply->len, false, told, sizeof told);
    if (refusal->act == REFUSAL_LEAVE)
        station_leave(station, told);
    else
        station_trouble(station, told, now_ns);
    end_call(courier, trip);
}

static void take_answers(struct courier *courier, struct station *station, struct trip *trip,
                         const struct link_call *call, const redisReply *reply, uint64_t now_ns)
{
    if (read_answers(trip->letter, call->orders, reply)) {
        station_is_fine(station);
        histogram_add(&courier->seen.latency, &fleet_latency_bounds_ns, now_ns - call->sent_ns, 1);
    } else {
        courier->seen.calls_failed++;
        station_fail(station, "it answers the script's calls with something else than an answer");
    }
    end_call(courier, trip);
}

/* Whatever it says, it is nobody's. But it has answered. */
static void take_late(struct courier *courier, struct station *station, const redisReply *reply)
{
    courier->seen.late_answers++;
    if (reply->type != REDIS_REPLY_ERROR)
        station_is_fine(station);
}

static void lose_call(struct courier *courier, const struct link_call *call)
{
    struct trip *trip = call->kind == NODE_CALL ? trips_find(&courier->trips, call->trip) : NULL;
    if (trip == NULL)
        return;
    courier->seen.calls_failed++;
    end_call(courier, trip);
}

static void take_call(struct courier *courier, struct station *station,
                      const struct link_call *call, const redisReply *reply, uint64_t now_ns)
{
    struct trip *trip = trips_find(&courier->trips, call->trip);
    if (trip == NULL)
        take_late(courier, station, reply);
    else if (reply->type == REDIS_REPLY_ERROR)
        take_error(courier, station, trip, call, reply, now_ns);
    else
        take_answers(courier, station, trip, call, reply, now_ns);
}

/* ---- slots of a cluster ---- */

/* Whether some shard is this post's. */
static bool is_used(const struct courier *courier, unsigned post)
{
    return memchr(courier->of_shard, (int)post, sizeof courier->of_shard) != NULL;
}

/* The post of a node, which gets one if it has none; 0: there is no room. */
static uint8_t post_at(struct courier *courier, const store_words words)
{
    for (unsigned i = 1; i < courier->posts_count; i++) {
        if (strcmp(courier->posts[i]->words, words) == 0)
            return (uint8_t)i;
    }
    if (courier->posts_count == COURIER_STATIONS_MAX || !add_post(courier, NODE_OF_CLUSTER, words))
        return 0;
    return (uint8_t)(courier->posts_count - 1);
}

/* Posts that have no shard any more go; the last one takes the place of each. */
static void drop_unused(struct courier *courier)
{
    courier->has_new_map = false;
    for (unsigned i = 1; i < courier->posts_count;) {
        if (is_used(courier, i)) {
            i++;
            continue;
        }
        unsigned last = --courier->posts_count;
        station_release(&courier->posts[i]->station);
        free(courier->posts[i]);
        courier->posts[i] = courier->posts[last];
        for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++) {
            if (courier->of_shard[shard] == last)
                courier->of_shard[shard] = (uint8_t)i;
        }
    }
}

static void take_map(struct courier *courier, const struct cluster_map *map)
{
    uint8_t posts[CLUSTER_NODES_MAX] = {0};
    for (unsigned i = 0; i < map->nodes_count; i++)
        posts[i] = post_at(courier, map->nodes[i]);
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++) {
        uint8_t node = map->of_shard[shard];
        courier->of_shard[shard] = node == CLUSTER_NOBODY ? 0 : posts[node];
    }
    courier->is_stale = is_used(courier, 0);
    courier->has_new_map = true;
}

static void take_slots(struct courier *courier, struct station *station, const redisReply *reply)
{
    struct cluster_map map;
    char told[STATION_TROUBLE_MAX];
    if (cluster_read(reply, station->seek.at.host, &map)) {
        take_map(courier, &map);
        return;
    }
    if (reply->type != REDIS_REPLY_ERROR) {
        station_fail(station, "it tells no slots of a cluster");
        return;
    }
    refusal_tell(reply->str, reply->len, false, told, sizeof told);
    station_fail(station, told);
}

/* Asks a station that is up, the seed if it is; not too often. */
static void ask_for_slots(struct courier *courier, uint64_t now_ns)
{
    if (!courier->is_stale || now_ns < courier->slots_due_ns)
        return;
    courier->slots_due_ns = now_ns + SLOTS_PAUSE_NS;
    for (unsigned i = 0; i < courier->posts_count; i++) {
        struct station *station = &courier->posts[i]->station;
        if (is_ready(courier, station, now_ns) && node_ask_slots(&station->node, now_ns))
            return;
    }
}

/* ---- turns ---- */

static void take_reply(struct courier *courier, struct station *station,
                       const struct link_call *call, const redisReply *reply, uint64_t now_ns)
{
    if (call->kind == NODE_CALL)
        take_call(courier, station, call, reply, now_ns);
    else if (call->kind == NODE_SLOTS)
        take_slots(courier, station, reply);
}

static void turn_station(struct courier *courier, struct station *station,
                         const struct pollfd polls[STATION_POLLS], uint64_t now_ns)
{
    struct link_call call;
    redisReply *reply;
    enum station_event event;
    station_turn(station, polls, now_ns);
    while ((event = station_next(station, &call, &reply, now_ns)) != STATION_NOTHING) {
        switch (event) {
        case STATION_NOTHING:
            break;
        case STATION_CAME_UP:
            courier->seen.reconnects += station->ups > 1;
            courier->is_stale = courier->is_cluster;
            break;
        case STATION_REPLY:
            take_reply(courier, station, &call, reply, now_ns);
            freeReplyObject(reply);
            break;
        case STATION_UNANSWERED:
            lose_call(courier, &call);
            break;
        case STATION_LOST:
            courier->is_stale = courier->is_cluster;
            break;
        }
    }
}

/* Whether a station owes an answer for longer than it may. */
static void tell_silence(struct courier *courier, uint64_t now_ns)
{
    char text[80];
    snprintf(text, sizeof text, "it has not answered within %u ms",
             (unsigned)courier->settings.op_timeout_ms);
    for (unsigned i = 0; i < courier->posts_count; i++) {
        struct station *station = &courier->posts[i]->station;
        if (station->state == STATION_UP && !is_ready(courier, station, now_ns))
            station_trouble(station, text, now_ns);
    }
}

static bool is_up(const struct courier *courier)
{
    if (!courier->is_cluster)
        return courier->posts[0]->station.state == STATION_UP;
    for (unsigned shard = 0; shard < CLUSTER_SHARDS; shard++) {
        const struct station *station = station_of(courier, (uint8_t)shard);
        if (station == NULL || station->state != STATION_UP)
            return false;
    }
    return true;
}

static bool is_connecting(const struct courier *courier)
{
    for (unsigned i = 0; i < courier->posts_count; i++) {
        if (courier->posts[i]->station.state >= STATION_SEEKS)
            return true;
    }
    return false;
}

static void look(struct courier *courier, uint64_t now_ns)
{
    struct fleet_seen *seen = &courier->seen;
    bool up = is_up(courier);
    seen->link = up ? FLEET_UP : is_connecting(courier) ? FLEET_CONNECTING : FLEET_DOWN;
    if (courier->down_ns != CLOCK_NEVER)
        seen->down_ns += now_ns - courier->down_ns;
    courier->down_ns = up ? CLOCK_NEVER : now_ns;
    seen->trouble[0] = '\0';
    for (unsigned i = 0; i < courier->posts_count; i++) {
        const struct station *station = &courier->posts[i]->station;
        if (station->node.server[0] != '\0')
            memcpy(seen->server, station->node.server, sizeof seen->server);
        if (seen->trouble[0] == '\0')
            memcpy(seen->trouble, station->trouble, sizeof seen->trouble);
    }
}

unsigned courier_poll(struct courier *courier, struct pollfd polls[COURIER_POLLS_MAX])
{
    for (unsigned i = 0; i < courier->posts_count; i++)
        station_poll(&courier->posts[i]->station, polls + (size_t)STATION_POLLS * i);
    return STATION_POLLS * courier->posts_count;
}

uint64_t courier_due_ns(const struct courier *courier)
{
    uint64_t due_ns = trips_due_ns(&courier->trips);
    for (unsigned i = 0; i < courier->posts_count; i++) {
        uint64_t its_ns = station_due_ns(&courier->posts[i]->station);
        due_ns = its_ns < due_ns ? its_ns : due_ns;
    }
    if (courier->is_stale && courier->slots_due_ns < due_ns)
        due_ns = courier->slots_due_ns;
    return due_ns;
}

/* polls: none for posts that came since they were filled in. */
void courier_turn(struct courier *courier, const struct pollfd polls[COURIER_POLLS_MAX],
                  uint64_t now_ns)
{
    unsigned count = courier->posts_count;
    for (unsigned i = 0; i < count; i++)
        turn_station(courier, &courier->posts[i]->station, polls + (size_t)STATION_POLLS * i,
                     now_ns);
    unsigned expired = trips_expire(&courier->trips, now_ns);
    courier->seen.calls_failed += expired;
    if (expired > 0)
        tell_silence(courier, now_ns);
    if (courier->has_new_map)
        drop_unused(courier);
    ask_for_slots(courier, now_ns);
    look(courier, now_ns);
    trips_send_home(&courier->trips);
}

void courier_stop(struct courier *courier)
{
    courier->is_stopping = true;
}

bool courier_is_idle(const struct courier *courier)
{
    return courier->trips.count == 0;
}
