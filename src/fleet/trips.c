#include "fleet/trips.h"

#include "actor/inbox.h"
#include "base/clock.h"

#include <stddef.h>

/* ---- home ---- */

void trips_send_home(struct trips *trips)
{
    if (trips->answered.newest != NULL)
        inbox_post(trips->home, &trips->answered);
    trips->answered = (struct chain){0};
}

/* Letters that have one home go there together. */
static void answer(struct trips *trips, struct orders *letter)
{
    struct letter *answered = &letter->message.letter;
    if (trips->home != answered->home)
        trips_send_home(trips);
    trips->home = answered->home;
    chain_add(&trips->answered, answered);
}

static void set_results(struct orders *letter, enum order_result result)
{
    for (uint32_t i = 0; i < letter->count; i++)
        letter->order[i].result = result;
}

void trips_answer(struct trips *trips, struct orders *letter, enum order_result result)
{
    set_results(letter, result);
    answer(trips, letter);
}

/* ---- trips ---- */

struct trip *trips_begin(struct trips *trips, struct orders *letter, uint64_t due_ns)
{
    if (trips->count == TRIPS_MAX)
        return NULL;
    while (trips->trip[++trips->serial % TRIPS_MAX].letter != NULL)
        ;
    struct trip *trip = &trips->trip[trips->serial % TRIPS_MAX];
    *trip = (struct trip){.letter = letter, .serial = trips->serial, .due_ns = due_ns};
    trips->count++;
    set_results(letter, ORDER_NOT_SENT);
    return trip;
}

struct trip *trips_find(struct trips *trips, uint64_t serial)
{
    struct trip *trip = &trips->trip[serial % TRIPS_MAX];
    return trip->letter != NULL && trip->serial == serial ? trip : NULL;
}

void trips_end(struct trips *trips, struct trip *trip)
{
    struct orders *letter = trip->letter;
    trip->letter = NULL;
    trips->count--;
    answer(trips, letter);
}

uint64_t trips_due_ns(const struct trips *trips)
{
    uint64_t due_ns = CLOCK_NEVER;
    for (unsigned i = 0; i < TRIPS_MAX && trips->count > 0; i++) {
        if (trips->trip[i].letter != NULL && trips->trip[i].due_ns < due_ns)
            due_ns = trips->trip[i].due_ns;
    }
    return due_ns;
}

unsigned trips_expire(struct trips *trips, uint64_t now_ns)
{
    unsigned expired = 0;
    for (unsigned i = 0; i < TRIPS_MAX && trips->count > 0; i++) {
        if (trips->trip[i].letter != NULL && now_ns >= trips->trip[i].due_ns) {
            expired += trips->trip[i].calls > 0;
            trips_end(trips, &trips->trip[i]);
        }
    }
    return expired;
}
