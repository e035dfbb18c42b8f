/*
 * A front-end thread: accepts from every listener, and carries letters between HTTP and the decider.
 *
 * Each turn of its loop: wait, accept, take letters home, run HTTP (collect), post a chain of
 * letters and wait until it is answered, run HTTP (reply). It posts no other chain before that, so
 * what it takes in is bounded. When the answers are late it goes back to its sockets, and its inbox
 * is one more descriptor among them; so it does for letters that come home by themselves.
 *
 * If it hosts the decider, that answers a chain in place, as soon as it is posted.
 *
 * Owns its connections and its inbox; borrows the listeners and the decider. Threads:
 * start, drain and join from one. Blocks: front_join. Errors: errno values.
 */
#pragma once

#include "actor/decider.h"
#include "daemon/listener.h"
#include "http/wire/http.h"

#include <pthread.h>
#include <stdatomic.h>

#define FRONT_DRAIN_MS 5000 /* after which a drain ends, whatever is still open */
#define FRONT_DRAIN_GRACE_MS                                                                       \
    250 /* in which clients hear "Connection: close" before idle ones are closed */
#define FRONT_STALL_MS 1000 /* without an answer, after which health is told red */
#define FRONT_TELL_MS                                                                              \
    1000 /* in which what was counted is told, if no batch takes it along earlier */
#define FRONT_ACCEPT_PAUSE_MS 100 /* after descriptors or memory ran out */
#define FRONT_FULL_TOLD_MS 10000  /* so often at most the log has it that there is no room */

struct front {
    struct http *http;
    struct decider *decider;
    struct inbox home; /* its letters come home to it */
    const struct listener *listeners;
    unsigned listeners_count;
    /* wake: an eventfd, written to drain; done: the caller's, written at the end */
    int epoll, wake, done;
    bool accepting;
    unsigned connections_max;
    bool short_of_resources; /* the log has it */
    atomic_uint *with_room;  /* how many front-ends have room for another connection; shared */
    bool has_room;           /* this one is counted there */
    uint64_t full_told_ns;   /* until when the log need not have it again that none has */
    uint64_t resume_ns;      /* while not accepting, when to try again; 0: when there is room */
    uint64_t asked_ns;       /* when the last chain was posted */
    bool is_stalled;         /* it is not answered yet, and that has been told */
    uint64_t tell_ns;        /* until when what was counted waits for a batch */
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
    unsigned connections_max;  /* of each */
    atomic_uint *with_room;    /* 0 before the first start: how many have room */
    int done;                  /* an eventfd that each writes to when it has drained */
};

/* Starts the thread. */
int front_start(struct front *front, const struct front_terms *terms);

/* Has every request that arrives from now on served by another contract. */
void front_set_contract(struct front *front, struct contract *contract);

/* Stop accepting, answer what has been accepted, and end, FRONT_DRAIN_MS at the latest. */
void front_drain(struct front *front);

/* Waits for the end, and frees. */
void front_join(struct front *front);
