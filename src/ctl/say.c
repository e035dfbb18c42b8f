#include "ctl/say.h"

#include "ctl/shown.h"

#include <stdarg.h>
#include <stdio.h>

enum { LINE_MAX_BYTES = 4096 };

void say(const char *format, ...)
{
    char line[LINE_MAX_BYTES], shown[2 * LINE_MAX_BYTES];
    struct text text = text_begin_cut(shown, sizeof shown);
    va_list values;
    va_start(values, format);
    vsnprintf(line, sizeof line, format, values);
    va_end(values);
    shown_append(&text, shown_charset(), line, strlen(line));
    text_end(&text);
    (void)fflush(stdout);
    fprintf(stderr, "allowctl: %s\n", shown);
}
