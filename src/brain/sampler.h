/*
 * Samplers: at most so many of many in each period, and how many that leaves out.
 *
 * A sampler is a credit line of one bucket whose tick is the period and whose burst
 * is all that may go in one: each period begins with a full bucket, so nothing is
 * saved up, and no stretch of time as long as a period has more than twice as many.
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include "limits/credit.h"

#include <stdbool.h>
#include <stdint.h>

/* What became of one. */
struct sample {
    bool is_taken;
    uint64_t left_out; /* of one that is taken: how many were not since the one before */
};

/* All zeros: one that takes none, and counts none. */
struct sampler {
    struct rate rate; /* of 0 tokens: see above */
    struct credit_line line;
    uint64_t spent_mark;
    uint64_t began_ns; /* the period at hand */
    uint64_t left_out;
};

/* The most tokens that the rate of a sampler may have. */
#define SAMPLER_TOKENS_MAX 1000000

/* From now on at this rate, of 0 tokens to take none; at the same as before nothing changes. */
void sampler_set(struct sampler *sampler, struct rate rate, uint64_t now_ns);

/* Of one that comes now; the time never goes back. */
struct sample sampler_take(struct sampler *sampler, uint64_t now_ns);
