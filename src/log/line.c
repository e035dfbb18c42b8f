#include "log/line.h"

#include "base/quote.h"
#include "base/text.h"
#include "base/utf8.h"

#include <assert.h>
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

/* The rest of a line that texts that are not ours may fill. */
static struct text begin_foreign(struct log_text *line)
{
    size_t room = line->len < FOREIGN_END ? FOREIGN_END - line->len : 0;
    return text_begin_cut(line->bytes + line->len, room + 1);
}

static void end_foreign(struct log_text *line, const struct text *text)
{
    line->len += (size_t)(text->at - text->start);
}

void log_text_plain(struct log_text *line, const char *bytes, size_t len)
{
    struct text text = begin_foreign(line);
    for (size_t at = 0; at < len && !text.is_short;) {
        uint32_t c = 0;
        size_t size = utf8_decode(bytes + at, len - at, &c);
        bool is_shown = size > 0 && !quote_can_forge(c);
        text_bytes(&text, is_shown ? bytes + at : "?", is_shown ? size : 1);
        at += size > 0 ? size : 1;
    }
    end_foreign(line, &text);
}

void log_text_quoted(struct log_text *line, const char *bytes, size_t len)
{
    log_text_own(line, "\"");
    struct text text = begin_foreign(line);
    for (size_t at = 0; at < len && !text.is_short;) {
        struct quoted quoted;
        quote_next(QUOTE_FOR_LINES, bytes + at, len - at, &quoted);
        text_bytes(&text, quoted.bytes, quoted.len);
        at += quoted.taken;
    }
    end_foreign(line, &text);
    log_text_own(line, "\"");
}
