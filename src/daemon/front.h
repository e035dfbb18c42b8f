/*
 * A front-end: accepts from every listener, and carries letters between HTTP and the decider.
 *
 * Each turn of its loop: wait, accept, take letters home, run HTTP (collect), post a chain of
 * letters and wait until it is answered, run HTTP (reply). It posts no other chain before that, so
 * what it takes in is bounded. When the answers are late it goes back to its sockets, and its inbox
 * is one more descriptor among them; so it does for letters that come home by themselves.
 *
 * If it hosts the decider, that answers a chain in place, as soon as it is posted.
 *
 * It has a thread of its own that turns until the end (front_start, front_join); a test opens one
 * without, and calls each turn itself, by a clock of its own.
 *
 * Owns its connections and its inbox; borrows the listeners and the decider. Threads: start, drain
 * and join from one; open, turn and close from one too. Blocks: front_join; front_turn, for as
 * long as it may and FRONT_STALL_MS. Errors: errno values.
 */
#pragma once

#include "actor/decider.h"
#include "daemon/acceptor.h"
#include "daemon/listener.h"
#include "http/wire/http.h"

#include <pthread.h>
#include <stdatomic.h>

#define FRONT_DRAIN_MS 5000 /* after which a drain ends, whatever is still open */
#define FRONT_DRAIN_GRACE_MS                                                                       \
    250 /* in which clients hear "Connection: close" before idle ones are closed */
#define FRONT_STALL_MS 1000 /* without an answer, after which health is told red */
#define FRONT_TELL_MS                                                                              \
    1000 /* in which what was counted is told, if no chain takes it along earlier */

/* A front-end goes through these in their order. */
enum front_phase {
    FRONT_SERVING,
    FRONT_IN_GRACE, /* it accepts no more, and every reply says that it is the last one */
    FRONT_DRAINING, /* idle connections are closed, what is under way is answered */
    FRONT_CLOSED,   /* all connections are closed, but letters are away */
    FRONT_ENDED,    /* it owns nothing any more that others could reach */
};

struct front {
    struct http *http; /* NULL once it has ended */
    struct decider *decider;
    const struct clock *clock;
    struct inbox home; /* its letters come home to it */
    struct acceptor acceptor;
    /* wake: an eventfd, written to drain; done: the caller's, written at the end */
    int epoll, wake, done;
    enum front_phase phase;
    uint64_t drain_ns; /* when the drain began */
    uint64_t asked_ns; /* when the last chain was posted */
    bool is_stalled;   /* it is not answered yet, and that has been told */
    uint64_t tell_ns;  /* until when what was counted waits for a chain */
    atomic_bool draining;
    pthread_t thread;
};

/* What front-ends share, and is theirs to use until they have ended. */
struct front_terms {
    const struct listener *listeners;
    unsigned listeners_count;
    struct decider *decider;   /* if it is hosted, the one front-end hosts it */
    struct inbox *reloads;     /* the main thread's */
    struct contract *contract; /* each takes a reference of its own */
    const struct clock *clock;
    unsigned connections_max; /* of each */
    atomic_uint *with_room;   /* 0 before the first start: how many have room */
    int done;                 /* an eventfd that each writes to when it has drained */
};

/* Opens it, and starts its thread. */
int front_start(struct front *front, const struct front_terms *terms);

/* Has every request that arrives from now on served by another contract. */
void front_set_contract(struct front *front, struct contract *contract);

/* Stop accepting, answer what has been accepted, and end, FRONT_DRAIN_MS at the latest. */
void front_drain(struct front *front);

/* Waits for the end, and frees. */
void front_join(struct front *front);

/* ---- for whoever has no thread ---- */

int front_open(struct front *front, const struct front_terms *terms);

/* One turn, which waits for so long at most until something happens. Not once it has ended. */
void front_turn(struct front *front, int timeout_ms);

/* How long the next turn may wait; -1: until something happens. */
int front_timeout_ms(const struct front *front);

/* Frees. No letter may be away. */
void front_close(struct front *front);
