/*
 * Histograms: how often a value fell below each of some bounds.
 *
 * The bounds are the caller's and stay the same; a histogram of zeros is an empty
 * one. Values that are a share of a whole are told as the whole and how many
 * shares it has, so that no division and no rounding is needed.
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS_MAX 16

struct histogram_bounds {
    size_t count;
    uint64_t bound[HISTOGRAM_BOUNDS_MAX]; /* ascending; each belongs to what it bounds */
};

struct histogram {
    /* by the lowest bound that is not exceeded; then above all */
    uint64_t count[HISTOGRAM_BOUNDS_MAX + 1];
    uint64_t sum;
};

/* Counts `parts` values of whole/parts each; parts may be 0. */
void histogram_add(struct histogram *histogram, const struct histogram_bounds *bounds,
                   uint64_t whole, uint64_t parts);
