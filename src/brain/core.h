/*
 * The core: what the files of the brain share, and nobody else sees.
 */
#pragma once

#include "brain/brain.h"
#include "brain/buckets.h"
#include "brain/meters.h"
#include "brain/news.h"
#include "pure/hitters.h"

/* What is worked out of a list's calls, by their index. */
struct list_scratch {
    struct place place[LIST_MAX];
    uint16_t leader[LIST_MAX];            /* the first call about the same buckets */
    uint64_t tokens[LIST_MAX];            /* of a leader: of all calls that it leads */
    enum bucket_result result[LIST_MAX];  /* of a leader */
    uint16_t order[LIST_MAX];             /* calls about the same buckets together */
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
    struct hitters denied; /* keys that were, labelled with their limit's index */
    struct sampler denials; /* for the log */
    struct news_told told;
    struct list_scratch list; /* while one is being answered */
};
