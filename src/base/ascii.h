/*
 * ASCII: how far a text is plain, eight bytes at a time.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ASCII_EACH (UINT64_MAX / 255) /* 1 in each byte */

/* Marks, by its highest bit, the first byte of a word that is less than `bound`, of at most 128, and
 * perhaps others behind it; 0: none is. The first byte is the lowest. */
static inline uint64_t ascii_less(uint64_t word, uint8_t bound)
{
    return (word - bound * ASCII_EACH) & ~word & 128 * ASCII_EACH;
}

static inline uint64_t ascii_load(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return le64toh(word);
}

/* Likewise marks quotes and backslashes; and what is no visible ASCII and no space. */
static inline uint64_t ascii_escaped_marks(uint64_t word)
{
    return ascii_less(word ^ '"' * ASCII_EACH, 1) | ascii_less(word ^ '\\' * ASCII_EACH, 1);
}

static inline uint64_t ascii_invisible_marks(uint64_t word)
{
    return ascii_less(word, ' ') | ascii_less(word ^ 127 * ASCII_EACH, 1) |
           (word & 128 * ASCII_EACH);
}

/* Of how many bytes a text begins that stand for themselves in a JSON string, if it is UTF-8: no
 * control character of ASCII, quote or backslash. */
static inline size_t ascii_json_len(const char *text, size_t len)
{
    size_t at = 0;
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word = ascii_load(text + at);
        uint64_t marks = ascii_less(word, ' ') | ascii_escaped_marks(word);
        if (marks != 0)
            return at + (size_t)__builtin_ctzll(marks) / 8;
    }
    while (at < len && (unsigned char)text[at] >= ' ' && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

/* Of how many bytes a text begins that are visible ASCII or the space. */
static inline size_t ascii_visible_len(const char *text, size_t len)
{
    size_t at = 0;
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word = ascii_load(text + at);
        uint64_t marks = ascii_invisible_marks(word);
        if (marks != 0)
            return at + (size_t)__builtin_ctzll(marks) / 8;
    }
    while (at < len && text[at] >= ' ' && text[at] <= '~')
        at++;
    return at;
}

/* Of how many bytes a text begins that are both: visible ASCII or the space, and for themselves in a JSON
 * string. */
static inline size_t ascii_plain_len(const char *text, size_t len)
{
    size_t at = 0;
    for (; len - at >= sizeof(uint64_t); at += sizeof(uint64_t)) {
        uint64_t word = ascii_load(text + at);
        uint64_t marks = ascii_invisible_marks(word) | ascii_escaped_marks(word);
        if (marks != 0)
            return at + (size_t)__builtin_ctzll(marks) / 8;
    }
    while (at < len && text[at] >= ' ' && text[at] <= '~' && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}
