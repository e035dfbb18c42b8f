/*
 * The path of the file in which the state outlives the process.
 *
 * Whether it can be used turns out at the start: what is there and no state is put
 * aside then, so that it must not be a file that allowd itself reads.
 *
 * Owns nothing. One thread. Blocks on the disk, to tell one file from another.
 * Errors: faults.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

void config_state_check(const struct raw_config *raw, struct faults *faults, struct config *config);
void config_state_print(const struct config *config, FILE *out);
bool config_state_differs(const struct config *now, const struct config *next);

/* That it is neither the configuration, which was read from `path`, nor the token's file. */
void config_state_check_apart(const struct raw_config *raw, const char *path,
                              struct faults *faults);
