/*
 * Text: appending to a buffer: numbers, strings, and JSON.
 *
 * A text is one of three kinds. Most have a buffer of which the writer knows that it is large
 * enough for the longest input that its checks let through: a text that does not fit is our
 * bug, and ends the process. One that grows takes memory as it needs it. One that is cut leaves
 * out what has no room, from the first piece on that has none.
 *
 * Owns nothing, but the memory of one that grows. Any thread. Never blocks. Errors: is_short.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum text_kind { TEXT_FITS, TEXT_GROWS, TEXT_IS_CUT };

struct text {
    char *start, *at, *end; /* there is always room for a NUL */
    enum text_kind kind;
    bool is_short; /* something was left out: there was no memory, or no room */
};

static inline struct text text_begin(char *buffer, size_t size)
{
    return (struct text){.start = buffer, .at = buffer, .end = buffer + size};
}

struct text text_begin_cut(char *buffer, size_t size);
struct text text_begin_growing(void);

/* Makes room for so many bytes and a NUL. false: they are to be left out. */
bool text_make_room(struct text *text, size_t len);

/* Appends bytes. Inline, so that a literal of known length becomes a few moves. */
static inline void text_bytes(struct text *text, const char *bytes, size_t len)
{
    if ((size_t)(text->end - text->at) <= len && !text_make_room(text, len))
        return;
    memcpy(text->at, bytes, len);
    text->at += len;
}

/* Appends a number in decimal. Inline, because most have one digit. */
void text_long_number(struct text *text, uint64_t number);
static inline void text_number(struct text *text, uint64_t number)
{
    if (number < 10 && text->end - text->at > 1)
        *text->at++ = (char)('0' + number);
    else
        text_long_number(text, number);
}

/* Appends a string, or valid UTF-8 as a JSON string in quotes (RFC 8259, 7). */
void text_string(struct text *text, const char *string);
void text_json(struct text *text, const char *string, size_t len);

/* Appends what would be between the quotes of that. */
void text_json_part(struct text *text, const char *string, size_t len);

#define text_literal(text, literal) text_bytes(text, "" literal, sizeof literal - 1)

/* Whether bytes are a string. Here, for most that are compared differ in their first bytes. */
static inline bool text_is(const char *bytes, size_t len, const char *string)
{
    size_t i = 0;
    while (i < len && bytes[i] == string[i] && string[i] != '\0')
        i++;
    return i == len && string[i] == '\0';
}

/* Ends the text with a NUL, one that was cut as well; returns its length. */
size_t text_end(struct text *text);

/* Ends one that has grown; NULL: there was not enough memory. It is the caller's to free. */
char *text_take(struct text *text, size_t *len);
