#include "daemon/fronts.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* The taken places, one after the other; NULL behind the last. */
static struct fronts_place *taken_from(struct fronts *fronts, unsigned at)
{
    while (at < FRONTS_MAX && !fronts->places[at].is_taken)
        at++;
    return at < FRONTS_MAX ? &fronts->places[at] : NULL;
}

static struct fronts_place *first(struct fronts *fronts)
{
    return taken_from(fronts, 0);
}

static struct fronts_place *next(struct fronts *fronts, const struct fronts_place *place)
{
    return taken_from(fronts, (unsigned)(place - fronts->places) + 1);
}

int fronts_init(struct fronts *fronts, const struct front_terms *terms)
{
    fronts->terms = *terms;
    fronts->terms.with_room = &fronts->with_room;
    atomic_init(&fronts->flows.open, 0);
    atomic_init(&fronts->flows.max, 0);
    fronts->terms.flows = &fronts->flows;
    fronts->terms.done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fronts->terms.done < 0 ? errno : 0;
}

int fronts_event(const struct fronts *fronts)
{
    return fronts->terms.done;
}

static struct fronts_place *free_place(struct fronts *fronts)
{
    for (unsigned i = 0; i < FRONTS_MAX; i++)
        if (!fronts->places[i].is_taken)
            return &fronts->places[i];
    return NULL;
}

static int add(struct fronts *fronts)
{
    struct fronts_place *place = free_place(fronts);
    if (place == NULL)
        return EAGAIN;
    fronts->terms.place = (unsigned)(place - fronts->places);
    int error = front_start(&place->front, &fronts->terms);
    if (error != 0)
        return error;
    place->is_taken = true;
    place->is_going = false;
    fronts->serving++;
    return 0;
}

/* The one that came last goes first. */
static void take_away(struct fronts *fronts)
{
    struct fronts_place *last = NULL;
    for (struct fronts_place *place = first(fronts); place != NULL; place = next(fronts, place))
        if (!place->is_going)
            last = place;
    assert(last != NULL); /* some serve, or there would be none to take away */
    last->is_going = true;
    fronts->serving--;
    fronts->going++;
    front_go(&last->front);
}

static unsigned share(const struct fronts *fronts, unsigned serving)
{
    unsigned each = fronts->connections / serving;
    return each == 0 ? 1 : each;
}

static void share_out(struct fronts *fronts)
{
    for (struct fronts_place *place = first(fronts); place != NULL; place = next(fronts, place))
        if (!place->is_going)
            front_set_share(&place->front, share(fronts, fronts->serving));
}

int fronts_set(struct fronts *fronts, unsigned wanted, unsigned connections,
               struct contract *contract)
{
    int error = 0;
    fronts->connections = connections;
    fronts->terms.contract = contract;
    fronts->terms.connections_max = connections < wanted ? wanted : connections;
    fronts->terms.share = share(fronts, wanted);
    atomic_store(&fronts->flows.max, http_flows_max(connections));
    while (error == 0 && fronts->serving < wanted)
        error = add(fronts);
    while (fronts->serving > wanted)
        take_away(fronts);
    if (fronts->serving > 0)
        share_out(fronts);
    return error;
}

static void release(struct fronts *fronts, struct fronts_place *place)
{
    front_join(&place->front);
    place->is_taken = false;
    if (place->is_going)
        fronts->going--;
    else
        fronts->serving--;
}

static void forget_event(struct fronts *fronts)
{
    eventfd_t ignored;
    eventfd_read(fronts->terms.done, &ignored);
}

unsigned fronts_look(struct fronts *fronts)
{
    unsigned ended = 0;
    forget_event(fronts);
    for (struct fronts_place *place = first(fronts); place != NULL; place = next(fronts, place))
        if (place->is_going && front_has_ended(&place->front)) {
            release(fronts, place);
            ended++;
        }
    return ended;
}

void fronts_set_contract(struct fronts *fronts, struct contract *contract)
{
    for (struct fronts_place *place = first(fronts); place != NULL; place = next(fronts, place))
        front_set_contract(&place->front, contract);
}

void fronts_listen_again(struct fronts *fronts)
{
    for (struct fronts_place *place = first(fronts); place != NULL; place = next(fronts, place))
        front_listen_again(&place->front);
}

void fronts_leave(struct fronts *fronts)
{
    for (struct fronts_place *place = first(fronts); place != NULL; place = next(fronts, place))
        front_leave(&place->front);
}

void fronts_drain(struct fronts *fronts)
{
    for (struct fronts_place *place = first(fronts); place != NULL; place = next(fronts, place))
        front_drain(&place->front);
}

bool fronts_have_ended(struct fronts *fronts)
{
    bool all = true;
    forget_event(fronts);
    for (struct fronts_place *place = first(fronts); place != NULL; place = next(fronts, place))
        all &= front_has_ended(&place->front);
    return all;
}

void fronts_end(struct fronts *fronts)
{
    for (struct fronts_place *place = first(fronts); place != NULL; place = next(fronts, place))
        release(fronts, place);
    close(fronts->terms.done);
}
