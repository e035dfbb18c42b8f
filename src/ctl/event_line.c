#include "ctl/event_line.h"

#include <stdlib.h>

enum { KIND_COLUMNS = 15 };

/* Whether a text could be read as more than one, or as none. */
static bool needs_quotes(const char *value)
{
    return value[0] == '\0' || strpbrk(value, " \"=") != NULL;
}

/* A quote within quotes is told by a backslash, which stands nowhere else alone. */
static void append_quoted(struct text *text, enum shown_charset charset, const char *value)
{
    text_literal(text, "\"");
    for (const char *quote; (quote = strchr(value, '"')) != NULL; value = quote + 1) {
        shown_append(text, charset, value, (size_t)(quote - value));
        text_literal(text, "\\\"");
    }
    shown_append(text, charset, value, strlen(value));
    text_literal(text, "\"");
}

static void append_text(struct text *text, enum shown_charset charset, const char *value)
{
    if (needs_quotes(value))
        append_quoted(text, charset, value);
    else
        shown_append(text, charset, value, strlen(value));
}

/* A value that is no text: a number, a truth, a list. */
static void append_other(struct text *text, enum shown_charset charset, const json_t *value)
{
    char *written = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (written == NULL)
        text->is_short = true;
    else
        shown_append(text, charset, written, strlen(written));
    free(written);
}

static void append_padded(struct text *text, enum shown_charset charset, const char *value,
                          size_t columns)
{
    if (value == NULL)
        value = "?";
    for (size_t used = shown_append(text, charset, value, strlen(value)); used < columns; used++)
        text_literal(text, " ");
}

void event_line_append(struct text *text, enum shown_charset charset, const json_t *event)
{
    const char *name;
    json_t *value;
    append_padded(text, charset, answer_text(event, "time"), 0);
    text_literal(text, "  ");
    append_padded(text, charset, answer_text(event, "event"), KIND_COLUMNS);
    json_object_foreach((json_t *)event, name, value)
    {
        if (strcmp(name, "id") == 0 || strcmp(name, "time") == 0 || strcmp(name, "event") == 0)
            continue;
        text_literal(text, " ");
        append_text(text, charset, name);
        text_literal(text, "=");
        if (json_is_string(value))
            append_text(text, charset, json_string_value(value));
        else
            append_other(text, charset, value);
    }
    text_literal(text, "\n");
}
