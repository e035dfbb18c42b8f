/*
 * Waiting: how many callers may wait for tokens at a time, which the number of connections bounds.
 *
 * Each of them has a connection open, so only half of the connections may belong to those who wait:
 * the others are for those who are answered at once.
 *
 * Owns nothing. Any thread. Never blocks. Errors: faults.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

#define CONFIG_WAITING_PER_KEY_MAX 100000

/* Reads max_waiting; max_connections must have been read before. */
void config_max_waiting_check(const struct raw_config *raw, struct faults *faults,
                              struct config *config);
void config_max_waiting_print(const struct config *config, FILE *out);
