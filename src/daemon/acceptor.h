/*
 * Acceptors: accept connections for a front-end, for as long as it has room.
 *
 * Every front-end watches all listeners, and whichever comes first takes a connection. One that is
 * full stops watching while another has room (with_room counts those). If none has, each accepts
 * whoever comes, to tell the client 503; for that it needs descriptors besides those of its
 * connections (HTTP_LEAVING_SPARE).
 *
 * Owns nothing: the listeners, the epoll set and the HTTP engine are borrowed. One thread, except
 * for with_room. Never blocks. Errors: acceptor_open, an errno value.
 */
#pragma once

#include "base/clock.h"
#include "daemon/listener.h"
#include "http/wire/http.h"
#include "resp/resp.h"

#include <stdatomic.h>
#include <stdbool.h>

#define ACCEPTOR_PAUSE_MS 100       /* until it tries again, after descriptors or memory ran out */
#define ACCEPTOR_FULL_TOLD_MS 10000 /* between two warnings that there is no room */

struct acceptor {
    struct http *http; /* where the connections go */
    struct resp *resp; /* where those of listen_resp go; NULL: there is no such listener */
    const struct clock *clock;
    const struct listener *listeners;
    unsigned listeners_count;
    int epoll;               /* the set it watches them with */
    bool is_open;            /* it watches the listeners now */
    bool is_ending;          /* it drains, so nobody else takes what it leaves */
    bool short_of_resources; /* descriptors or memory ran out, and that is logged */
    atomic_uint *with_room;  /* how many front-ends have room for another connection; shared */
    bool has_room;           /* this one is counted in with_room */
    uint64_t full_told_ns;   /* until when it is not logged again that none has room */
    uint64_t resume_ns;      /* if not open: when to try again; 0: as soon as there is room */
};

/* Begins to watch the listeners. All members must be zero except those that are borrowed. */
int acceptor_open(struct acceptor *acceptor);

/* A listener was made anew, on the same descriptor: watches it again. */
void acceptor_listen_again(struct acceptor *acceptor);

/* Takes it out of the count with_room. */
void acceptor_release(struct acceptor *acceptor);

/* If the descriptor, which is readable, is a listener: accepts some connections from it. */
bool acceptor_heed(struct acceptor *acceptor, int descriptor);

/* If there is room again: tells the others by with_room, and watches the listeners. */
void acceptor_look_for_room(struct acceptor *acceptor);
static inline void acceptor_look_again(struct acceptor *acceptor)
{
    if (!acceptor->is_open || !acceptor->has_room) /* seldom true */
        acceptor_look_for_room(acceptor);
}

/* When to call acceptor_look_again even if nothing comes in; CLOCK_NEVER: never. */
static inline uint64_t acceptor_due_ns(const struct acceptor *acceptor)
{
    return acceptor->is_open || acceptor->resume_ns == 0 ? CLOCK_NEVER : acceptor->resume_ns;
}

/* Stops watching the listeners for good; they are left to others. */
void acceptor_leave(struct acceptor *acceptor);

/* For a drain: accepts what waits in the backlogs, then stops listening. Inherited sockets it only
 * stops watching: see inherited.h. */
void acceptor_end(struct acceptor *acceptor);
