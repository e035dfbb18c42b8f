/*
 * What a command shows: lines of text and tables, gathered, and written to standard output at once.
 *
 * Owns the text. Main thread. Blocks on standard output when it is written. Errors: sheet_write says
 * what was wrong.
 */
#pragma once

#include "ctl/columns.h"
#include "ctl/exits.h"

struct sheet {
    struct text text;
    enum shown_charset charset;
    bool is_short;
};

struct sheet sheet_begin(enum shown_charset charset);

/* Appends text of ours; a text that somebody chose, NULL as nothing; and a line of both: a name, filled
 * up to SHEET_NAME columns, and what it is. */
#define SHEET_NAME 12
void sheet_own(struct sheet *sheet, const char *text);
void sheet_shown(struct sheet *sheet, const char *text);
void sheet_name(struct sheet *sheet, const char *name);
void sheet_line(struct sheet *sheet, const char *name, const char *text);

/* Appends a table, and releases it. */
void sheet_columns(struct sheet *sheet, struct columns *columns);

/* Writes it all, and releases it. CTL_DONE, or CTL_FAILED. */
enum ctl_exit sheet_write(struct sheet *sheet);
