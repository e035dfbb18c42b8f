/*
 * The table of dialects: one for each row of HEADERS_TABLE.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include "http/dialect.h"

#define X(constant, word, file) extern const struct dialect dialect_##file;
HEADERS_TABLE(X)
#undef X

extern const struct dialect *const dialect_table[HEADERS_DIALECTS];
