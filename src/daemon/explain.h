/*
 * Explaining without a daemon: what a configuration means for a key whose buckets are all full, as /explain
 * would say it.
 *
 * Owns nothing. One thread. Blocks while it writes. Errors: logged, and told by the exit status.
 */
#pragma once

#include "daemon/server.h"

#include <stdbool.h>
#include <stdio.h>

/* Whether it can be a key. If not, that is logged. */
bool explain_key_is_valid(const char *key);

/* Writes the sentences about a valid key. */
enum exit_status explain_print(const struct config *config, const char *key, FILE *out);
