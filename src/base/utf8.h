/*
 * UTF-8, read strictly: no overlong form, no surrogate, nothing above U+10FFFF.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Decodes the code point at the front of `text`. Returns its length in bytes; 0: malformed. */
size_t utf8_decode(const char *text, size_t len, uint32_t *code_point);
