/*
 * Text: appending to a buffer that is known to be large enough.
 *
 * The writer sizes its buffer for the longest input its checks let through;
 * a text that does not fit is our bug, and ends the process.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct text {
    char *start, *at, *end;
};

struct text text_begin(char *buffer, size_t size);

/* Appends bytes. Here, so that a literal of known length becomes a few moves. */
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

/* Whether bytes are a string. Here, for most that are compared differ in their first bytes. */
static inline bool text_is(const char *bytes, size_t len, const char *string)
{
    size_t i = 0;
    while (i < len && bytes[i] == string[i] && string[i] != '\0')
        i++;
    return i == len && string[i] == '\0';
}

/* Ends the text with a NUL; its length. */
size_t text_end(struct text *text);
