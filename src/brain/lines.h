/*
 * Lines: the credit lines of all limits, those in force and those they replaced.
 *
 * Every limit in force has one line that advances with each tick. When a reload
 * changes a limit, its line freezes as it is and a new one succeeds it; entries
 * that still carry the old line's number are converted when they are next
 * touched or swept. A line is unused when nothing refers to it any more.
 *
 * Owns its lines. One thread, the brain's. Never blocks.
 */
#pragma once

#include "pure/credit.h"
#include "pure/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define LINES_MAX 4096
#define LINE_AGE_MAX 32      /* installs that a replaced line may still have entries after */
#define LINE_NONE UINT16_MAX /* the heir of a line whose limit is gone */

struct line {
    struct credit_line credit;
    uint64_t start_units; /* the credit that the line began with */
    uint64_t references;  /* entries that carry its number, lines it succeeded, 1 while in force */
    uint32_t replaced;    /* by which install, once it is no longer in force */
    uint16_t successor;   /* the line that replaced it, itself while in force, or LINE_NONE */
};

struct lines {
    struct line line[LINES_MAX];
    uint16_t heirs[LINES_MAX];         /* the line in force at the end of the successors, or LINE_NONE */
    uint16_t of_limit[LIMITS_MAX];     /* the line in force of each limit, by its index */
    uint32_t count;                    /* of limits */
    uint32_t installs;
};

/* Whether there is room to install these limits: lines enough, and none so old that
 * its entries would have many successors to go through. There always is when no
 * line is frozen; a sweep of the whole table makes room. */
bool lines_have_room(const struct lines *lines, uint32_t limits);

/* Puts the lines of `next` into force in place of those of `prior` (NULL: none).
 * A limit of the same name, burst, rate and tick keeps its line. */
void lines_install(struct lines *lines, const struct limits *prior, const struct limits *next);

/* Credits ticks to every line in force. */
void lines_advance(struct lines *lines, uint64_t ticks);

/* The mark on the line's heir of a bucket with spent_mark on the line. */
uint64_t lines_carry(const struct lines *lines, uint16_t line, uint64_t spent_mark);

/* Count an entry in and out. The last one out ends a line no longer in force. */
void lines_enter(struct lines *lines, uint16_t line);
void lines_leave(struct lines *lines, uint16_t line);
