/*
 * Tokens: what HTTP allows as a name, of a header field for instance (RFC 9110, 5.6.2).
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether a name has at least one character, and each is a tchar. */
bool token_is_valid(const char *name, size_t len);
