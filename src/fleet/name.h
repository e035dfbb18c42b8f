/*
 * Names: the keys of the store.
 *
 *     allowd:FLEET:{SHARD}:LIMIT:KEY     the record of a key under a limit
 *     allowd:FLEET:{probe}:record        of nobody, and its epoch: see fleet_probe_name
 *     allowd:FLEET:{SHARD}:epoch         when the store began to remember what is in this shard
 *
 * FLEET is the fleet's name: letters, digits, '-', '_' and '.'. SHARD is a hash of limit and key, 0 to 255 in two hexadecimal
 * digits: no byte of a caller's is between the braces, by which a cluster tells slots, and all of a shard are
 * in one slot. A limit's name has ':' and '%' escaped as %3A and %25, so no two records have one name; a key
 * comes last and stands as it is.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include "brain/order.h"

#include <stddef.h>
#include <stdint.h>

#define FLEET_NAME_MAX 32
#define FLEET_RECORD_NAME_MAX (16 + FLEET_NAME_MAX + 8 + 3 * LIMIT_NAME_MAX + KEY_MAX)

/* The shard of a key under a limit. The same on every sidecar and in every version: 32-bit FNV-1a of the limit's
 * name, a zero byte and the key, its four bytes XORed into one. */
uint8_t fleet_shard(const char *limit, size_t limit_len, const char *key, size_t key_len);

/* Write the names of the record and the epoch by which the thread sees whether the store can be written to. They are
 * in no shard, so that no shard begins by that. Return their lengths. */
size_t fleet_probe_name(const char *fleet, char name[FLEET_RECORD_NAME_MAX]);
size_t fleet_probe_epoch_name(const char *fleet, char name[FLEET_RECORD_NAME_MAX]);

/* Write the name of an order's record, or of a shard's epoch, without a NUL. Return its length. */
size_t fleet_record_name(const char *fleet, const struct order *order,
                         char name[FLEET_RECORD_NAME_MAX]);
size_t fleet_epoch_name(const char *fleet, uint8_t shard, char name[FLEET_RECORD_NAME_MAX]);
