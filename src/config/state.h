/*
 * State: the path of the file in which the state outlives the process.
 *
 * Only the start finds out whether it can be used. If another file is at that path, the start puts
 * it aside, so the path must not be that of a file which allowd reads itself.
 *
 * Owns nothing. One thread. Blocks on the disk, to compare files. Errors: faults.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

void config_state_check(const struct raw_config *raw, struct faults *faults, struct config *config);
void config_state_print(const struct config *config, FILE *out);
bool config_state_differs(const struct config *now, const struct config *next);

/* Checks that it is neither the configuration, which was read from `path`, nor the file of the
 * token. */
void config_state_check_apart(const struct raw_config *raw, const char *path,
                              struct faults *faults);
