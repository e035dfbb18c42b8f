/*
 * The contract of a configuration: the header dialect, and the checks for proxies.
 *
 * The caller owns what is made. Any thread. Never blocks. Errors: faults, each
 * at its place.
 */
#pragma once

#include "ask/contract.h"
#include "config/schema.h"

/* Makes the contract; NULL: no memory, reported. With faults some checks are missing. */
struct contract *config_contract_check(const struct raw_config *raw, struct faults *faults);
