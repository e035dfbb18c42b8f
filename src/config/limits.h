/*
 * The limits of a configuration: reads and checks them, and sees that there is a default one.
 *
 * Owns nothing. One thread. Never blocks. Errors: faults, each at its place.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

#include <stdbool.h>

/* Makes config->limits; tick, denials, who may wait and the fleet must have been read before. If the file has no limits,
 * makes the default one. NULL: there is no memory, which is reported. If there are faults, some
 * limits are missing. */
void config_limits_check(const struct raw_config *raw, struct faults *faults,
                         struct config *config);
void config_limits_print(const struct config *config, FILE *out);

/* Whether a limit has this name, or may have it because its own name is missing or faulty. */
bool config_limits_may_name(const struct raw_config *raw, const char *name);
