/*
 * Key makers: a key put together from pieces of any length, in the room of a key.
 *
 * What is no valid key in the end, too long for instance, is replaced by its
 * SHA-256: never cut, or two callers would share a bucket, and never let through.
 *
 * The only user of libsodium's SHA-256. Owns its state. One thread. Never blocks.
 */
#pragma once

#include "limits/key.h"

#include <sodium/crypto_hash_sha256.h>
#include <stdbool.h>
#include <stddef.h>

struct key_maker {
    char *key;
    size_t len;                    /* in `key`, while it all fits there */
    bool is_long;                  /* it does not, and goes into the hash alone */
    crypto_hash_sha256_state hash; /* of all bytes, once it is long */
};

void key_maker_begin(struct key_maker *maker, char key[KEY_MAX + 1]);
void key_maker_add(struct key_maker *maker, const char *bytes, size_t len);

/* Makes a valid key of at least one byte, NUL-terminated; its length. */
size_t key_maker_end(struct key_maker *maker);
