/*
 * Reloads: what the main thread answers if a front-end asks it to read the configuration again.
 *
 * The question is a letter like any other (MESSAGE_RELOAD), but in the main thread's inbox, not the
 * decider's. To load a file takes longer than a turn, and so only the client that asked waits.
 *
 * A report owns its notes. Threads: one at a time. Never blocks. Errors: as each function says.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum reload_outcome {
    RELOAD_IN_FORCE,
    RELOAD_FAULTY,    /* the file has faults; nothing was changed */
    RELOAD_NO_FILE,   /* allowd was started without a configuration file */
    RELOAD_NO_MEMORY, /* nothing was changed */
    RELOAD_DRAINING,  /* allowd is about to end, and reloads nothing any more */
};

/* What is said of one place in the file. */
struct reload_note {
    size_t line, column; /* from 1; 0: the file as a whole */
    char *text;
};

/* How a reload went. If all zeros, it holds no notes. The notes are the faults if RELOAD_FAULTY,
 * else the warnings. */
struct reload_report {
    enum reload_outcome outcome;
    uint32_t limits; /* if RELOAD_IN_FORCE: how many are in force */
    size_t notes_found;
    size_t notes_count; /* how many of them are in `notes` */
    struct reload_note *notes;
};

/* Adds a note. If there is no memory, only counts it. */
void reload_report_add(struct reload_report *report, size_t line, size_t column, const char *text);

/* Writes why a reload has failed as lines, as many as there is room for with a NUL: "PATH:LINE:COLUMN: TEXT"
 * of each fault. */
void reload_report_lines(const struct reload_report *report, const char *path, char *lines,
                         size_t bytes);

/* Frees its notes. It is all zeros then. */
void reload_report_release(struct reload_report *report);
