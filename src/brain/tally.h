/*
 * Tallies: what a front-end thread has counted by itself and not told yet.
 *
 * Each front-end counts its own requests and connections; a tally goes over to the
 * state thread beside a batch, is added up there, and comes back to be cleared. So
 * what is counted is shared by no two threads, and nothing is counted twice or lost.
 *
 * Owns its numbers. One thread at a time. Never blocks. Never fails.
 */
#pragma once

#include "brain/counters.h"

#include <stdbool.h>
#include <stdint.h>

#define TALLY_ROUTES_MAX 16
#define TALLY_STATUS_MIN 100
#define TALLY_STATUSES 500
#define TALLY_CELLS (TALLY_ROUTES_MAX * TALLY_STATUSES)

/* All zeros: nothing has been counted. */
struct tally {
#define X(field, ...) int64_t field;
    FRONT_COUNTERS(X) /* see counters.h */
#undef X
    uint32_t used_count;
    uint16_t used[TALLY_CELLS];  /* the cells that are not zero */
    uint32_t cells[TALLY_CELLS]; /* requests, by route and status: see tally_cell */
};

/* The cell of a route's number and a status. */
static inline uint32_t tally_cell(unsigned route, unsigned status)
{
    return route * TALLY_STATUSES + status - TALLY_STATUS_MIN;
}

/* Counts a request that was replied to. */
static inline void tally_request(struct tally *tally, unsigned route, unsigned status)
{
    uint32_t cell = tally_cell(route, status);
    if (tally->cells[cell]++ == 0)
        tally->used[tally->used_count++] = (uint16_t)cell;
}

static inline bool tally_is_empty(const struct tally *tally)
{
    int64_t any = tally->used_count;
#define X(field, ...) any |= tally->field;
    FRONT_COUNTERS(X)
#undef X
    return any == 0;
}

void tally_clear(struct tally *tally);
