/*
 * Log text: what makes up a line of the log, none of which can forge another.
 *
 * Whoever reads a log by lines, or on a terminal, is shown what callers chose: so
 * control characters, line ends of every kind and what turns the direction of
 * writing are never in it as they are, and it is always valid UTF-8.
 *
 * Owns its bytes. One thread. Never blocks. Errors: what has no room is left out,
 * at the boundary of a character.
 */
#pragma once

#include "log/queue.h"

#include <stddef.h>

struct log_text {
    size_t len;
    char bytes[LOG_LINE_MAX];
};

/* Appends text of ours, for which there is always room: LOG_TEXT_OWN bytes in a line. */
#define LOG_TEXT_OWN 1024
void log_text_own(struct log_text *text, const char *string);

/* Appends any bytes as they are, but for '?' in place of what could forge. */
void log_text_plain(struct log_text *text, const char *bytes, size_t len);

/* Appends any bytes as a JSON string in quotes (RFC 8259, 7); what is not UTF-8
 * becomes U+FFFD. */
void log_text_quoted(struct log_text *text, const char *bytes, size_t len);
