/*
 * Keys: the one form in which a caller's name for a bucket is accepted.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <stddef.h>

#define KEY_MAX 255 /* bytes, after decoding */

/* What a key can have wrong with it. */
enum key_fault {
    KEY_OK,
    KEY_EMPTY,
    KEY_TOO_LONG,
    KEY_NOT_UTF8,
    KEY_HAS_CONTROL, /* NUL and the rest of U+0000-001F, U+007F-009F */
};

/* Checks the bytes of a key. */
enum key_fault key_check(const char *key, size_t len);
