/*
 * Clocks: time as a parameter, so that tests can own it.
 *
 * CLOCK_MONOTONIC: steps of the wall clock do not touch it, and time spent
 * suspended does not count as refill.
 */
#pragma once

#include <stdint.h>

struct clock {
    uint64_t (*now_ns)(void *context); /* never goes back; from any thread */
    void *context;
};

extern const struct clock clock_monotonic;

/* What a clock says. */
uint64_t clock_now_ns(const struct clock *clock);
