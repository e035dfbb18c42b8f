/*
 * A front-end: accepts from every listener, and carries letters between HTTP, or RESP, and the
 * decider.
 *
 * One turn: wait, accept, take letters home, run HTTP and RESP (collect), post a chain that begins
 * with the report, wait until the report is home, run both (reply). It posts no second chain before that, so
 * what it takes in is bounded. Letters that must wait come home later, one by one: the inbox is a
 * descriptor like its sockets. If the report itself is late (FRONT_STALL_MS), it goes back to its
 * sockets too, and posts no chain until it is home.
 *
 * If it hosts the decider, that answers in place: a chain as soon as it is posted, and as long as
 * few clients ask at once, each request by itself (http.h).
 *
 * front_start gives it a thread of its own, which turns until the end; front_join waits for that. A
 * test opens one without a thread and calls each turn itself, by a clock of its own.
 *
 * One that is to go (front_go) accepts no more, closes each connection behind its next answer, and
 * ends with its last, once what it has counted is told; its listeners stay for the others.
 *
 * Owns its connections and its inbox; borrows the listeners and the decider. Threads: one calls
 * start, join and what stands between them; one calls open, turn, timeout_ms and close. Blocks:
 * front_join; front_turn, for its timeout and FRONT_STALL_MS. Errors: errno values.
 */
#pragma once

#include "actor/decider.h"
#include "daemon/acceptor.h"
#include "daemon/listener.h"
#include "http/wire/http.h"
#include "resp/resp.h"

#include <pthread.h>
#include <stdatomic.h>

#define FRONT_DRAIN_MS 5000      /* a drain ends after that, whatever is still open */
#define FRONT_DRAIN_GRACE_MS 250 /* clients hear "Connection: close"; then idle ones are closed */
#define FRONT_STALL_MS 1000      /* if there is no answer for so long, it is a stall */
#define FRONT_MEASURE_MS 1000    /* its processor time is read no more often */
#define FRONT_TELL_MS 1000       /* what is counted goes then, if no chain takes it along before */

/* What the caller wishes of it; each comes after the one above. */
enum front_wish { FRONT_SERVE, FRONT_LEAVE, FRONT_DRAIN };

/* A front-end goes through these phases in this order, and may leave out any but the last two. */
enum front_phase {
    FRONT_SERVING,
    FRONT_GOING,    /* it accepts no more, and every reply is the last on its connection */
    FRONT_IN_GRACE, /* it accepts no more, and every reply says that it is the last one */
    FRONT_DRAINING, /* idle connections are closed, requests under way are answered */
    FRONT_CLOSED,   /* all connections are closed, but letters may be away */
    FRONT_ENDED,    /* no letter of its is away, nor comes any more */
};

struct front {
    struct http *http; /* closed once it has ended; freed by front_close */
    struct resp *resp; /* likewise; NULL: no listener is for it */
    struct decider *decider;
    const struct clock *clock;
    struct inbox home; /* its letters come home here */
    struct acceptor acceptor;
    int epoll;                          /* all that it waits for beside clients of HTTP */
    bool watches_home, watches_decider; /* it waits, and so for letters in these inboxes */
    bool has_heeded;   /* this turn found more for HTTP to see to than the wait for it did */
    unsigned unlooked; /* turns in a row that nothing else was looked at */
    int wake; /* an eventfd, written when there is another wish, or a listener was made anew */
    int done; /* the caller's eventfd, written at the end */
    enum front_phase phase;
    uint64_t drain_ns;             /* when the drain began */
    uint64_t asked_ns;             /* when the last chain was posted */
    bool is_stalled;               /* its report is late, and that is logged */
    bool has_told_last;            /* of all there was to tell */
    uint64_t busy_ns, measured_ns; /* its thread's processor time, and when that was read */
    uint64_t tell_ns;              /* when what is counted goes without a chain */
    atomic_int wish;               /* an enum front_wish */
    atomic_bool goes;              /* so is this: front_go */
    atomic_bool has_ended;
    pthread_t thread;
};

/* What front-ends share. It must stay until they have ended. */
struct front_terms {
    const struct listener *listeners;
    unsigned listeners_count;
    struct decider *decider;        /* if it is hosted: by the only front-end */
    struct inbox *reloads;          /* the main thread's */
    const struct fleet_view *fleet; /* of the fleet's store; NULL: there is none */
    struct contract *contract;      /* each takes a reference of its own */
    const struct clock *clock;
    unsigned connections_max;              /* of each, at any time */
    unsigned share;                        /* of each, now: see front_set_share */
    uint32_t idle_timeout_ms, header_room; /* see http.h */
    atomic_uint *with_room;                /* how many have room; 0 before the first start */
    struct http_flows *flows;              /* of all; NULL: each counts for itself */
    unsigned place;                        /* of this one: see tally.h */
    int done;                              /* an eventfd that each writes to when it has drained */
};

/* Opens it, and starts its thread. */
int front_start(struct front *front, const struct front_terms *terms);

/* Serves every request that arrives from now on by another contract. */
void front_set_contract(struct front *front, struct contract *contract);

/* Has it accept only as long as it has fewer connections than that. */
void front_set_share(struct front *front, unsigned connections);

/* A listener was made anew on its descriptor (listener_reopen): has it watched again. */
void front_listen_again(struct front *front);

/* Has /readyz say that it is about to drain. Everything else is served as before. */
void front_leave(struct front *front);

/* Has it accept no more, and end with its last connection. May be followed by the two others. */
void front_go(struct front *front);

/* Has it stop accepting, answer what has been accepted, and end, after FRONT_DRAIN_MS at the
 * latest. */
void front_drain(struct front *front);

/* Whether it has ended, or, if it hosts the decider, has drained. */
bool front_has_ended(const struct front *front);

/* Waits until it has ended, and frees it. */
void front_join(struct front *front);

/* ---- without a thread of its own ---- */

int front_open(struct front *front, const struct front_terms *terms);

/* Takes one turn, which waits up to timeout_ms for something to happen. Not after FRONT_ENDED. */
void front_turn(struct front *front, int timeout_ms);

/* Readable if something has come for a turn to see to. Before FRONT_CLOSED. */
int front_descriptor(const struct front *front);

/* How long the next turn may wait; -1: until something happens. */
int front_timeout_ms(const struct front *front);

/* Frees it. No letter may be away. */
void front_close(struct front *front);
