/*
 * Clocks: time as a parameter, so that tests can own it.
 *
 * Three of the system's, of which the first two do not jump when somebody sets the third:
 *
 *     CLOCK_BOOTTIME   what is promised to keys: refills (clock_keys). It counts the time in which
 *                      the machine is suspended, because an hour is an hour.
 *     CLOCK_MONOTONIC  what is asked of threads and clients: deadlines, stalls, the watchdog
 *                      (clock_system). It does not count that time: nobody can do anything in it,
 *                      and so nobody is late after it. All waits of the kernel's go by this one.
 *     CLOCK_REALTIME   the date: when an override ends, how long the system was down between two
 *                      boots, and the date in an answer that is to have one; nothing else.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_BOOT_ID_BYTES 16

struct clock {
    uint64_t (*now_ns)(void *context);  /* never goes back; from any thread */
    int64_t (*date_s)(void *context);   /* Unix time; from any thread */
    uint64_t (*wall_ns)(void *context); /* Unix time, for stores and for fields that tell dates */
    /* How much of now_ns the machine was suspended for; NULL: none. From any thread. */
    uint64_t (*asleep_ns)(void *context);
    bool measures; /* now_ns may also be read to measure how long something took */
    void *context;
};

extern const struct clock clock_system, clock_keys;

/* Read a clock. */
uint64_t clock_now_ns(const struct clock *clock);
int64_t clock_date_s(const struct clock *clock);
uint64_t clock_wall_ns(const struct clock *clock);
uint64_t clock_asleep_ns(const struct clock *clock);

/* How long to wait until then, for poll(2) and its like: in whole milliseconds, rounded up, 0 if
 * it is past, -1 for CLOCK_NEVER. */
#define CLOCK_NEVER UINT64_MAX
int clock_ms_until(uint64_t now_ns, uint64_t due_ns);

/* The kernel's random number for this boot of the system; all zeros if it does not tell. */
void clock_boot_id(uint8_t boot_id[CLOCK_BOOT_ID_BYTES]);

/* What tells clock_keys of this boot from every other clock, clock_system of the same boot
 * included, whose is the boot's own id; all zeros if the kernel does not tell. */
void clock_keys_id(uint8_t clock_id[CLOCK_BOOT_ID_BYTES]);
