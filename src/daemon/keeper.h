/*
 * The keeper: where the state is kept, from which file it is taken up, and what if that cannot be.
 *
 * A file that another process still has is waited for, a few seconds, as when one
 * daemon takes over from another that drains, and SIGTERM or SIGINT ends that. A path that can never work, and a file
 * that stays in use, end the start. A file that is refused is put aside and a new one
 * begun; one that cannot be read or written now, or grow, is done without: allowd
 * serves from memory, and says so. Whether the file is still at its path is looked at
 * every few seconds, for a kernel tells nobody that it was removed.
 *
 * Owns the file, and the store that the brain uses: it is closed after the brain is
 * gone. One thread, main. Blocks on the disk, and on another process. Errors: logged.
 */
#pragma once

#include "brain/brain.h"
#include "config/config.h"
#include "keep/file.h"

struct keeper {
    const char *path; /* empty: none */
    struct state_file file;
    struct store stores[2]; /* the one in use, and the one that takes its place */
    int ended_by;           /* the signal that ended the waiting for another process, or 0 */
    bool is_lost;           /* the log has been told that the file will not outlive the process */
    uint64_t look_due_ns;
};

/* The brain to serve with; NULL: logged. SIGTERM and SIGINT must be blocked. */
struct brain *keeper_open(struct keeper *keeper, const struct config *config,
                          const struct limits_question *limits);

/* Once state_file_failure can be read: tells the log what has happened. */
void keeper_tell_failure(struct keeper *keeper);

/* Milliseconds until the next look at the file is due; -1: never. */
int keeper_timeout_ms(const struct keeper *keeper, uint64_t now_ns);

/* Looks whether the file is still at its path. If not the log is told, once, and why the
 * state is lost is returned; else NULL. */
const char *keeper_look(struct keeper *keeper, uint64_t now_ns);

void keeper_close(struct keeper *keeper);
