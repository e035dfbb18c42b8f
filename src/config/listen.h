/*
 * Where a configuration listens, and who may reach the Unix sockets there.
 *
 * Owns nothing. One thread. Blocks on the system's group database, where a group
 * is named. Errors: faults.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

/* Fills in the addresses, and the mode and group of Unix sockets. */
void config_listen_check(const struct raw_config *raw, struct faults *faults,
                         struct config *config);
