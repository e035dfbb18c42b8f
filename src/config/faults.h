/*
 * Faults: everything found wrong with a file, each with its place.
 *
 * Owns its texts until faults_release. One thread. Never blocks. Running out of
 * memory loses texts, never the count.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define FAULTS_MAX 100 /* texts kept; further faults are only counted */

struct fault {
    size_t line, column; /* from 1; 0: the file as a whole */
    char *text;          /* what is wrong, what is allowed */
};

struct faults {
    size_t count; /* found, also beyond those kept */
    size_t kept;
    struct fault fault[FAULTS_MAX];
};

/* Adds a fault; the text is formatted as by printf, its control characters made visible. */
void faults_add(struct faults *faults, size_t line, size_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Orders the faults kept by place. */
void faults_sort(struct faults *faults);

/* Hands each fault, as "NAME:LINE:COLUMN: TEXT" (or "NAME: TEXT" for the whole
 * file), to `tell`, and a last line that counts those not kept. */
void faults_tell(const struct faults *faults, const char *name,
                 void (*tell)(void *context, const char *line), void *context);

void faults_release(struct faults *faults);
