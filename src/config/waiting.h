/*
 * Waiting: how many callers may wait for tokens at a time, which the number of connections bounds,
 * and how long.
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

/* Reads how long the requests of a check may wait, which is at most wait_max; that must have been
 * read before. In milliseconds; 0: not at all, also if it is faulty or not in the file. */
uint32_t config_wait_read(const struct raw_config *raw, const char *wait,
                          const struct config *config, struct faults *faults);
