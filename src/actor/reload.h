/*
 * Reloads: requests of front-ends that the main thread read the configuration again.
 *
 * A pipe carries the requests, as pointers: what was written to it a poll of the
 * main thread sees beside its signals, and nobody waits for anybody. A request
 * belongs to both sides until each is through with it, for a client may leave
 * before it is done; the last one frees it.
 *
 * Threads: reload_ask, _is_done and _leave are a front-end's, _next and _done the
 * main thread's. Never blocks. Errors: as each function says.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reload_outcome {
    RELOAD_IN_FORCE,
    RELOAD_FAULTY,    /* the file is; all stays as it was */
    RELOAD_NO_FILE,   /* there is none to be read again */
    RELOAD_NO_MEMORY, /* all stays as it was */
};

struct reload_fault {
    size_t line, column; /* from 1; 0: the file as a whole */
    char *text;
};

/* How a reload went. Owns its faults. */
struct reload_report {
    enum reload_outcome outcome;
    uint32_t limits;     /* in force, if it is IN_FORCE */
    size_t faults_found; /* of FAULTY */
    size_t faults_count; /* of which these are here */
    struct reload_fault *faults;
};

/* Adds a fault, or only counts it if there is no memory. */
void reload_report_add(struct reload_report *report, size_t line, size_t column, const char *text);
void reload_report_release(struct reload_report *report);

struct reload {
    struct reload_report report; /* the main thread's until it is done */
    atomic_bool is_done;
    atomic_bool is_left_by_one;
};

struct reload_desk {
    int out, in; /* a pipe: the main thread reads, front-ends write */
};

/* 0 or an errno value. */
int reload_desk_open(struct reload_desk *desk);

/* Once the front-ends have ended. */
void reload_desk_close(struct reload_desk *desk);

/* NULL: no memory, or no room in the pipe. */
struct reload *reload_ask(const struct reload_desk *desk);
bool reload_is_done(struct reload *reload);
void reload_leave(struct reload *reload);

/* The next request to be done, or NULL. */
struct reload *reload_next(const struct reload_desk *desk);

/* Its report is written, and what it says is in force for all front-ends. */
void reload_done(struct reload *reload);
