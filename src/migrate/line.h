/*
 * Lines: comments of YAML that quote what somebody else wrote, so that nothing of it can end the comment.
 *
 * Owns nothing. One thread. Blocks while it writes. Errors: those of the FILE.
 */
#pragma once

#include "migrate/tree.h"

#include <stdio.h>

/* Writes "# ", the text as printf makes it, and a line's end. Each byte that is no printable ASCII becomes '?'. */
void line_write(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define LINE_WORDS_MAX 400 /* bytes of a directive as it is quoted, with the NUL */

/* A directive in one line, without its block; what is longer is cut. Returns `text`. */
const char *line_of(const struct directive *directive, char text[LINE_WORDS_MAX]);

/* Writes a word as nginx reads it back, in double quotes, into `text`. Returns `text`. */
#define LINE_QUOTED_MAX 9000
const char *line_quote(const char *word, char text[LINE_QUOTED_MAX]);
