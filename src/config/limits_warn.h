/*
 * Warnings about limits: rules that the file may have, but that can never apply, or not as whoever
 * wrote them believes.
 *
 * A warning must be right wherever it is given. So each is about a rule of which the file itself
 * shows it; a rule that is only unlikely gets none.
 *
 * Owns nothing. Any thread. Never blocks. Errors: warnings, each at its place; a fault if there is
 * no memory.
 */
#pragma once

#include "config/schema.h"

#include <stdint.h>

/* Warns about the limits of a raw configuration that has no fault. now_s: Unix time. */
void config_limits_warn(const struct raw_config *raw, int64_t now_s, struct faults *faults);
