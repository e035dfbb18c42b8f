/*
 * The meaning of a configuration: values read strictly, ranges, what belongs together.
 *
 * Owns nothing. One thread. Never blocks. Errors: faults, each at the place
 * that its value has in front.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

#include <stdbool.h>

/* Makes a configuration of a raw one. false: *faults is not empty, and there is
 * nothing to release. */
bool config_check(const struct raw_config *raw, struct config *config, struct faults *faults);
