/*
 * Warnings about addresses in overrides: a key that is an address, but not as a check spells it.
 *
 * A check makes one key of an address, however it was written: 2001:db8::1, and under
 * {client_ip/64} 2001:db8:: for the whole network. An override for 2001:0DB8::1 never holds there.
 *
 * Likewise an override for 10.0.0.0/8 holds for none of the keys that "login:{client_ip}" makes.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "config/scalar.h"
#include "config/schema.h"

#include <stdbool.h>

/* Whether the key of an override of this limit is an address that none of the checks which use the
 * limit can make, though one makes a key of that address; this is told. */
bool config_address_warn(const struct raw_config *raw, const struct raw_limit *limit,
                         struct placed key, struct faults *faults);

/* Whether the key of an override of this limit is a network. If checks that use the limit make keys
 * of an address alone, and none of them in this network's form, that is told. */
bool config_network_warn(const struct raw_config *raw, const struct raw_limit *limit,
                         struct placed key, struct faults *faults);
