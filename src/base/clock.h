/*
 * Clocks: time as a parameter, so that tests can own it.
 *
 * Buckets refill by CLOCK_MONOTONIC: steps of the wall clock do not touch it, and
 * time spent suspended does not count. CLOCK_REALTIME tells when an override ends,
 * how long the system was down between two boots, and nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_BOOT_ID_BYTES 16

struct clock {
    uint64_t (*now_ns)(void *context);  /* never goes back; from any thread */
    int64_t (*date_s)(void *context);   /* Unix time; from any thread */
    uint64_t (*wall_ns)(void *context); /* the same; needed by a brain that has a store */
    bool measures; /* it may be read to see how long something took, not only what time it is */
    void *context;
};

extern const struct clock clock_system;

/* What a clock says. */
uint64_t clock_now_ns(const struct clock *clock);
int64_t clock_date_s(const struct clock *clock);
uint64_t clock_wall_ns(const struct clock *clock);

/* How long to wait until then, for poll(2) and its like: in whole milliseconds, rounded up, 0 if
 * it is past, -1 for CLOCK_NEVER. */
#define CLOCK_NEVER UINT64_MAX
int clock_ms_until(uint64_t now_ns, uint64_t due_ns);

/* Which time the system is up, as 16 bytes; all zeros where the kernel does not say. */
void clock_boot_id(uint8_t boot_id[CLOCK_BOOT_ID_BYTES]);
