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

uint64_t clock_now_ns(const struct clock *clock)
{
    return clock->now_ns(clock->context);
}

const struct clock clock_monotonic = {.now_ns = monotonic_now_ns, .context = NULL};
