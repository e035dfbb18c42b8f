#include "ctl/shown.h"

#include "base/quote.h"
#include "base/utf8.h"

#include <langinfo.h>
#include <stdio.h>
#include <wchar.h>

enum { ASCII_END = 0x7f, BASIC_PLANE_END = 0xffff, ESCAPE_MAX = 10 };

enum shown_charset shown_charset(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? SHOWN_UTF8 : SHOWN_ASCII;
}

/* Columns of a character; 0: it is not to be shown as it is. */
static size_t columns_of(enum shown_charset charset, uint32_t c)
{
    if (c >= 0x20 && c < ASCII_END)
        return 1;
    if (charset == SHOWN_ASCII || quote_can_forge(c))
        return 0;
    int columns = wcwidth((wchar_t)c);
    return columns > 0 ? (size_t)columns : 0;
}

/* kind: 'x' of a byte, 'u' of a character, 'U' of one beyond the basic plane, as C writes them. */
static size_t append_escape(struct text *text, char kind, uint32_t c)
{
    char escape[ESCAPE_MAX + 1];
    int digits = kind == 'x' ? 2 : kind == 'u' ? 4 : 8;
    int len = snprintf(escape, sizeof escape, "\\%c%0*x", kind, digits, (unsigned)c);
    text_bytes(text, escape, (size_t)len);
    return (size_t)len;
}

/* Appends the first character; its columns. */
static size_t append_one(struct text *text, enum shown_charset charset, const char *bytes,
                         size_t len, uint32_t c)
{
    size_t columns = columns_of(charset, c);
    if (c == '\\')
        return text_literal(text, "\\\\"), 2;
    if (columns == 0)
        return append_escape(text, c <= BASIC_PLANE_END ? 'u' : 'U', c);
    text_bytes(text, bytes, len);
    return columns;
}

size_t shown_append(struct text *text, enum shown_charset charset, const char *bytes, size_t len)
{
    size_t columns = 0, step;
    for (size_t i = 0; i < len; i += step) {
        uint32_t c = 0;
        step = utf8_decode(bytes + i, len - i, &c);
        if (step > 0) {
            columns += append_one(text, charset, bytes + i, step, c);
        } else {
            columns += append_escape(text, 'x', (unsigned char)bytes[i]);
            step = 1;
        }
    }
    return columns;
}

/* Between the tokens of JSON there are blanks, tabs and line ends, of which a lone CR would let a
 * line be written over. */
static bool is_between_tokens(uint32_t c)
{
    return c == '\t' || c == '\n' || c == '\r';
}

void shown_append_json(struct text *text, const char *bytes, size_t len)
{
    size_t step;
    for (size_t i = 0; i < len; i += step) {
        uint32_t c = 0;
        step = utf8_decode(bytes + i, len - i, &c);
        if (step == 0)
            step = 1;
        if (is_between_tokens(c))
            text_bytes(text, c == '\r' ? " " : bytes + i, 1);
        else if (quote_can_forge(c))
            append_escape(text, 'u', c);
        else
            text_bytes(text, bytes + i, step);
    }
}

/* Of what shown_append wrote, so every character is a whole one with columns of its own. */
static size_t step_over(const char *bytes, size_t len, size_t *columns)
{
    uint32_t c = 0;
    size_t step = utf8_decode(bytes, len, &c);
    *columns = columns_of(SHOWN_UTF8, c);
    return step > 0 ? step : 1;
}

size_t shown_columns(const char *bytes, size_t len)
{
    size_t sum = 0, columns;
    for (size_t i = 0; i < len; sum += columns)
        i += step_over(bytes + i, len - i, &columns);
    return sum;
}

size_t shown_bytes_within(const char *bytes, size_t len, size_t columns)
{
    size_t at = 0, taken;
    while (at < len) {
        size_t step = step_over(bytes + at, len - at, &taken);
        if (taken > columns)
            break;
        columns -= taken;
        at += step;
    }
    return at;
}
