/*
 * Faults: everything that is wrong with a file, each fault with its place.
 *
 * Owns its texts until faults_release. One thread. Never blocks. Errors: if there is no memory, a
 * fault loses its text but is counted.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define FAULTS_MAX 100 /* how many texts are kept; further faults are only counted */

struct fault {
    size_t line, column; /* from 1; 0: the file as a whole */
    char *text;          /* what is wrong, what is allowed */
};

struct faults {
    size_t count; /* faults found, those without a text included */
    size_t kept;  /* faults with a text */
    struct fault fault[FAULTS_MAX];
};

/* Adds a fault. Formats the text as printf does, and makes its control characters visible. */
void faults_add(struct faults *faults, size_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Sorts the kept faults by place. */
void faults_sort(struct faults *faults);

/* Calls `tell` with a line for each kept fault: "NAME:LINE:COLUMN: TEXT", or "NAME: TEXT" if it is
 * of the whole file. If some are not kept, a last line says how many. */
void faults_tell(const struct faults *faults, const char *name,
                 void (*tell)(void *context, const char *line), void *context);

void faults_release(struct faults *faults);
