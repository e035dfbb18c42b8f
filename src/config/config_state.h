/*
 * The path of the file in which the state outlives the process.
 *
 * Owns nothing. One thread. Never blocks: whether the file can be used turns out at
 * the start. Errors: faults.
 */
#pragma once

#include "config/config.h"
#include "config/config_schema.h"

void config_state_check(const struct raw_config *raw, struct faults *faults, struct config *config);
