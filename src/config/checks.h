/*
 * The checks of a configuration: what proxies ask by. They are a part of the contract, which is
 * made here.
 *
 * Owns nothing. One thread. Never blocks. Errors: faults, each at its place.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

/* Makes config->contract, with the checks and the parts of it that were read before. NULL: there is
 * no memory, which is reported. If there are faults, some checks are missing in it. */
void config_checks_check(const struct raw_config *raw, struct faults *faults,
                         struct config *config);
void config_checks_print(const struct config *config, FILE *out);
