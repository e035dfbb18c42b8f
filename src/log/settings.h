/*
 * The settings of the log: how much it says, and in which form.
 *
 * Owns nothing. Any thread. Never blocks.
 */
#pragma once

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO };
#define LOG_LEVELS 3
extern const char *const log_level_names[LOG_LEVELS]; /* as the configuration has them */

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
#define LOG_FORMATS 2
extern const char *const log_format_names[LOG_FORMATS];

struct log_settings {
    enum log_level level; /* the least grave level that is logged */
    enum log_format format;
};

#define LOG_SETTINGS_DEFAULT ((struct log_settings){LOG_LEVEL_INFO, LOG_FORMAT_TEXT})
