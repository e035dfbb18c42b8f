/*
 * Acceptors: a front-end's eyes on the listeners, for as long as it has room.
 *
 * Every front-end looks at all listeners, and whoever comes first takes a connection. One that is
 * full leaves it to those that have room; if none has, the client is told so.
 *
 * Owns nothing: the listeners, the epoll set and the HTTP engine are borrowed. One thread, but for
 * the count of those with room. Never blocks. Errors: acceptor_open, an errno value.
 */
#pragma once

#include "base/clock.h"
#include "daemon/listener.h"
#include "http/wire/http.h"

#include <stdatomic.h>
#include <stdbool.h>

#define ACCEPTOR_PAUSE_MS 100       /* after descriptors or memory ran out */
#define ACCEPTOR_FULL_TOLD_MS 10000 /* so often at most the log has it that there is no room */

struct acceptor {
    struct http *http; /* where the connections go */
    const struct clock *clock;
    const struct listener *listeners;
    unsigned listeners_count;
    int epoll; /* where it looks at them */
    unsigned connections_max;
    bool is_open;            /* it looks at the listeners now */
    bool is_ending;          /* nobody else takes what it leaves */
    bool short_of_resources; /* the log has it */
    atomic_uint *with_room;  /* how many front-ends have room for another connection; shared */
    bool has_room;           /* this one is counted there */
    uint64_t full_told_ns;   /* until when the log need not have it again that none has */
    uint64_t resume_ns;      /* while not open, when to try again; 0: when there is room */
};

/* Begins to look at the listeners: of one that is all zeros but for what is borrowed. */
int acceptor_open(struct acceptor *acceptor);

/* Counts itself among those with room no more. */
void acceptor_release(struct acceptor *acceptor);

/* If the descriptor, which is readable, is a listener's: accepts some of what has come in on it. */
bool acceptor_heed(struct acceptor *acceptor, int descriptor);

/* Once there is room again: tells the others, and looks at the listeners. */
void acceptor_look_for_room(struct acceptor *acceptor);
static inline void acceptor_look_again(struct acceptor *acceptor)
{
    if (!acceptor->is_open || !acceptor->has_room) /* which is seldom */
        acceptor_look_for_room(acceptor);
}

/* When to call acceptor_look_again though nothing comes in, by the clock; CLOCK_NEVER: never. */
static inline uint64_t acceptor_due_ns(const struct acceptor *acceptor)
{
    return acceptor->is_open || acceptor->resume_ns == 0 ? CLOCK_NEVER : acceptor->resume_ns;
}

/* Takes in what the kernel has already accepted, then has it accept no more. */
void acceptor_end(struct acceptor *acceptor);
