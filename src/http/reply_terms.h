/*
 * Reply terms: the members of a body that say what a limit or an override was configured with.
 *
 * Names and values are those of the configuration.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "base/text.h"
#include "limits/limits.h"

/* Writes "burst":..., "rate":... and what else there is of a bucket, or "buckets":[...]. */
void reply_write_terms(struct text *body, const struct allowance *allowance);

/* Writes "limit":... and all that follows it in what is told of an override, up to "runtime". */
void reply_write_override(struct text *body, const struct limit *limit,
                          const struct override *override);
