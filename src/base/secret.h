/*
 * Secrets: texts that are kept and shown only as their SHA-256, and compared in constant time; and
 * random bytes that nobody can guess.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <sodium/crypto_hash_sha256.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SECRET_MIN 16 /* characters, all of them visible ASCII */
#define SECRET_MAX 512

struct secret {
    bool is_set; /* false: there is no secret, and nothing matches */
    uint8_t hash[crypto_hash_sha256_BYTES];
};

/* Whether a text can be a secret: SECRET_MIN to SECRET_MAX visible ASCII characters. */
bool secret_is_valid(const char *token, size_t len);

struct secret secret_of(const char *token, size_t len);

/* Compares. The time that takes depends on the length of `token` and nothing else. */
bool secret_matches(const struct secret *secret, const char *token, size_t len);

/* Draws random bytes. Anybody may know some of what was drawn: it tells nothing of the rest. */
void secret_draw(void *bytes, size_t len);

/* Writes "sha256:" and the hash in hexadecimal, as for a check's key that is too long. */
#define SECRET_SHOWN_MAX (7 + 2 * crypto_hash_sha256_BYTES)
void secret_show(const char *text, size_t len, char shown[SECRET_SHOWN_MAX + 1]);
