/*
 * The log of a configuration: its settings, and how many denials are sampled for it.
 *
 * Owns nothing. Any thread. Never blocks. Errors: faults, each at its place.
 */
#pragma once

#include "base/quantity.h"
#include "config/schema.h"
#include "log/settings.h"

/* The settings; those that are faulty or not in the file are the default ones. */
struct log_settings config_log_check(const struct raw_config *raw, struct faults *faults);

/* The rate at which denials are shown; of 0 tokens: none are. */
struct rate config_log_denials(const struct raw_config *raw, struct faults *faults);
