/*
 * Clocks: time as a parameter, so that tests can own it.
 *
 * Buckets refill by CLOCK_MONOTONIC: steps of the wall clock do not touch it, and
 * time spent suspended does not count. The date of CLOCK_REALTIME tells when an
 * override ends, and nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock {
    uint64_t (*now_ns)(void *context); /* never goes back; from any thread */
    int64_t (*date_s)(void *context);  /* Unix time; from any thread */
    bool measures; /* it may be read to see how long something took, not only what time it is */
    void *context;
};

extern const struct clock clock_system;

/* What a clock says. */
uint64_t clock_now_ns(const struct clock *clock);
int64_t clock_date_s(const struct clock *clock);
