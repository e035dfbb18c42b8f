/*
 * UTF-8, read strictly: no overlong form, no surrogate, nothing above U+10FFFF.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Decodes the code point that bytes begin with; its length, or 0 if it is not well-formed. */
size_t utf8_decode(const char *text, size_t len, uint32_t *code_point);
