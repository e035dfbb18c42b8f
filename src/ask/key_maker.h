/*
 * Key makers: a key put together from pieces of any length, in no more room than a key has.
 *
 * If the pieces make no valid key, because they are too long for instance, their SHA-256 takes
 * the key's place. It is never cut, for two callers would share a bucket then.
 *
 * Owns its state. One thread. Never blocks. Never fails.
 */
#pragma once

#include "limits/key.h"

#include <sodium/crypto_hash_sha256.h>
#include <stdbool.h>
#include <stddef.h>

struct key_maker {
    char *key;
    size_t len;                    /* of what is in `key`, while everything fits there */
    bool is_long;                  /* it no longer fits: pieces go into the hash alone */
    crypto_hash_sha256_state hash; /* of all pieces, once is_long */
};

void key_maker_begin(struct key_maker *maker, char key[KEY_MAX + 1]);
void key_maker_add(struct key_maker *maker, const char *bytes, size_t len);

/* Makes a valid key of at least one byte, NUL-terminated. Returns its length. */
size_t key_maker_end(struct key_maker *maker);
