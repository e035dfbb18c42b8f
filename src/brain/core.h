/*
 * The core: what the files of the brain share, and no other room sees.
 *
 * One thread, the brain's. Never blocks.
 */
#pragma once

#include "brain/brain.h"
#include "brain/buckets.h"
#include "brain/events.h"
#include "brain/hitters.h"
#include "brain/leases.h"
#include "brain/meters.h"
#include "brain/news.h"
#include "brain/once.h"
#include "brain/share_book.h"
#include "brain/throttle.h"
#include "brain/wait_heap.h"
#include "keep/store.h"

/* What list.c works out about the calls of a list, by their index. */
struct list_scratch {
    struct place place[LIST_MAX];
    uint16_t leader[LIST_MAX];           /* the first call about the same buckets */
    uint64_t tokens[LIST_MAX];           /* leaders only: the sum of all calls that they lead */
    enum bucket_result result[LIST_MAX]; /* leaders only */
    uint16_t order[LIST_MAX];            /* sorted, calls about the same buckets side by side */
};

struct brain {
    struct limits *limits;
    enum when_full when_full;
    uint64_t tick_ns;
    uint64_t started_ns, now_ns;
    uint64_t last_tick_ns; /* when the last tick was due: a lateness never shifts the next ones */
    uint64_t slept_ns;     /* of the lateness of the next tick: see brain_slept */
    /* What now_ns lacks to the time lived: see brain_lived_ns. It may be less than nothing, so it is
     * added as unsigned numbers are. */
    uint64_t lived_offset_ns;
    struct buckets buckets;
    struct leases leases;
    uint32_t max_leases;              /* as configured: the records may have room for more */
    uint32_t damaged_leases;          /* that were dropped at the start */
    struct runtime_lost runtime_lost; /* overrides that were, likewise */
    struct brain_counters counters;
    struct meters meters;
    struct hitters denied;  /* the keys denied most, labelled with their limit's index */
    struct sampler denials; /* which denials the log shows */
    struct events events;
    /* What the log has heard of by events: TOLD counters, and limits that are gone */
    struct brain_counters heard;
    struct forgotten gone;
    bool has_heard;                   /* some of that is still to be told */
    struct news_told told;            /* of what it has heard */
    struct store *store;              /* where the state outlives the process, or NULL */
    struct moment moment;             /* the last moment told */
    struct surroundings surroundings; /* as last told */
    const char *lost_state;           /* why the state will not outlive the process, or NULL */
    struct list_scratch list;         /* while one is being answered */
    struct once once;                 /* answers that are remembered */
    struct throttles throttles;       /* keys whose limits come along */
    struct chain waiting;             /* LIMITS that there was no room for yet */
    struct wait_heap waiters;         /* of all keys: see waits.h */
    uint64_t waiters_begun;           /* so many have waited so far, or wait */
    struct holding *left;  /* queues that somebody has left, and are still to be settled */
    struct shares shares;  /* of limits of scope fleet: see shares.h */
    struct chain moved;    /* they waited, and their limit is of another scope since a change */
    struct chain settled;  /* they wait no more, and are still to be answered */
    struct chain released; /* they are answered: see brain_released */
};

/* A brain without buckets and limits. NULL: no memory. brain_end gives back its own memory only,
 * not what it has come to own meanwhile. */
struct brain *brain_begin(uint64_t now_ns, int64_t date_s);
void brain_end(struct brain *brain);

/* The time of leases at a moment of the brain's clock that is not before it began: how long it and
 * all brains that it goes on from have lived, and what has passed between them as far as buckets were
 * credited with it. So the end of a lease is one number, over all restarts. */
static inline uint64_t brain_lived_ns(const struct brain *brain, uint64_t at_ns)
{
    return at_ns + brain->lived_offset_ns;
}

/* What is configured of the fleet, and what is counted of it. */
static inline const struct fleet_terms *brain_fleet_terms(const struct brain *brain)
{
    return &brain->limits->fleet;
}

static inline struct fleet_counters *brain_fleet_counters(struct brain *brain)
{
    return &brain->shares.counters;
}

/* Whether one more lease is one too many. */
static inline bool brain_leases_are_full(const struct brain *brain)
{
    return leases_are_full(&brain->leases) || brain->leases.held.count >= brain->max_leases;
}

/* Puts limits into force. false: no memory, and all is as it was. */
bool brain_install(struct brain *brain, const struct limits_question *ask);

/* Put into the store, if there is one, what the marks mean (lines) and the last tick (time). */
void brain_keep_lines(struct brain *brain);
void brain_keep_time(struct brain *brain);
