#include "base/clock.h"

#include "base/quantity.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static uint64_t read_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t monotonic_now_ns(void *context)
{
    (void)context;
    return read_ns(CLOCK_MONOTONIC);
}

static uint64_t boottime_now_ns(void *context)
{
    (void)context;
    return read_ns(CLOCK_BOOTTIME);
}

/* The clock that is less is read first, so the difference is never below zero. */
static uint64_t suspended_ns(void *context)
{
    (void)context;
    uint64_t awake_ns = read_ns(CLOCK_MONOTONIC), all_ns = read_ns(CLOCK_BOOTTIME);
    return all_ns > awake_ns ? all_ns - awake_ns : 0;
}

static uint64_t realtime_ns(void *context)
{
    (void)context;
    return read_ns(CLOCK_REALTIME);
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

uint64_t clock_wall_ns(const struct clock *clock)
{
    return clock->wall_ns(clock->context);
}

uint64_t clock_asleep_ns(const struct clock *clock)
{
    return clock->asleep_ns == NULL ? 0 : clock->asleep_ns(clock->context);
}

int clock_ms_until(uint64_t now_ns, uint64_t due_ns)
{
    if (due_ns == CLOCK_NEVER)
        return -1;
    if (due_ns <= now_ns)
        return 0;
    uint64_t left_ms = (due_ns - now_ns - 1) / NS_PER_MS + 1;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}

/* /proc/sys/kernel/random/boot_id holds a UUID: 32 hexadecimal digits, and hyphens. */
void clock_boot_id(uint8_t boot_id[CLOCK_BOOT_ID_BYTES])
{
    static const char hexadecimal[] = "0123456789abcdef";
    uint8_t id[CLOCK_BOOT_ID_BYTES] = {0};
    unsigned digits = 0;
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    for (int c; file != NULL && digits < 2 * sizeof id && (c = fgetc(file)) != EOF && c != '\n';) {
        const char *at = strchr(hexadecimal, c);
        if (c == '\0' || at == NULL)
            continue;
        unsigned value = (unsigned)(at - hexadecimal);
        id[digits / 2] |= (uint8_t)(digits % 2 == 0 ? value << 4 : value);
        digits++;
    }
    if (file != NULL)
        fclose(file);
    if (digits != 2 * sizeof id)
        memset(id, 0, sizeof id);
    memcpy(boot_id, id, sizeof id);
}

/* A boot's id is of version 4: two of its bits are fixed, and these differ in a complement. */
void clock_keys_id(uint8_t clock_id[CLOCK_BOOT_ID_BYTES])
{
    static const uint8_t unknown[CLOCK_BOOT_ID_BYTES];
    clock_boot_id(clock_id);
    if (memcmp(clock_id, unknown, sizeof unknown) == 0)
        return;
    for (int i = 0; i < CLOCK_BOOT_ID_BYTES; i++)
        clock_id[i] = (uint8_t)~clock_id[i];
}

const struct clock clock_system = {
    .now_ns = monotonic_now_ns,
    .date_s = realtime_date_s,
    .wall_ns = realtime_ns,
    .measures = true,
};

const struct clock clock_keys = {
    .now_ns = boottime_now_ns,
    .date_s = realtime_date_s,
    .wall_ns = realtime_ns,
    .asleep_ns = suspended_ns,
    .measures = true,
};
