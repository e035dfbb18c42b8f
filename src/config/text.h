/*
 * The characters of a configuration: which are accepted, and how its texts are
 * shown in a message and written in YAML.
 *
 * Owns nothing. Any thread. Never blocks, but for writing to a FILE.
 */
#pragma once

#include "config/faults.h"

#include <stddef.h>
#include <stdio.h>

/* Room for config_shorten, terminating NUL included. */
#define CONFIG_SHORT_MAX 68

/* Reports what is not a character of a text file, once a line, and puts '_' in
 * its place, so that the rest of the file can be read and checked. */
void config_mend_characters(char *bytes, size_t len, struct faults *faults);

/* A text for a message: all of it, or its beginning and "...". Returns `shortened`. */
const char *config_shorten(const char *text, char shortened[CONFIG_SHORT_MAX]);

/* Writes UTF-8 as the inside of a double-quoted YAML scalar. */
void config_write_quotable(FILE *out, const char *text, size_t len);

/* Writes what leads to a text, the text in double quotes, and a line end. */
void config_write_named(FILE *out, const char *lead, const char *text);
