#include "log/log.h"

#include "base/quantity.h"
#include "log/line.h"
#include "log/queue.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_MAX = LOG_LINE_MAX - LOG_TEXT_OWN };

static const char *const prefixes[LOG_LEVELS] = {
    [LOG_LEVEL_ERROR] = "allowd: error: ",
    [LOG_LEVEL_WARNING] = "allowd: warning: ",
    [LOG_LEVEL_INFO] = "allowd: ",
};

/* As sd-daemon(3) wants them, by the numbers of syslog(3). */
static const char *const priorities[LOG_LEVELS] = {
    [LOG_LEVEL_ERROR] = "<3>",
    [LOG_LEVEL_WARNING] = "<4>",
    [LOG_LEVEL_INFO] = "<6>",
};

static bool is_journal; /* set before there is another thread */
static atomic_int least = LOG_LEVEL_INFO, format_now = LOG_FORMAT_TEXT;

/* ---- the journal ---- */

static bool number_is(const char *text, size_t len, uint64_t wanted)
{
    uint64_t number;
    return quantity_parse_number(text, len, 0, UINT64_MAX, &number) == QUANTITY_OK &&
           number == wanted;
}

/* JOURNAL_STREAM is DEVICE:INODE of the journal's socket (systemd.exec(5)). It must be compared
 * with standard error, which somebody may have redirected while the variable was inherited. */
void log_init(void)
{
    struct stat status;
    const char *stream = getenv("JOURNAL_STREAM");
    const char *colon = stream == NULL ? NULL : strchr(stream, ':');
    is_journal = colon != NULL && fstat(STDERR_FILENO, &status) == 0 &&
                 number_is(stream, (size_t)(colon - stream), status.st_dev) &&
                 number_is(colon + 1, strlen(colon + 1), status.st_ino);
}

const char *log_priority(enum log_level level)
{
    return is_journal ? priorities[level] : "";
}

/* ---- lines ---- */

void log_set(const struct log_settings *settings)
{
    atomic_store(&least, (int)settings->level);
    atomic_store(&format_now, (int)settings->format);
}

static void append_time(struct log_text *line)
{
    struct timespec now;
    struct tm date;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &date);
    size_t len = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &date);
    snprintf(text + len, sizeof text - len, ".%03dZ", (int)(now.tv_nsec / (long)NS_PER_MS));
    log_text_own(line, text);
}

enum log_format log_begin(struct log_text *line, enum log_level level)
{
    enum log_format format = (enum log_format)atomic_load(&format_now);
    line->len = 0;
    log_text_own(line, log_priority(level));
    if (format == LOG_FORMAT_TEXT) {
        log_text_own(line, prefixes[level]);
        return format;
    }
    log_text_own(line, "{\"time\":\"");
    append_time(line);
    log_text_own(line, "\",\"level\":\"");
    log_text_own(line, log_level_names[level]);
    log_text_own(line, "\",\"message\":");
    return format;
}

void log_send(const struct log_text *line)
{
    log_queue_put(line->bytes, line->len);
}

/* Writes a message into a line. false: it is not grave enough to be logged. */
static bool write_message(struct log_text *line, enum log_level level, const char *format,
                          va_list arguments)
{
    char message[MESSAGE_MAX];
    if ((int)level > atomic_load(&least))
        return false;
    int len = vsnprintf(message, sizeof message, format, arguments);
    if (len < 0)
        return false;
    size_t kept = (size_t)len < sizeof message ? (size_t)len : sizeof message - 1;
    enum log_format form = log_begin(line, level);
    if (form == LOG_FORMAT_TEXT)
        log_text_plain(line, message, kept);
    else
        log_text_quoted(line, message, kept);
    log_text_own(line, form == LOG_FORMAT_TEXT ? "\n" : "}\n");
    return true;
}

void log_line(enum log_level level, const char *format, ...)
{
    struct log_text line;
    va_list arguments;
    va_start(arguments, format);
    bool is_written = write_message(&line, level, format, arguments);
    va_end(arguments);
    if (is_written)
        log_send(&line);
}

/* ---- what was lost ---- */

static size_t write_warning(struct log_text *line, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static size_t write_warning(struct log_text *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool is_written = write_message(line, LOG_LEVEL_WARNING, format, arguments);
    va_end(arguments);
    return is_written ? line->len : 0;
}

static size_t lost_line(uint64_t lost, char bytes[LOG_LINE_MAX])
{
    struct log_text line;
    size_t len = write_warning(&line, "%" PRIu64 " log line%s lost: standard error took no more",
                               lost, lost == 1 ? " was" : "s were");
    memcpy(bytes, line.bytes, len);
    return len;
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
