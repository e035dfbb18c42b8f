/*
 * Hosts: the names by which admins may call, beside addresses and localhost.
 *
 * Owns nothing. One thread. Never blocks. Errors: faults.
 */
#pragma once

#include "config/config.h"
#include "config/schema.h"

void config_hosts_check(const struct raw_config *raw, struct faults *faults, struct config *config);
void config_hosts_print(const struct config *config, FILE *out);
