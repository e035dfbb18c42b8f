/*
 * The log: one line an event, on standard error.
 *
 * Owns nothing. Any thread; a line is written by one write(2) and stays whole.
 * Never blocks on a pipe. Errors: none, a line that cannot be written now is lost.
 */
#pragma once

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };

/* Writes "allowd: ", the level unless it is INFO, and the text; control characters are made visible. */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
