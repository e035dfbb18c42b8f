/*
 * Faults: everything that is wrong with a file, each fault with its place.
 *
 * A warning is no fault: it names something that is allowed, but that hardly anybody can mean, such
 * as a rule that never applies. The file is taken all the same.
 *
 * Owns its texts until faults_release. One thread. Never blocks. Errors: if there is no memory, a
 * fault loses its text but is counted.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define FAULTS_MAX 100 /* how many texts are kept of each kind; further ones are only counted */

enum fault_kind {
    FAULT_ERROR,
    FAULT_WARNING,
};

struct fault {
    enum fault_kind kind;
    size_t line, column; /* from 1; 0: the file as a whole */
    char *text;          /* what is wrong, what is allowed */
};

struct faults {
    size_t count;    /* faults found, those without a text included */
    size_t warnings; /* warnings found, likewise */
    size_t kept;     /* those of both kinds that have a text */
    struct fault fault[2 * FAULTS_MAX];
};

/* Adds a fault. Formats the text as printf does, and makes its control characters visible. */
void faults_add(struct faults *faults, size_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Adds a warning, likewise. */
void faults_warn(struct faults *faults, size_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Sorts what is kept by place. */
void faults_sort(struct faults *faults);

/* Takes one line about a file. place: "NAME:LINE:COLUMN", or "NAME" if it is of the whole file. */
typedef void faults_teller(void *context, enum fault_kind kind, const char *place,
                           const char *text);

/* Calls `tell` for each fault and warning that is kept. If some of a kind are not kept, one line
 * more says how many. */
void faults_tell(const struct faults *faults, const char *name, faults_teller *tell, void *context);

void faults_release(struct faults *faults);
