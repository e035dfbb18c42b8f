/*
 * Front-ends as a pool, to which a reload adds and from which it takes away.
 *
 * One that is added accepts like the others from its first turn on. One that is taken away goes by
 * itself (front_go): it accepts no more, closes each connection behind its next answer, and ends
 * with its last. Until then it keeps its place here, so there are more places than front-ends that
 * may serve; if all are taken, fewer are added, and the next call makes up for it.
 *
 * Those that serve share the connections that there may be, evenly. What one that goes still has
 * comes on top.
 *
 * Owns its front-ends; borrows what is in the terms. Threads: the main one. Blocks: fronts_end.
 * Errors: errno values.
 */
#pragma once

#include "brain/tally.h"
#include "daemon/front.h"

#include <assert.h>

#define FRONTS_SERVING_MAX 64
#define FRONTS_MAX 128u /* twice as many */
static_assert(FRONTS_MAX == 2 * FRONTS_SERVING_MAX, "and so they say");
static_assert(FRONTS_MAX == TALLY_FRONTS_MAX, "each place is known by its reports");

struct fronts {
    struct front_terms terms; /* what each is started with, but for its share */
    unsigned connections;     /* of all together */
    unsigned serving, going;  /* how many do so */
    atomic_uint with_room;    /* see acceptor.h */
    struct http_flows flows;  /* see http.h */
    struct fronts_place {
        bool is_taken, is_going;
        struct front front;
    } places[FRONTS_MAX];
};

/* Makes it a pool without front-ends. terms: what is to be shared, but for with_room, `done`, the
 * share and the connections of each, which the pool sees to. An errno value: no descriptor. */
int fronts_init(struct fronts *fronts, const struct front_terms *terms);

/* Readable if one has ended since fronts_look. */
int fronts_event(const struct fronts *fronts);

/* Has as many serve, at least one, with so many connections together and by this contract. If one
 * cannot be started, those that were serve on. */
int fronts_set(struct fronts *fronts, unsigned wanted, unsigned connections,
               struct contract *contract);

/* Frees those that went and have ended. Returns how many. */
unsigned fronts_look(struct fronts *fronts);

/* What each is to do: see front.h. */
void fronts_set_contract(struct fronts *fronts, struct contract *contract);
void fronts_listen_again(struct fronts *fronts);
void fronts_leave(struct fronts *fronts);
void fronts_drain(struct fronts *fronts);

/* After fronts_drain: whether all have ended. */
bool fronts_have_ended(struct fronts *fronts);

/* Waits for them, and frees them. The one that hosts the decider ends once that is stopped. */
void fronts_end(struct fronts *fronts);
