#include "edge/log.h"

#include <assert.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static const char *const names[] = {
    [LOG_LEVEL_ERROR] = "error: ",
    [LOG_LEVEL_WARNING] = "warning: ",
    [LOG_LEVEL_INFO] = "",
};

/* A pipe that nobody empties must cost lines, not time. A pipe says that it can
 * be written to while it has room for PIPE_BUF bytes, which is more than a line. */
static bool can_write(void)
{
    struct pollfd output = {.fd = STDERR_FILENO, .events = POLLOUT};
    return poll(&output, 1, 0) == 1;
}
static_assert(LINE_MAX_BYTES <= PIPE_BUF, "a line goes into a pipe whole");

void log_line(enum log_level level, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    int prefix = snprintf(line, sizeof line, "allowd: %s", names[level]);
    va_list arguments;
    va_start(arguments, format);
    int text = vsnprintf(line + prefix, sizeof line - (size_t)prefix, format, arguments);
    va_end(arguments);
    if (text < 0)
        return;

    size_t len = (size_t)prefix + (size_t)text;
    if (len > sizeof line - 1)
        len = sizeof line - 1;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    if (can_write()) {
        ssize_t written = write(STDERR_FILENO, line, len);
        (void)written;
    }
}
