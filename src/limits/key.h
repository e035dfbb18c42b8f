/*
 * Keys: the one form in which a caller's name for a bucket is accepted.
 *
 * Owns nothing. Any thread. Never blocks. Errors: enum key_fault.
 */
#pragma once

#include <stddef.h>

#define KEY_MAX 255 /* bytes, after decoding */

/* What can be wrong with a key. */
enum key_fault {
    KEY_OK,
    KEY_EMPTY,
    KEY_TOO_LONG,
    KEY_NOT_UTF8,
    KEY_HAS_CONTROL, /* NUL and the rest of U+0000-001F, U+007F-009F */
};

/* Checks the decoded bytes of a key: the first fault, or KEY_OK. */
enum key_fault key_check(const char *key, size_t len);
