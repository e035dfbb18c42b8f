/*
 * Lines out of a stream that comes in pieces.
 *
 * Owns the line that is not whole yet. Main thread. Never blocks. Errors: lines_take is false for a
 * line that is too long or has no memory, or if its taker wants no more.
 */
#pragma once

#include "base/text.h"

#define LINES_MAX (64u << 10) /* bytes of a line */

struct lines {
    struct text begun;
    /* Takes a whole line, without its end. false: no more. */
    bool (*take)(void *context, const char *line, size_t len);
    void *context;
};

struct lines lines_begin(bool (*take)(void *context, const char *line, size_t len), void *context);
bool lines_take(struct lines *lines, const char *bytes, size_t len);

/* Forgets what is not whole. */
void lines_release(struct lines *lines);
