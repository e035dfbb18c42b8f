/*
 * The overrides of a configuration: what holds for some keys of a limit.
 *
 * The caller owns what is read. Any thread. Never blocks. Errors: faults, each
 * at its place.
 */
#pragma once

#include "config/schema.h"
#include "limits/limits.h"

#include <stdbool.h>

/* Reads the first `count` overrides of a limit into memory to be freed, whose
 * keys live as long as the raw ones; NULL if there are none. false: there are
 * faults. tick_ms as in config_buckets_check. */
bool config_overrides_check(const struct raw_limit *raw, uint32_t count, uint64_t tick_ms,
                            struct faults *faults, struct override_terms **overrides);
