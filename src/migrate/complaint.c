#include "migrate/complaint.h"

#include <stdarg.h>
#include <stdio.h>

bool complain(struct complaint *complaint, const char *file, size_t line, const char *format, ...)
{
    char text[COMPLAINT_MAX / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (line == 0)
        snprintf(complaint->text, sizeof complaint->text, "%s: %s", file, text);
    else
        snprintf(complaint->text, sizeof complaint->text, "%s:%zu: %s", file, line, text);
    for (char *at = complaint->text; *at != '\0'; at++)
        if (*at < 0x20 || *at > 0x7e)
            *at = '?';
    return false;
}
