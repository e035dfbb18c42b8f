/*
 * Overrides at run time: what the main thread answers if a front-end asks it to set or drop one.
 *
 * The question is a letter like any other (MESSAGE_OVERRIDE), but in the main thread's inbox, not the
 * decider's: only that thread has the configuration, on which the limits that come of it depend. All
 * that are asked at once are put into force together.
 *
 * A call owns its notes. Threads: one at a time, by where the letter is. Never blocks. Errors: enum
 * override_outcome.
 */
#pragma once

#include "actor/reload.h"
#include "limits/limits.h"

#include <stdbool.h>
#include <stddef.h>

enum override_outcome {
    OVERRIDE_SET,           /* there was no run-time override for this key */
    OVERRIDE_REPLACED,      /* there was one */
    OVERRIDE_DROPPED,       /* what the configuration says of the key holds again */
    OVERRIDE_NO_SUCH_LIMIT, /* in this and those that follow nothing was changed */
    OVERRIDE_NONE,          /* there is no run-time override for this key to be dropped */
    OVERRIDE_FAULTY,        /* the notes say why */
    OVERRIDE_NO_ROOM,       /* there are OVERRIDES_MAX already */
    OVERRIDE_NO_MEMORY,
    OVERRIDE_DRAINING, /* allowd is about to end */
};

struct override_call {
    /* The question. The texts are borrowed until it is answered, and end with a NUL. */
    const char *limit_name;
    const char *key; /* checked by key_check */
    bool drops;      /* it drops the override; else it sets one: */
    /* A JSON object with the names that an override has in the configuration, but without its key.
     * has_places: whoever asks has written it so, and is told the places of its faults. */
    const char *object;
    size_t object_len;
    bool has_places;

    /* The answer. */
    enum override_outcome outcome;
    struct reload_report report; /* its notes: if it is faulty, the faults, else the warnings */
    bool is_persistent;          /* the state file has it, so that it outlives the process */
    /* If it was set: the limit and the override as they are in force. They are borrowed from `limits` of
     * the message. */
    const struct limit *limit;
    const struct override *override;
};
