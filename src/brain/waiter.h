/*
 * Waiters: what the brain notes in a message while that waits for its tokens.
 *
 * It is a member of every message, so the brain needs no memory for one that waits. The asker
 * leaves it all zeros, or as it came home.
 *
 * Owns nothing. Threads: the one that has the message. Never blocks. Never fails.
 */
#pragma once

#include "limits/limits.h"

#include <stdint.h>

struct holding;
struct share;

struct waiter {
    struct holding *holding;       /* in whose queue it is; NULL: it does not wait there */
    struct share *share;           /* the same, under a limit of scope fleet: see shares.h */
    struct waiter *before, *after; /* in that queue */
    uint64_t number;               /* in the order of arrival, of all keys; it stays the same */
    uint64_t asked_ns, deadline_ns;
    uint64_t due_tick; /* the tick that pays it; TICK_NEVER: nobody can say */
    uint64_t due_ns;   /* when that tick is; if nobody can say: its deadline */
    uint32_t heap_at;  /* see wait_heap.h */
    /* charges that came after the one before it in the queue, and so are applied when that is gone */
    uint64_t charged_before[BUCKETS_MAX]; /* in units */
};

#define TICK_NEVER UINT64_MAX
