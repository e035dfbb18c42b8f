/*
 * Text: which characters a configuration may have, and how its texts are shown in messages and
 * written as YAML.
 *
 * Owns nothing. Any thread. Never blocks, except to write to a FILE. Errors: faults.
 */
#pragma once

#include "config/faults.h"

#include <stddef.h>
#include <stdio.h>

/* Bytes for config_shorten, its NUL included. */
#define CONFIG_SHORT_MAX 68

/* Reports bytes that may not be in a text file, once a line, and replaces them by '_', so that the
 * rest of the file can be read and checked. */
void config_mend_characters(char *bytes, size_t len, struct faults *faults);

/* Makes a text fit for a message: all of it, or its beginning and "...". Returns `shortened`. */
const char *config_shorten(const char *text, char shortened[CONFIG_SHORT_MAX]);

/* Writes UTF-8 as the inside of a double-quoted YAML scalar. */
void config_write_quotable(FILE *out, const char *text, size_t len);

/* Writes `lead`, the text in double quotes, and a line end. */
void config_write_named(FILE *out, const char *lead, const char *text);
