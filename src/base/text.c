#include "base/text.h"

#include "base/ascii.h"
#include "base/quote.h"

#include <assert.h>
#include <stdlib.h>

struct text text_begin_cut(char *buffer, size_t size)
{
    struct text text = text_begin(buffer, size);
    text.kind = TEXT_IS_CUT;
    return text;
}

struct text text_begin_growing(void)
{
    return (struct text){.kind = TEXT_GROWS};
}

/* Twice as large as before, so that a long text is moved a few times only. */
static bool grow(struct text *text, size_t len)
{
    enum { FIRST = 1024 };
    size_t used = (size_t)(text->at - text->start), size = (size_t)(text->end - text->start);
    size_t wanted = size == 0 ? FIRST : 2 * size;
    if (wanted <= used + len)
        wanted = used + len + 1;
    char *grown = text->is_short ? NULL : realloc(text->start, wanted);
    if (grown == NULL)
        return false;
    text->start = grown;
    text->at = grown + used;
    text->end = grown + wanted;
    return true;
}

/* Where one piece is left out, all that would follow it is: nothing has room any more. */
bool text_make_room(struct text *text, size_t len)
{
    assert(text->kind != TEXT_FITS);
    if (text->kind == TEXT_GROWS && grow(text, len))
        return true;
    text->is_short = true;
    text->end = text->at;
    return false;
}

void text_string(struct text *text, const char *string)
{
    text_bytes(text, string, strlen(string));
}

enum { EIGHT = 100000000 }; /* one more than eight digits can say */

/* The eight decimal digits of a number below 10^8, a byte each, the first one lowest. It is halved three
 * times, and in each step all parts are divided at once: 10486 / 2^20 is a hundredth for whatever is
 * below 10^4, and 103 / 2^10 a tenth for whatever is below 100. */
__attribute__((always_inline)) static inline uint64_t eight_digits(uint32_t number)
{
    const uint64_t each_32 = UINT64_C(0x100000001), each_16 = UINT64_C(0x1000100010001);
    uint64_t fours = number / 10000 | (uint64_t)(number % 10000) << 32;
    uint64_t hundreds = fours * 10486 >> 20 & 0x7f * each_32;
    uint64_t twos = hundreds | (fours - 100 * hundreds) << 16;
    uint64_t tens = twos * 103 >> 10 & 0xf * each_16;
    return tens | (twos - 10 * tens) << 8;
}

/* How many of eight digits there are before the first that is not 0, or before the last. */
static size_t leading_zeros(uint64_t digits)
{
    const uint64_t last = UINT64_C(1) << 56;
    return (size_t)__builtin_ctzll(digits | last) / 8;
}

static void put_digits(char *at, uint64_t digits)
{
    uint64_t word = htole64(digits | '0' * ASCII_EACH);
    memcpy(at, &word, sizeof word);
}

/* More than eight digits, or where there is hardly room for them. */
__attribute__((noinline)) static void write_any_number(struct text *text, uint64_t number)
{
    char bytes[4 * sizeof(uint64_t)];
    size_t at = 2 * sizeof(uint64_t);
    for (; number >= EIGHT; number /= EIGHT, at -= sizeof(uint64_t))
        put_digits(bytes + at, eight_digits((uint32_t)(number % EIGHT)));
    uint64_t digits = eight_digits((uint32_t)number);
    put_digits(bytes + at, digits);
    at += leading_zeros(digits);
    text_bytes(text, bytes + at, 3 * sizeof(uint64_t) - at);
}

void text_long_number(struct text *text, uint64_t number)
{
    if (number >= EIGHT || (size_t)(text->end - text->at) <= sizeof(uint64_t)) {
        write_any_number(text, number);
        return;
    }
    uint64_t digits = eight_digits((uint32_t)number);
    size_t zeros = leading_zeros(digits);
    put_digits(text->at, digits >> 8 * zeros);
    text->at += sizeof digits - zeros;
}

/* Nearly all is plain, and nothing beyond ASCII has to be escaped: so pieces, not characters. */
__attribute__((always_inline)) static inline void json_part(struct text *text, const char *string,
                                                            size_t len)
{
    for (size_t at = 0; at < len; at++) {
        size_t piece_len = ascii_json_len(string + at, len - at);
        text_bytes(text, string + at, piece_len);
        at += piece_len;
        if (at == len)
            return;
        char escape[QUOTE_ESCAPE_MAX + 1];
        size_t size = quote_escape((unsigned char)string[at], escape);
        text_bytes(text, escape, size);
    }
}

void text_json_part(struct text *text, const char *string, size_t len)
{
    json_part(text, string, len);
}

void text_json(struct text *text, const char *string, size_t len)
{
    text_literal(text, "\"");
    json_part(text, string, len);
    text_literal(text, "\"");
}

/* In a text that was cut, the room of the NUL is at its end. */
size_t text_end(struct text *text)
{
    assert(text->at < text->end || (text->kind == TEXT_IS_CUT && text->is_short));
    *text->at = '\0';
    return (size_t)(text->at - text->start);
}

char *text_take(struct text *text, size_t *len)
{
    text_bytes(text, "", 0);
    if (text->is_short) {
        free(text->start);
        return NULL;
    }
    *len = text_end(text);
    char *trimmed = realloc(text->start, *len + 1); /* whoever keeps it may do so for long */
    if (trimmed != NULL)
        text->start = trimmed;
    return text->start;
}
