/*
 * The log of a configuration: its settings.
 *
 * Owns nothing. Any thread. Never blocks. Errors: faults, each at its place.
 */
#pragma once

#include "config/config_schema.h"
#include "config/log_settings.h"

/* The settings; those that are faulty or not in the file are the default ones. */
struct log_settings config_log_check(const struct raw_config *raw, struct faults *faults);
