/*
 * Mending the state at a reload: a file that is gone or has failed is made anew, if nothing else is in its place.
 *
 *     main thread    PATH.new is made, locked and mapped              keeper_mend
 *     the decider    copies all into it, and goes on in it            MESSAGE_STATE_ANEW
 *     main thread    has it on the disk, and renames it to PATH       keeper_put_in_place
 *     the decider    says no longer that the state is lost            MESSAGE_STATE_KEPT
 *
 * A kill in between leaves a PATH.new that the next one who makes one begins over.
 *
 * Owns nothing: the files are the keeper's. Threads: the main one. Blocks on the disk. Errors: logged.
 */
#pragma once

#include "daemon/keeper.h"

enum keeper_mend {
    KEEPER_LEFT, /* nothing is to be done, or nothing can be, which is logged */
    KEEPER_BACK, /* the file is at its path again, and whole */
    KEEPER_ANEW, /* `next` is ready to take the place of `file` */
};

/* For a reload: what can be done about a state that is lost. What is at the path is never taken
 * away, unless it is this keeper's own or a file of nothing that nobody has. */
enum keeper_mend keeper_mend(struct keeper *keeper);

/* After KEEPER_ANEW: what the decider has answered. false: the file is not in its place. */
bool keeper_put_in_place(struct keeper *keeper, const struct anew_answer *answer);

/* After KEEPER_BACK, or when it is in its place: whether the decider says that the state is kept. */
void keeper_end_mend(struct keeper *keeper, enum keeper_mend mend, bool is_kept);
