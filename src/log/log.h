/*
 * The log: one line an event, on standard error.
 *
 * A line is text that begins with "allowd:", or a JSON object. When standard error
 * is the journal's, it has its priority in front (sd-daemon(3)), which the journal
 * takes off again.
 *
 * Owns nothing but what log_queue.h does. Threads: log_line and log_lines_lost
 * from any, the rest from the main one. Blocks: log_end, for half a second at most;
 * a line never, whatever standard error is. Errors: none, a line without room is
 * lost, counted, and told of once there is room.
 */
#pragma once

#include "log/settings.h"

#include <stdint.h>

/* Logs a formatted text; what could forge another line is made visible. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)

/* Finds out whether standard error is the journal's; before anything is logged. */
void log_init(void);

/* What the journal wants in front of a line; empty if it is not the journal's. */
const char *log_priority(enum log_level level);

/* From now on lines are of these settings. */
void log_set(const struct log_settings *settings);

/* The life of a daemon's log: from log_open on no line waits; log_start begins to
 * write them; log_end sees them off. 0 or an errno value. */
int log_open(void);
int log_start(void);
void log_end(void);

/* For a line with more to it than a text: begins it, up to where JSON has the message
 * and text the text; and sends it, once its end is in it. */
struct log_text;
enum log_format log_begin(struct log_text *line, enum log_level level);
void log_send(const struct log_text *line);

/* Lines lost so far. */
uint64_t log_lines_lost(void);
