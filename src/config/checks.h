/*
 * The checks of a configuration, which proxies ask by, and the contract that is made with them.
 *
 * Owns nothing. One thread. Never blocks. Errors: faults, each at its place.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

/* Makes the contract, the checks and what is known already of the rest; NULL: no memory,
 * reported. With faults some checks are missing. */
void config_checks_check(const struct raw_config *raw, struct faults *faults,
                         struct config *config);
void config_checks_print(const struct config *config, FILE *out);
