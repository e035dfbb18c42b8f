/*
 * The core: what the files of the brain share, and nobody else sees.
 */
#pragma once

#include "brain/brain.h"
#include "brain/buckets.h"

struct brain {
    struct limits *limits;
    enum when_full when_full;
    uint64_t tick_ns;
    uint64_t started_ns, now_ns;
    uint64_t last_tick_ns; /* the last tick's due time; ticks never drift from their multiples */
    struct buckets buckets;
    struct brain_counters counters;
    struct place places[LIST_MAX];  /* of the list that is being answered */
    uint16_t order[LIST_MAX];       /* of its calls, those about the same bucket together */
};
