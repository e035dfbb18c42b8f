/*
 * The log: one line an event, on standard error.
 *
 * Owns nothing but what log_queue.h does. Threads: log_line and log_lines_lost
 * from any, the rest from the main one. Blocks: log_end, for half a second at most;
 * a line never, whatever standard error is. Errors: none, a line without room is
 * lost, counted, and told of once there is room.
 */
#pragma once

#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };

/* Writes "allowd: ", the level unless it is INFO, and the text; control characters are made visible. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)

/* The life: from log_open on no line waits; log_start begins to write them; log_end
 * sees them off. 0 or an errno value. */
int log_open(void);
int log_start(void);
void log_end(void);

/* Lines lost so far. */
uint64_t log_lines_lost(void);
