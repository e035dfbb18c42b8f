/*
 * Rules of a check in a configuration: skip and cost.
 *
 * The terms point into the raw configuration and into the arena. Any thread. Never blocks. Errors:
 * faults.
 */
#pragma once

#include "ask/check.h"
#include "base/arena.h"
#include "config/faults.h"
#include "config/schema.h"

#include <stdio.h>

/* Checks the rules of a raw check, and makes terms of them. false: a fault is reported. */
bool config_rules_check(const struct raw_check *raw, struct arena *arena, struct faults *faults,
                        struct check_terms *terms);

void config_rules_print(const struct check_terms *terms, FILE *out);
