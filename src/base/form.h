/*
 * Forms: parameters as a URL's query or a form body carries them (application/x-www-form-urlencoded).
 *
 * '+' and "%20" are a space. form_decode is strict: '%' must be followed by two hexadecimal digits.
 *
 * Owns nothing. Any thread. Never blocks. Errors: enum form.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum form { FORM_OK, FORM_BAD_ESCAPE, FORM_TOO_LONG };

/* Decodes into at most `capacity` bytes, and writes a NUL behind them. The decoded bytes may
 * hold NULs themselves, so go by *decoded_len. plus_is_space: false for a path. */
enum form form_decode(const char *text, size_t len, bool plus_is_space, char *decoded,
                      size_t capacity, size_t *decoded_len);

/* Decodes the first byte of a text that is not empty, and returns how many bytes stand for it: 3 of
 * an escape, else 1. A '%' that begins no escape stands for itself. */
size_t form_decode_byte(const char *text, size_t len, bool plus_is_space, char *byte);

/* The next NAME=VALUE of a form, still encoded. */
struct form_pair {
    const char *name, *value; /* value: empty if there is no '=' */
    size_t name_len, value_len;
};

/* Takes the first pair off *text; false: there is none left. Between "&&" is a pair with an
 * empty name. */
bool form_next(const char **text, size_t *len, struct form_pair *pair);
