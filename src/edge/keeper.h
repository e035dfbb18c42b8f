/*
 * The keeper: where the state is kept, from which file it is taken up, and what if that cannot be.
 *
 * A file that another process still has is waited for, a few seconds, as when one
 * daemon takes over from another that drains. A path that can never work, and a file
 * that stays in use, end the start. A file that is refused is put aside and a new one
 * begun; one that cannot be read or written now, or grow, is done without: allowd
 * serves from memory, and says so.
 *
 * Owns the file, and the store that the brain uses: it is closed after the brain is
 * gone. One thread, main. Blocks on the disk, and on another process. Errors: logged.
 */
#pragma once

#include "brain/brain.h"
#include "config/config.h"
#include "machine/state_file.h"

struct keeper {
    const char *path; /* empty: none */
    struct state_file file;
    struct store stores[2]; /* the one in use, and the one that takes its place */
};

/* The brain to serve with; NULL: logged. A signal on the signalfd ends the waiting. */
struct brain *keeper_open(struct keeper *keeper, const struct config *config,
                          const struct limits_question *limits, int signals);

/* Once state_file_failure can be read: tells the log what has happened. */
void keeper_tell_failure(const struct keeper *keeper);

void keeper_close(struct keeper *keeper);
