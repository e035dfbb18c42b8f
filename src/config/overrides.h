/*
 * The overrides of a configuration: other terms for some keys of a limit.
 *
 * The caller owns what is read. Any thread. Never blocks. Errors: faults, each at its place.
 */
#pragma once

#include "config/buckets.h"
#include "config/faults.h"
#include "config/schema.h"
#include "limits/limits.h"

#include <stdbool.h>

/* Reads the first `count` overrides of a limit; *overrides is NULL if there are none. The caller
 * frees it; its keys are borrowed from `raw`. false: there are faults. */
bool config_overrides_check(const struct raw_limit *raw, uint32_t count,
                            const struct bucket_setting *setting, struct faults *faults,
                            struct override_terms **overrides);

/* Reads an override that somebody wrote as a configuration has it, but without its key, in JSON. The key was checked by key_check. *terms borrows from the key and from what is
 * returned, which the caller frees by config_override_free; NULL: there are faults. */
struct raw_override *config_override_read(const char *json, size_t len, const char *key,
                                          const struct bucket_setting *setting,
                                          struct faults *faults, struct override_terms *terms);
void config_override_free(struct raw_override *raw); /* NULL is fine */
