#include "ctl/lines.h"

#include <stdlib.h>

struct lines lines_begin(bool (*take)(void *context, const char *line, size_t len), void *context)
{
    return (struct lines){.begun = text_begin_growing(), .take = take, .context = context};
}

static bool keep(struct lines *lines, const char *bytes, size_t len)
{
    size_t kept = (size_t)(lines->begun.at - lines->begun.start);
    if (kept + len > LINES_MAX)
        return false;
    text_bytes(&lines->begun, bytes, len);
    return !lines->begun.is_short;
}

bool lines_take(struct lines *lines, const char *bytes, size_t len)
{
    const char *end;
    while (len > 0 && (end = memchr(bytes, '\n', len)) != NULL) {
        size_t part = (size_t)(end - bytes);
        if (!keep(lines, bytes, part) ||
            !lines->take(lines->context, lines->begun.start,
                         (size_t)(lines->begun.at - lines->begun.start)))
            return false;
        lines->begun.at = lines->begun.start;
        bytes += part + 1;
        len -= part + 1;
    }
    return keep(lines, bytes, len);
}

void lines_release(struct lines *lines)
{
    free(lines->begun.start);
    lines->begun = text_begin_growing();
}
