/*
 * Health checks of an allowd that runs, for containers without a shell: asks it by HTTP whether it is well.
 *
 * Owns nothing. One thread. Blocks until it has answered, or HEALTH_PATIENCE_S. Errors: told in one line, and by
 * the exit status.
 */
#pragma once

#include "base/address.h"
#include "daemon/server.h"

#include <stdbool.h>
#include <stdio.h>

#define HEALTH_PATIENCE_S 3
#define HEALTH_PATH "/readyz" /* unless another is named */

/* Whether it is the path of a health check. If not, that is logged. */
bool health_path_is_valid(const char *path);

/* Asks the allowd that listens on `address` for a valid path. If it is well, writes the body of the answer to `out`. */
enum exit_status health_check(const struct address *address, const char *path, FILE *out);
