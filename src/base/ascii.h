/*
 * ASCII: how far a text is plain, eight bytes at a time, and how often it holds a character.
 *
 * Owns nothing. Any thread. Never blocks. Never fails.
 */
#pragma once

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define ASCII_EACH (UINT64_MAX / 255) /* 1 in each byte */

/* Characters side by side. Compared, each becomes -1 if that holds, else 0. Those beyond ASCII are below zero. */
typedef int8_t ascii_word __attribute__((vector_size(8)));
typedef int8_t ascii_block __attribute__((vector_size(16)));

static inline ascii_word ascii_load(const char *at)
{
    ascii_word word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* All bits of those that are marked; 0: none is. The first character is in the lowest bits. */
static inline uint64_t ascii_bits(ascii_word marks)
{
    uint64_t bits;
    memcpy(&bits, &marks, sizeof bits);
    return le64toh(bits);
}

/* Mark quotes and backslashes; and what is no visible ASCII and no space. */
static inline ascii_word ascii_escaped(ascii_word word)
{
    return (word == '"') | (word == '\\');
}

static inline ascii_word ascii_invisible(ascii_word word)
{
    return (word < ' ') | (word == 127);
}

/* Of how many bytes a text begins that stand for themselves in a JSON string, if it is UTF-8: no
 * control character of ASCII, quote or backslash. */
static inline size_t ascii_json_len(const char *text, size_t len)
{
    size_t at = 0;
    for (; len - at >= sizeof(ascii_word); at += sizeof(ascii_word)) {
        ascii_word word = ascii_load(text + at);
        uint64_t bits = ascii_bits(((word >= 0) & (word < ' ')) | ascii_escaped(word));
        if (bits != 0)
            return at + (size_t)__builtin_ctzll(bits) / 8;
    }
    while (at < len && (unsigned char)text[at] >= ' ' && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

/* Of how many bytes a text begins that are visible ASCII or the space; and the same while it copies them, to
 * where there is room for the whole text, which is written over behind them. */
static inline size_t ascii_visible_len(const char *text, size_t len)
{
    size_t at = 0;
    for (; len - at >= sizeof(ascii_word); at += sizeof(ascii_word)) {
        uint64_t bits = ascii_bits(ascii_invisible(ascii_load(text + at)));
        if (bits != 0)
            return at + (size_t)__builtin_ctzll(bits) / 8;
    }
    while (at < len && text[at] >= ' ' && text[at] <= '~')
        at++;
    return at;
}

static inline size_t ascii_copy_visible(const char *text, size_t len, char *to)
{
    size_t at = 0;
    for (; len - at >= sizeof(ascii_word); at += sizeof(ascii_word)) {
        ascii_word word = ascii_load(text + at);
        uint64_t bits = ascii_bits(ascii_invisible(word));
        memcpy(to + at, &word, sizeof word);
        if (bits != 0)
            return at + (size_t)__builtin_ctzll(bits) / 8;
    }
    for (; at < len && text[at] >= ' ' && text[at] <= '~'; at++)
        to[at] = text[at];
    return at;
}

/* The same of bytes that are both: visible ASCII or the space, and for themselves in a JSON string. */
static inline size_t ascii_copy_plain(const char *text, size_t len, char *to)
{
    size_t at = 0;
    for (; len - at >= sizeof(ascii_word); at += sizeof(ascii_word)) {
        ascii_word word = ascii_load(text + at);
        uint64_t bits = ascii_bits(ascii_invisible(word) | ascii_escaped(word));
        memcpy(to + at, &word, sizeof word);
        if (bits != 0)
            return at + (size_t)__builtin_ctzll(bits) / 8;
    }
    for (; at < len && text[at] >= ' ' && text[at] <= '~' && text[at] != '"' && text[at] != '\\';
         at++)
        to[at] = text[at];
    return at;
}

/* How often a text holds a character. What is found is added up in a block, until a byte of it might overflow. */
static inline size_t ascii_count(const char *text, size_t len, char character)
{
    const char *end = text + len;
    size_t count = 0;
    while ((size_t)(end - text) >= sizeof(ascii_block)) {
        ascii_block found = {0}, block;
        for (int i = 0; i < INT8_MAX && (size_t)(end - text) >= sizeof block; i++) {
            memcpy(&block, text, sizeof block);
            found -= block == character;
            text += sizeof block;
        }
        for (size_t i = 0; i < sizeof found; i++)
            count += (size_t)found[i];
    }
    while (text < end)
        count += *text++ == character;
    return count;
}
