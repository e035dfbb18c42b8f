/*
 * Warnings about limits: rules that the file may have, but that can never apply.
 *
 * A warning must be right wherever it is given. So each is about a rule of which the file itself
 * shows that no key can come to it; a rule that is only unlikely gets none.
 *
 * Owns nothing. Any thread. Never blocks. Errors: warnings, each at its place; a
 * fault if there is no memory.
 */
#pragma once

#include "config/schema.h"

/* Warns about the limits of a raw configuration. */
void config_limits_warn(const struct raw_config *raw, struct faults *faults);
