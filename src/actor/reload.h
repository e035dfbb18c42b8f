/*
 * Reloads: what the main thread answers when a front-end asks it to read the configuration again.
 *
 * The question is a letter like any other (MESSAGE_RELOAD), in the main thread's inbox instead of the
 * decider's: a file takes longer to load than a turn, so nothing waits for it but its client.
 *
 * A report owns its faults. One thread at a time. Never blocks. Errors: as each function says.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum reload_outcome {
    RELOAD_IN_FORCE,
    RELOAD_FAULTY,    /* the file is; all stays as it was */
    RELOAD_NO_FILE,   /* there is none to be read again */
    RELOAD_NO_MEMORY, /* all stays as it was */
    RELOAD_DRAINING,  /* allowd is about to end, and reads nothing any more */
};

struct reload_fault {
    size_t line, column; /* from 1; 0: the file as a whole */
    char *text;
};

/* How a reload went. All zeros: it has no faults. */
struct reload_report {
    enum reload_outcome outcome;
    uint32_t limits;     /* in force, if it is IN_FORCE */
    size_t faults_found; /* of FAULTY */
    size_t faults_count; /* of which these are here */
    struct reload_fault *faults;
};

/* Adds a fault, or only counts it if there is no memory. */
void reload_report_add(struct reload_report *report, size_t line, size_t column, const char *text);

/* Frees its faults; it is all zeros then. */
void reload_report_release(struct reload_report *report);
