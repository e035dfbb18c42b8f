/*
 * Text: appending to a buffer that is known to be large enough.
 *
 * The caller makes the buffer large enough for the longest input that its checks let through.
 * A text that does not fit is a bug of ours, and an assertion ends the process.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *start, *at, *end;
};

struct text text_begin(char *buffer, size_t size);

/* Appends bytes. Inline, so that a literal of known length becomes a few moves. */
static inline void text_bytes(struct text *text, const char *bytes, size_t len)
{
    assert((size_t)(text->end - text->at) > len);
    memcpy(text->at, bytes, len);
    text->at += len;
}

/* Appends a number in decimal, or valid UTF-8 as a JSON string in quotes (RFC 8259, 7). */
void text_number(struct text *text, uint64_t number);
void text_json(struct text *text, const char *string, size_t len);

#define text_literal(text, literal) text_bytes(text, "" literal, sizeof literal - 1)
void text_string(struct text *text, const char *string);

/* Ends the text with a NUL; returns its length. */
size_t text_end(struct text *text);
