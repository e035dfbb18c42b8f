#include "fleet/courier_parts.h"

#include "fleet/call.h"
#include "fleet/refusal.h"

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
    return ask_call(courier, station, trip, call, now_ns);
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
        posts_are_stale(&courier->posts);
    if (call->is_again || !cluster_read_error(reply->str, station->seek.at.host, words))
        return false;
    struct station *other =
        is_asking ? posts_meet(&courier->posts, words) : posts_at(&courier->posts, words);
    return other != NULL && posts_is_ready(&courier->posts, other, now_ns) &&
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
        return courier->posts.is_cluster &&
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
    if (courier->posts.is_cluster &&
        (refusal->act == REFUSAL_MOVED || refusal->act == REFUSAL_ASK)) {
        ask_set_results(trip->letter, call->orders, ORDER_NOT_SENT);
        end_call(courier, trip);
        return;
    }
    ask_set_results(trip->letter, call->orders, ORDER_REFUSED);
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

void answers_miss(struct courier *courier, const struct link_call *call)
{
    struct trip *trip = call->kind == NODE_CALL ? trips_find(&courier->trips, call->trip) : NULL;
    if (trip == NULL)
        return;
    courier->seen.calls_failed++;
    end_call(courier, trip);
}

void answers_take(struct courier *courier, struct station *station, const struct link_call *call,
                  const redisReply *reply, uint64_t now_ns)
{
    struct trip *trip = trips_find(&courier->trips, call->trip);
    if (trip == NULL)
        take_late(courier, station, reply);
    else if (reply->type == REDIS_REPLY_ERROR)
        take_error(courier, station, trip, call, reply, now_ns);
    else
        take_answers(courier, station, trip, call, reply, now_ns);
}
