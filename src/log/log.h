/*
 * The log: one line an event, on standard error.
 *
 * A line is text that begins with "allowd:", or a JSON object. If standard error is the
 * journal's socket, the priority stands in front (sd-daemon(3)); the journal takes it off.
 *
 * Owns nothing; log/queue.h owns the queue. Threads: log_line, log_begin, log_send and
 * log_lines_lost from any, the rest from the main one. Blocks: log_end, for half a second at
 * most where the reader takes nothing; a line never, whatever standard error is. Errors: a line without room is lost and
 * counted, and a later line says how many were.
 */
#pragma once

#include "log/settings.h"

#include <stdint.h>

/* Logs a formatted text. Characters that could forge another line are replaced. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)

/* Finds out whether standard error is the journal's. Call it before anything is logged. */
void log_init(void);

/* What stands in front of a line for the journal; empty if nobody wants it. */
const char *log_priority(enum log_level level);

/* From now on lines follow these settings. */
void log_set(const struct log_settings *settings);

/* The life of a daemon's log: from log_open on lines are queued, so that none waits; log_start
 * begins to write them; log_end writes the rest. 0 or an errno value. */
int log_open(void);
int log_start(void);
void log_end(void);

/* For a line that is more than one text: log_begin writes its beginning, up to where JSON has
 * the message and text the text; the caller appends the rest and the end; log_send sends it. */
struct log_text;
enum log_format log_begin(struct log_text *line, enum log_level level);
void log_send(const struct log_text *line);

/* How many lines were lost so far. */
uint64_t log_lines_lost(void);
