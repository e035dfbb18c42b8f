#include "fleet/courier_parts.h"

#include "base/quantity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- life ---- */

int courier_init(struct courier *courier, const struct fleet_settings *settings,
                 const struct clock *keys, uint64_t random, uint64_t now_ns)
{
    *courier = (struct courier){
        .settings = *settings,
        .keys = *keys,
        .first_try_ns = now_ns + settings->op_timeout_ms * NS_PER_MS,
        .down_ns = now_ns,
    };
    return posts_init(&courier->posts, &courier->settings, random) ? 0 : ENOMEM;
}

void courier_release(struct courier *courier)
{
    posts_release(&courier->posts);
}

void courier_stop(struct courier *courier)
{
    courier->is_stopping = true;
}

bool courier_is_idle(const struct courier *courier)
{
    return courier->trips.count == 0;
}

/* ---- letters ---- */

static void ask_or_end(struct courier *courier, struct trip *trip, uint64_t now_ns)
{
    ask_all(courier, trip, now_ns);
    if (trip->calls == 0 && courier->first_try_ns == 0)
        trips_end(&courier->trips, trip);
}

void courier_take(struct courier *courier, struct orders *letter, uint64_t now_ns)
{
    uint64_t due_ns = now_ns + courier->settings.op_timeout_ms * NS_PER_MS;
    letter->is_of_parts = courier->posts.is_cluster;
    struct trip *trip = courier->is_stopping ? NULL : trips_begin(&courier->trips, letter, due_ns);
    if (trip == NULL) {
        trips_answer(&courier->trips, letter, ORDER_NOT_SENT);
        return;
    }
    ask_or_end(courier, trip, now_ns);
}

/* Whether the first try to connect has just ended. */
static bool has_tried(const struct courier *courier, uint64_t now_ns)
{
    return courier->first_try_ns != 0 &&
           (courier->seen.link == FLEET_UP || courier->seen.trouble[0] != '\0' ||
            now_ns >= courier->first_try_ns);
}

/* Asks for what has waited for that. */
static void end_first_try(struct courier *courier, uint64_t now_ns)
{
    courier->first_try_ns = 0;
    for (unsigned i = 0; i < TRIPS_MAX; i++) {
        struct trip *trip = &courier->trips.trip[i];
        if (trip->letter != NULL && trip->calls == 0)
            ask_or_end(courier, trip, now_ns);
    }
}

/* ---- turns ---- */

static void take_reply(struct courier *courier, struct station *station,
                       const struct link_call *call, const redisReply *reply, uint64_t now_ns)
{
    if (call->kind == NODE_CALL)
        answers_take(courier, station, call, reply, now_ns);
    else if (call->kind == NODE_SLOTS)
        posts_take_slots(&courier->posts, station, reply);
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
            posts_are_stale(&courier->posts);
            break;
        case STATION_REPLY:
            take_reply(courier, station, &call, reply, now_ns);
            freeReplyObject(reply);
            break;
        case STATION_UNANSWERED:
            answers_miss(courier, &call);
            break;
        case STATION_LOST:
            posts_are_stale(&courier->posts);
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
    for (unsigned i = 0; i < courier->posts.count; i++) {
        struct station *station = &courier->posts.post[i]->station;
        if (station->state == STATION_UP && !posts_is_ready(&courier->posts, station, now_ns))
            station_trouble(station, text, now_ns);
    }
}

static void look(struct courier *courier, uint64_t now_ns)
{
    struct fleet_seen *seen = &courier->seen;
    bool up = posts_are_up(&courier->posts);
    seen->link = up                                      ? FLEET_UP
                 : posts_are_connecting(&courier->posts) ? FLEET_CONNECTING
                                                         : FLEET_DOWN;
    if (courier->down_ns != CLOCK_NEVER)
        seen->down_ns += now_ns - courier->down_ns;
    courier->down_ns = up ? CLOCK_NEVER : now_ns;
    seen->trouble[0] = '\0';
    for (unsigned i = 0; i < courier->posts.count; i++) {
        const struct station *station = &courier->posts.post[i]->station;
        if (station->node.server[0] != '\0')
            memcpy(seen->server, station->node.server, sizeof seen->server);
        if (seen->trouble[0] == '\0')
            memcpy(seen->trouble, station->trouble, sizeof seen->trouble);
    }
}

unsigned courier_poll(const struct courier *courier, struct pollfd polls[POSTS_POLLS_MAX])
{
    return posts_poll(&courier->posts, polls);
}

uint64_t courier_due_ns(const struct courier *courier)
{
    uint64_t posts_ns = posts_due_ns(&courier->posts), trips_ns = trips_due_ns(&courier->trips);
    return posts_ns < trips_ns ? posts_ns : trips_ns;
}

void courier_turn(struct courier *courier, const struct pollfd polls[POSTS_POLLS_MAX],
                  uint64_t now_ns)
{
    unsigned count = courier->posts.count; /* those that come meanwhile have no polls yet */
    for (unsigned i = 0; i < count; i++)
        turn_station(courier, &courier->posts.post[i]->station, polls + (size_t)STATION_POLLS * i,
                     now_ns);
    unsigned expired = trips_expire(&courier->trips, now_ns);
    courier->seen.calls_failed += expired;
    if (expired > 0)
        tell_silence(courier, now_ns);
    posts_turn(&courier->posts, now_ns);
    look(courier, now_ns);
    if (has_tried(courier, now_ns))
        end_first_try(courier, now_ns);
    trips_send_home(&courier->trips);
}
