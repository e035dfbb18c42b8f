/*
 * Log text: the bytes of one line of the log, in which nothing can forge another line.
 *
 * A log shows texts that callers chose, to people at terminals and to programs that read
 * lines. So a line is always valid UTF-8, and never holds a control character, a line end of
 * any kind within, or a character that turns the direction of writing.
 *
 * Owns its bytes. One thread. Never blocks. Errors: text that has no room is cut off between
 * two characters.
 */
#pragma once

#include "log/queue.h"

#include <stddef.h>

struct log_text {
    size_t len;
    char bytes[LOG_LINE_MAX];
};

/* Appends a text of our own. There is always room for LOG_TEXT_OWN bytes of them in a line. */
#define LOG_TEXT_OWN 1024
void log_text_own(struct log_text *text, const char *string);

/* Appends any bytes as they are, with '?' in place of each that could forge. */
void log_text_plain(struct log_text *text, const char *bytes, size_t len);

/* Appends any bytes as a JSON string in quotes (RFC 8259, 7). A byte that is not UTF-8 becomes
 * U+FFFD. */
void log_text_quoted(struct log_text *text, const char *bytes, size_t len);
