/*
 * Answers of a check in a configuration, as they are written out there.
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

/* Checks deny_status, never_status and the answers of a raw check, and makes terms of them. false: a
 * fault is reported. */
bool config_answers_check(const struct raw_check *raw, struct arena *arena, struct faults *faults,
                          struct check_terms *terms);

/* Prints deny_status and never_status; then the answers. */
void config_statuses_print(const struct check_terms *terms, FILE *out);
void config_answers_print(const struct check_terms *terms, FILE *out);
