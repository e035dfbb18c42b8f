/*
 * The buckets of a configuration: burst and rate, or slots, or a list of several. Limits and overrides
 * have them in the same form.
 *
 * Owns nothing. Any thread. Never blocks. Errors: faults, each at its place.
 */
#pragma once

#include "config/schema.h"
#include "limits/fleet_fit.h"

/* What the buckets must go with. */
struct bucket_setting {
    uint64_t tick_ms;         /* 0: the tick is faulty, and nothing is checked against it */
    bool is_fleet;            /* their limit is shared by a fleet */
    enum fleet_beside beside; /* if so: of overrides, what the limit has */
};

/* Reads the buckets of a limit or an override. `takes` is what faults say that it may have, such as
 * "a limit takes burst and rate, or concurrent, or buckets for both". Returns the number of buckets; 0: they are faulty. */
uint32_t config_buckets_check(const struct raw_terms *raw, const char *takes,
                              const struct bucket_setting *setting, struct faults *faults,
                              struct bucket_terms buckets[BUCKETS_MAX]);
