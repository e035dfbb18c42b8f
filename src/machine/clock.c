#include "machine/clock.h"

#include "pure/quantity.h"

#include <stddef.h>
#include <time.h>

static uint64_t monotonic_now_ns(void *context)
{
    (void)context;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static int64_t realtime_date_s(void *context)
{
    (void)context;
    return time(NULL);
}

uint64_t clock_now_ns(const struct clock *clock)
{
    return clock->now_ns(clock->context);
}

int64_t clock_date_s(const struct clock *clock)
{
    return clock->date_s(clock->context);
}

const struct clock clock_system = {
    .now_ns = monotonic_now_ns,
    .date_s = realtime_date_s,
    .measures = true,
};
