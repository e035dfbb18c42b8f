/*
 * The buckets of a configuration: burst and rate, or a list of several, as
 * limits and their overrides have them alike.
 *
 * Owns nothing. Any thread. Never blocks. Errors: faults, each at its place.
 */
#pragma once

#include "config/schema.h"
#include "limits/limits.h"

/* Reads the buckets of a limit or an override; `takes` says in faults what it
 * may have: "a limit takes burst and rate, or buckets". tick_ms 0: the tick is
 * faulty, and nothing can be checked against it. Returns their count; 0: they
 * are faulty. */
uint32_t config_buckets_check(const struct raw_terms *raw, const char *takes, uint64_t tick_ms,
                              struct faults *faults, struct bucket_terms buckets[BUCKETS_MAX]);
