/*
 * Samplers: take at most N events in each period, and count those skipped.
 *
 * A sampler is one bucket on a credit line (credit.h) with the period as its tick and N as its
 * burst. So each period begins with a full bucket and nothing is saved up; any stretch of time
 * as long as a period has at most 2 N events.
 *
 * The brain's sampler chooses which denials the log shows, in the order in which they are
 * decided: the rate holds exactly for all front-ends together, and they share nothing. The
 * choice goes along with the answer; the front-end that asked writes the line.
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include "limits/credit.h"

#include <stdbool.h>
#include <stdint.h>

/* What became of one event. */
struct sample {
    bool is_taken;
    uint64_t left_out; /* if it is taken: events skipped since the one taken before it */
};

/* All zeros is a sampler that takes nothing and counts nothing. */
struct sampler {
    struct rate rate; /* N events a period; 0 tokens: takes nothing */
    struct credit_line line;
    uint64_t spent_mark;
    uint64_t began_ns; /* when the present period did */
    uint64_t left_out; /* events skipped since one was taken */
};

/* The most tokens that the rate of a sampler may have. */
#define SAMPLER_TOKENS_MAX 1000000

/* Sets the rate; 0 tokens: take nothing. The rate that it has already changes nothing; another
 * one begins a period. */
void sampler_set(struct sampler *sampler, struct rate rate, uint64_t now_ns);

/* Takes or skips an event that happens now. now_ns must never go back. */
struct sample sampler_take(struct sampler *sampler, uint64_t now_ns);
