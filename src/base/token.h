/*
 * Tokens: what HTTP takes for a name, of a header field for instance (RFC 9110, 5.6.2).
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Whether a name is at least one character long, and each is a tchar. */
bool token_is_valid(const char *name, size_t len);
