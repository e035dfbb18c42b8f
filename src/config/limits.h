/*
 * The limits of a configuration: what each may have, and which must be there.
 *
 * The caller owns what is made. Any thread. Never blocks. Errors: faults, each
 * at its place.
 */
#pragma once

#include "config/schema.h"
#include "limits/limits.h"

#include <stdbool.h>

/* Makes the limits, with the default one if there are none in the file; NULL: no
 * memory, reported. With faults some are missing. tick_ms as in config_buckets_check. */
struct limits *config_limits_check(const struct raw_config *raw, uint64_t tick_ms,
                                   struct faults *faults);

/* Whether a limit has this name, or may have it: one whose own is missing or faulty. */
bool config_limits_may_name(const struct raw_config *raw, const char *name);
