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

/* How many decimal digits a number has: of bits it has 3.32 times as many (4096 / 1233), which is
 * off by one at most. */
static size_t digits_of(uint64_t number)
{
    static const uint64_t powers[] = {
        1u,
        10u,
        100u,
        1000u,
        10000u,
        100000u,
        1000000u,
        10000000u,
        100000000u,
        1000000000u,
        10000000000u,
        100000000000u,
        1000000000000u,
        10000000000000u,
        100000000000000u,
        1000000000000000u,
        10000000000000000u,
        100000000000000000u,
        1000000000000000000u,
        10000000000000000000u,
    };
    size_t digits = (size_t)(64 - __builtin_clzll(number | 1)) * 1233 >> 12;
    return digits + ((number | 1) >= powers[digits]);
}

/* Writes in place, from the end, eight digits at a time, of which no two pairs wait for one another, then
 * two at a time: a division costs as much for two as for one. */
void text_long_number(struct text *text, uint64_t number)
{
    static const char pairs[100][3] = {
        "00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12", "13", "14",
        "15", "16", "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29",
        "30", "31", "32", "33", "34", "35", "36", "37", "38", "39", "40", "41", "42", "43", "44",
        "45", "46", "47", "48", "49", "50", "51", "52", "53", "54", "55", "56", "57", "58", "59",
        "60", "61", "62", "63", "64", "65", "66", "67", "68", "69", "70", "71", "72", "73", "74",
        "75", "76", "77", "78", "79", "80", "81", "82", "83", "84", "85", "86", "87", "88", "89",
        "90", "91", "92", "93", "94", "95", "96", "97", "98", "99",
    };
    enum { EIGHT = 100000000 };
    size_t digits = digits_of(number);
    if ((size_t)(text->end - text->at) <= digits && !text_make_room(text, digits))
        return;
    char *at = text->at + digits;
    for (; number >= EIGHT; number /= EIGHT) {
        uint32_t eight = (uint32_t)(number % EIGHT), high = eight / 10000, low = eight % 10000;
        at -= 8;
        memcpy(at, pairs[high / 100], 2);
        memcpy(at + 2, pairs[high % 100], 2);
        memcpy(at + 4, pairs[low / 100], 2);
        memcpy(at + 6, pairs[low % 100], 2);
    }
    uint32_t rest = (uint32_t)number;
    for (; rest >= 10; rest /= 100)
        memcpy(at -= 2, pairs[rest % 100], 2);
    if (at != text->at)
        *text->at = (char)('0' + rest);
    text->at += digits;
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

size_t text_end(struct text *text)
{
    assert(text->at < text->end);
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
