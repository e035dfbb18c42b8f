#include "base/quote.h"

#include "base/utf8.h"

#include <stdio.h>

size_t quote_escape(uint32_t c, char escape[QUOTE_ESCAPE_MAX + 1])
{
    if (c == '"' || c == '\\') {
        escape[0] = '\\';
        escape[1] = (char)c;
        return 2;
    }
    return (size_t)snprintf(escape, QUOTE_ESCAPE_MAX + 1, "\\u%04x", (unsigned)(c & 0xffff));
}

bool quote_can_forge(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x061c;
}

/* All that must be is in the basic plane. */
static bool must_be_escaped(enum quote_reader reader, uint32_t c)
{
    if (c == '"' || c == '\\' || c < 0x20)
        return true;
    switch (reader) {
    case QUOTE_FOR_JSON:
        break;
    case QUOTE_FOR_LINES:
        return quote_can_forge(c);
    case QUOTE_FOR_YAML:
        return (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
               c == 0xfffe || c == 0xffff;
    }
    return false;
}

void quote_next(enum quote_reader reader, const char *text, size_t len, struct quoted *quoted)
{
    uint32_t c = 0;
    size_t size = utf8_decode(text, len, &c);
    quoted->taken = size > 0 ? size : 1;
    if (size > 0 ? must_be_escaped(reader, c) : reader == QUOTE_FOR_LINES) {
        quoted->len = quote_escape(size > 0 ? c : 0xfffd, quoted->escape);
        quoted->bytes = quoted->escape;
    } else {
        quoted->len = quoted->taken;
        quoted->bytes = text;
    }
}
