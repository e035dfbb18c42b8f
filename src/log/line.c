#include "log/line.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Texts of others end here at the latest; the rest of a line is for our own. */
enum { FOREIGN_END = LOG_LINE_MAX - LOG_TEXT_OWN };
static_assert(FOREIGN_END > LOG_TEXT_OWN, "most of a line is theirs");

void log_text_own(struct log_text *text, const char *string)
{
    size_t len = strlen(string);
    assert(len <= sizeof text->bytes - text->len);
    memcpy(text->bytes + text->len, string, len);
    text->len += len;
}

/* false: there is no room. */
static bool append(struct log_text *text, const char *bytes, size_t len)
{
    if (text->len + len > FOREIGN_END)
        return false;
    memcpy(text->bytes + text->len, bytes, len);
    text->len += len;
    return true;
}

/* Whether a character must not be shown as it is: a control character (C0, DEL, C1),
 * a separator of lines or paragraphs, or one that turns the direction of writing. */
static bool can_forge(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x200e || c == 0x200f || c == 0x061c;
}

void log_text_plain(struct log_text *text, const char *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        size_t size = utf8_decode(bytes + at, len - at, &c);
        bool is_shown = size > 0 && !can_forge(c);
        if (!append(text, is_shown ? bytes + at : "?", is_shown ? size : 1))
            return;
        at += size > 0 ? size : 1;
    }
}

/* Every character that must be escaped is in the basic plane, so four digits are enough. */
static bool append_quoted(struct log_text *text, const char *bytes, size_t size, uint32_t c)
{
    char escape[8];
    if (size == 0)
        return append(text, "\\ufffd", 6);
    if (c == '"' || c == '\\')
        return append(text, (char[2]){'\\', (char)c}, 2);
    if (!can_forge(c))
        return append(text, bytes, size);
    snprintf(escape, sizeof escape, "\\u%04x", (unsigned)(c & 0xffff));
    return append(text, escape, 6);
}

void log_text_quoted(struct log_text *text, const char *bytes, size_t len)
{
    log_text_own(text, "\"");
    for (size_t at = 0; at < len;) {
        uint32_t c = 0;
        size_t size = utf8_decode(bytes + at, len - at, &c);
        if (!append_quoted(text, bytes + at, size, c))
            break;
        at += size > 0 ? size : 1;
    }
    log_text_own(text, "\"");
}
