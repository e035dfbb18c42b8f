/*
 * The core: what the files of the brain share, and nobody else sees.
 */
#pragma once

#include "brain/brain.h"
#include "brain/buckets.h"
#include "brain/hitters.h"
#include "brain/meters.h"
#include "brain/news.h"
#include "keep/store.h"

/* What is worked out of a list's calls, by their index. */
struct list_scratch {
    struct place place[LIST_MAX];
    uint16_t leader[LIST_MAX];           /* the first call about the same buckets */
    uint64_t tokens[LIST_MAX];           /* of a leader: of all calls that it leads */
    enum bucket_result result[LIST_MAX]; /* of a leader */
    uint16_t order[LIST_MAX];            /* calls about the same buckets together */
};

struct brain {
    struct limits *limits;
    enum when_full when_full;
    uint64_t tick_ns;
    uint64_t started_ns, now_ns;
    uint64_t last_tick_ns; /* the last tick's due time; ticks never drift from their multiples */
    struct buckets buckets;
    struct brain_counters counters;
    struct meters meters;
    struct hitters denied;  /* keys that were, labelled with their limit's index */
    struct sampler denials; /* for the log */
    struct news_told told;
    struct store *store;      /* where the state outlives the process, or NULL */
    struct moment moment;     /* the last one told, of a brain that has a store */
    const char *lost_state;   /* why the state will not outlive the process, or NULL */
    struct list_scratch list; /* while one is being answered */
    struct chain waiting;     /* LIMITS that there was no room for yet */
};

/* A brain without buckets and limits; NULL: no memory. brain_end gives back its memory,
 * and nothing that it owns by then. */
struct brain *brain_begin(uint64_t now_ns, int64_t date_s);
void brain_end(struct brain *brain);

/* Puts limits into force. false: no memory, and all is as it was. */
bool brain_install(struct brain *brain, const struct limits_question *ask);

/* Puts what the marks mean into the store, if there is one. */
void brain_keep_lines(struct brain *brain);
void brain_keep_time(struct brain *brain);
