/*
 * The limits of a configuration: what each may have, and which must be there.
 *
 * Owns nothing. One thread. Never blocks. Errors: faults, each at its place.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

#include <stdbool.h>

/* Makes the limits, of the tick and the denials to show that are known already, with the default
 * one if there are none in the file; NULL: no memory, reported. With faults some are missing. */
void config_limits_check(const struct raw_config *raw, struct faults *faults,
                         struct config *config);
void config_limits_print(const struct config *config, FILE *out);

/* Whether a limit has this name, or may have it: one whose own is missing or faulty. */
bool config_limits_may_name(const struct raw_config *raw, const char *name);
