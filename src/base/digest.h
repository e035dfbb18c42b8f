/*
 * Digests: the SHA-256 of a text, in the forms that others read.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <stddef.h>

/* Bytes of a SHA-256 in base64, with its padding and a NUL. */
#define DIGEST_BASE64_MAX 45

/* Writes the SHA-256 of a text in base64. */
void digest_base64(const char *text, size_t len, char base64[DIGEST_BASE64_MAX]);
