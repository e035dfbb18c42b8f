#include "edge/log.h"

#include "edge/log_queue.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const names[] = {
    [LOG_LEVEL_ERROR] = "error: ",
    [LOG_LEVEL_WARNING] = "warning: ",
    [LOG_LEVEL_INFO] = "",
};

/* Cut, if it must be, where the line's end still has room; its length. */
static size_t write_line(char line[LOG_LINE_MAX], enum log_level level, const char *format,
                         va_list arguments)
{
    int prefix = snprintf(line, LOG_LINE_MAX, "allowd: %s", names[level]);
    int text = vsnprintf(line + prefix, LOG_LINE_MAX - (size_t)prefix, format, arguments);
    if (text < 0)
        return 0;

    size_t len = (size_t)prefix + (size_t)text;
    if (len > LOG_LINE_MAX - 1)
        len = LOG_LINE_MAX - 1;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[len++] = '\n';
    return len;
}

void log_line(enum log_level level, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    size_t len = write_line(line, level, format, arguments);
    va_end(arguments);
    if (len > 0)
        log_queue_put(line, len);
}

static size_t write_warning(char line[LOG_LINE_MAX], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static size_t write_warning(char line[LOG_LINE_MAX], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t len = write_line(line, LOG_LEVEL_WARNING, format, arguments);
    va_end(arguments);
    return len;
}

static size_t lost_line(uint64_t lost, char line[LOG_LINE_MAX])
{
    return write_warning(line, "%" PRIu64 " log line%s lost: standard error took no more", lost,
                         lost == 1 ? " was" : "s were");
}

int log_open(void)
{
    return log_queue_open(lost_line);
}

int log_start(void)
{
    return log_queue_start();
}

void log_end(void)
{
    log_queue_end();
}

uint64_t log_lines_lost(void)
{
    return log_queue_lost();
}
