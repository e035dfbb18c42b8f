/*
 * Histograms: how often a value fell below each of some bounds.
 *
 * The bounds are the caller's and stay the same; a histogram of zeros is an empty one. Equal
 * shares of a whole are counted as the whole and the number of shares, without dividing: 64
 * decisions that took 10 us together are histogram_add(..., 10000, 64).
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 16

struct histogram_bounds {
    size_t count;
    uint64_t bound[HISTOGRAM_BOUNDS_MAX]; /* ascending; a value equal to one counts below it */
};

struct histogram {
    /* of values by the lowest bound that they do not exceed; last, of those above all bounds */
    uint64_t count[HISTOGRAM_BOUNDS_MAX + 1];
    uint64_t sum; /* of all values */
};

/* Counts `parts` values of whole/parts each; parts may be 0. */
void histogram_add(struct histogram *histogram, const struct histogram_bounds *bounds,
                   uint64_t whole, uint64_t parts);
