/*
 * The keeper: opens the state file at the start, watches over it, and decides what if it fails.
 *
 * If another process still has the file, as when one daemon takes over from another that drains, it
 * waits a few seconds longer than that takes; SIGTERM and SIGINT end that. If the file stays in use,
 * or the path can never work, the start fails. If the file is refused, it is put aside and a new one is
 * begun. One that has no room for leases is made longer where it is; for another number of keys or leases,
 * or for a fleet, all is moved into another file. If it cannot be read, written or made larger now, allowd serves from
 * memory and says so. Every few seconds it looks whether the file is still at its path, because the
 * kernel does not tell. A file that is gone or has failed is made anew at a reload: see keeper_mend.h.
 *
 * Owns the file, and the store that the brain uses, so close it after the brain is freed. Threads:
 * the main one. Blocks on the disk, and on another process. Errors: logged.
 */
#pragma once

#include "brain/brain.h"
#include "config/config.h"
#include "keep/file.h"

struct keeper {
    const char *path; /* of the file; empty: no state is kept */
    struct state_file file;
    struct store stores[2]; /* the one in use, and its successor while keys are moved */
    bool is_lost;           /* it is logged that the state will not outlive the process */
    bool has_failed;        /* it is logged that the file has failed */
    unsigned failures;      /* of the files before this one, and not of this one */
    /* While the file is made anew: */
    struct state_file next;
    struct state_file there; /* a file of nothing that is at the path, locked; or none */
    bool may_replace;        /* what is at the path */
    uint64_t look_due_ns;
};

/* Returns the brain to serve with; NULL: the start fails, or a signal has ended it, which is
 * logged. */
struct brain *keeper_open(struct keeper *keeper, const struct config *config,
                          const struct limits_question *limits);

/* Logs a failure of the file. Call it if state_file_failure is readable. */
void keeper_tell_failure(struct keeper *keeper);

/* Milliseconds until the next look at the file is due; -1: never. */
int keeper_timeout_ms(const struct keeper *keeper, uint64_t now_ns);

/* Looks whether the file is still at its path. If it is not, logs that once and returns why the
 * state is lost; else NULL. */
const char *keeper_look(struct keeper *keeper, uint64_t now_ns);

void keeper_close(struct keeper *keeper);
