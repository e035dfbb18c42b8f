/*
 * Secrets: what is known, or shown, by its hash alone, so that it can be neither leaked nor timed.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <sodium/crypto_hash_sha256.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_MIN 16 /* characters, all of them visible ASCII */
#define SECRET_MAX 512

struct secret {
    bool is_set; /* else there is none, and nothing matches it */
    uint8_t hash[crypto_hash_sha256_BYTES];
};

/* Whether a text can be a token. */
bool secret_is_valid(const char *token, size_t len);

struct secret secret_of(const char *token, size_t len);

/* Compares in a time that depends on nothing but the length of `token`. */
bool secret_matches(const struct secret *secret, const char *token, size_t len);

/* "sha256:" and the hash in hexadecimal, as a key that is too long is written too. */
#define SECRET_SHOWN_MAX (7 + 2 * crypto_hash_sha256_BYTES)
void secret_show(const char *text, size_t len, char shown[SECRET_SHOWN_MAX + 1]);
