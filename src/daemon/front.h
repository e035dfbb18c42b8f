/*
 * A front-end thread: accepts from every listener, and carries batches between HTTP and the state thread.
 *
 * Each turn of its loop: wait, accept, run HTTP (collect), exchange, run HTTP
 * (reply). Under way it holds at most one batch, so what it takes in is bounded.
 * When the answers are late it looks after its sockets meanwhile, so that health
 * can be told; every other request waits.
 *
 * Owns its connections; borrows the listeners and the state thread. Threads:
 * start, drain and join from one. Blocks: front_join. Errors: errno values.
 */
#pragma once

#include "actor/state.h"
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
    struct state *state;
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
    uint64_t tell_ns;        /* until when what was counted waits for a batch */
    atomic_bool draining;
    struct news news; /* of the last batch */
    pthread_t thread;
};

/* Starts the thread. `done` is an eventfd that the thread writes to as it ends;
 * `with_room`, 0 before the first start, counts the front-ends that have room. */
int front_start(struct front *front, const struct listener *listeners, unsigned listeners_count,
                struct state *state, struct contract *contract, const struct reload_desk *desk,
                unsigned connections_max, atomic_uint *with_room, int done);

/* Has every request that arrives from now on served by another contract. */
void front_set_contract(struct front *front, struct contract *contract);

/* Stop accepting, answer what has been accepted, and end, FRONT_DRAIN_MS at the latest. */
void front_drain(struct front *front);

/* Waits for the end, and frees. */
void front_join(struct front *front);
