/*
 * Tables of text: cells in columns that are as wide as what is in them.
 *
 * Owns the cells. Main thread. Never blocks. Errors: without memory columns_append says so.
 */
#pragma once

#include "ctl/shown.h"

#include <stdbool.h>
#include <stdint.h>

struct column {
    const char *title;
    bool is_number; /* set to the right */
};

struct cell {
    char *text; /* NULL: there was no memory */
    size_t len, columns;
};

struct columns {
    const struct column *heads;
    size_t count; /* of columns */
    enum shown_charset charset;
    struct cell *cells;
    size_t cells_count, room;
    bool is_short;
};

/* The heads stay the caller's. */
struct columns columns_begin(const struct column *heads, size_t count, enum shown_charset charset);

/* Adds the next cell, row by row: a text that somebody chose, shown as shown_append does; a number.
 * NULL is an empty cell. */
void columns_text(struct columns *columns, const char *text);
void columns_number(struct columns *columns, uint64_t number);

/* Rows that are whole. */
size_t columns_rows(const struct columns *columns);

/* Appends the titles and all rows, each with a line end. false: there was no memory. */
bool columns_append(const struct columns *columns, struct text *text);

void columns_release(struct columns *columns);
