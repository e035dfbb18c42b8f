#include "migrate/line.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void write_shown(FILE *out, const char *text)
{
    for (; *text != '\0'; text++)
        fputc(*text >= 0x20 && *text <= 0x7e ? *text : '?', out);
}

void line_write(FILE *out, const char *format, ...)
{
    char text[LINE_QUOTED_MAX + 200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fputs(text[0] == '\0' ? "#" : "# ", out);
    write_shown(out, text);
    fputc('\n', out);
}

static void append_word(struct text *line, const char *word)
{
    const char *quote = word[0] == '\0' || strpbrk(word, " \t\r\n;{") != NULL ? "\"" : "";
    text_string(line, quote);
    text_string(line, word);
    text_string(line, quote);
}

const char *line_of(const struct directive *directive, char text[LINE_WORDS_MAX])
{
    struct text line = text_begin_cut(text, LINE_WORDS_MAX);
    for (size_t i = 0; i < directive->words; i++) {
        if (i > 0)
            text_literal(&line, " ");
        append_word(&line, directive->word[i]);
    }
    if (!directive->has_block)
        text_literal(&line, ";");
    text_end(&line);
    return text;
}

const char *line_quote(const char *word, char text[LINE_QUOTED_MAX])
{
    struct text line = text_begin_cut(text, LINE_QUOTED_MAX);
    text_literal(&line, "\"");
    for (; *word != '\0'; word++) {
        if (*word == '"' || *word == '\\')
            text_literal(&line, "\\");
        text_bytes(&line, word, 1);
    }
    text_literal(&line, "\"");
    text_end(&line);
    return text;
}
