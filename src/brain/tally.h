/*
 * Tallies: what a front-end has counted and not yet told.
 *
 * Each front-end counts its own requests and connections. Its report letter (MESSAGE_TALLY) takes
 * the tally along with each chain; the brain adds it up, and the tally comes home to be cleared.
 * Meanwhile the front-end counts in a second one. If there is no chain, the report goes by itself
 * after a second (FRONT_TELL_MS), so an idle front-end sleeps. No two threads share a number, and
 * nothing is counted twice or lost.
 *
 * Owns its numbers. Threads: one at a time. Never blocks. Never fails.
 */
#pragma once

#include "brain/counters.h"

#include <stdbool.h>
#include <stdint.h>

#define TALLY_ROUTES_MAX 24
#define TALLY_STATUS_MIN 100
#define TALLY_STATUSES 500
#define TALLY_CELLS (TALLY_ROUTES_MAX * TALLY_STATUSES)

/* Front-ends at a time, those that go included: each has a place, by which it is known. */
#define TALLY_FRONTS_MAX 128

/* What a front-end tells of itself. */
struct tally_front {
    uint32_t place;
    bool is_news;      /* to be told though nothing was counted */
    bool goes;         /* it accepts no more */
    bool is_last;      /* and has ended: its place is free */
    uint64_t busy_ns;  /* processor time that its thread has used, */
    uint64_t since_ns; /* in so much time; 0: not measured anew */
};

/* All zeros: nothing has been counted. */
struct tally {
    struct tally_front front;
#define X(field, ...) int64_t field;
    FRONT_COUNTERS(X) /* see counters.h */
#undef X
    uint32_t used_count;
    uint16_t used[TALLY_CELLS];  /* the cells that are not zero */
    uint32_t cells[TALLY_CELLS]; /* requests, by route and status: see tally_cell */
};

/* The cell for the number of a route and a status. */
static inline uint32_t tally_cell(unsigned route, unsigned status)
{
    return route * TALLY_STATUSES + status - TALLY_STATUS_MIN;
}

/* Counts a request that has got its reply. */
static inline void tally_request(struct tally *tally, unsigned route, unsigned status)
{
    uint32_t cell = tally_cell(route, status);
    if (tally->cells[cell]++ == 0)
        tally->used[tally->used_count++] = (uint16_t)cell;
}

static inline bool tally_is_empty(const struct tally *tally)
{
    int64_t any = tally->used_count | tally->front.is_news;
#define X(field, ...) any |= tally->field;
    FRONT_COUNTERS(X)
#undef X
    return any == 0;
}

/* Place and state of the front-end stay. */
void tally_clear(struct tally *tally);
