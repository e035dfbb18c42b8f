/*
 * Quoting: what is put between double quotes, the same way in JSON, YAML, headers and the log.
 *
 * '"' and '\' get a backslash. What else must not stand there as it is depends on who reads it,
 * and is written as \uXXXX.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum quote_reader {
    /* A parser of JSON (RFC 8259, 7): all but control characters stands as it is. */
    QUOTE_FOR_JSON,
    /* One who looks at lines of JSON, on a terminal perhaps: so nothing that ends a line, turns
     * the direction of writing or controls a terminal. What is not UTF-8 becomes U+FFFD. */
    QUOTE_FOR_LINES,
    /* A parser of YAML: nothing that it refuses, or takes for a line end or a byte order mark. */
    QUOTE_FOR_YAML,
};

#define QUOTE_ESCAPE_MAX 6 /* bytes, and a NUL behind them */

/* How '"', '\' or a character of the basic plane is escaped; the bytes that takes. */
size_t quote_escape(uint32_t c, char escape[QUOTE_ESCAPE_MAX + 1]);

/* Whether a character must not be shown as it is to one who looks at lines: a control character
 * (C0, DEL, C1), a separator of lines or paragraphs, or one that turns the direction of writing. */
bool quote_can_forge(uint32_t c);

/* The first character of a text as it is to be written. */
struct quoted {
    const char *bytes; /* of the text, or `escape` */
    size_t len;
    size_t taken; /* of the text, in bytes */
    char escape[QUOTE_ESCAPE_MAX + 1];
};

/* len: of the text, at least 1. */
void quote_next(enum quote_reader reader, const char *text, size_t len, struct quoted *quoted);
