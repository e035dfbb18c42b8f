/*
 * Keys: which keys are tracked and how they stand, and which are denied most.
 *
 * One list of keys takes many messages. Each looks at a piece of the table that takes no longer
 * than an ordinary chain, adds to the same answer, and leaves a cursor for the next one. So
 * decisions go on in between. Nothing in the answer is borrowed, for a reload may come between
 * two messages.
 *
 * The walk goes by tags, not by slots. A tag is the half of the keyed hash that says at which
 * slot an entry belongs. Removals move entries about, but an entry that belongs to a slot is
 * always found between that and the next empty one. So the cursor is a tag, and from the first
 * message to the last each key that is there all the time is shown exactly once, and one that
 * comes or goes meanwhile at most once (tests/unit/test_keys.c changes the table under the
 * walk). A tag depends on the key and its limit's name only, so a walk goes on over a reload.
 *
 * The shares of limits of scope fleet (shares.h) have the same tags, and are shown among the entries.
 *
 * The order of such a list tells which keys are neighbours in the index, which could help
 * somebody who wants keys to collide: /keys is a route for admins.
 *
 * The asker owns question and answer. One thread, the brain's; but keys_answer_begin,
 * keys_arrange and keys_wants_more are the asker's. Never blocks. Never fails.
 */
#pragma once

#include "brain/message.h"
#include "limits/key.h"

#include <stdbool.h>
#include <stdint.h>

#define KEYS_COUNT_MAX 1000
#define KEYS_LOOKS_MAX 16       /* messages that add to one answer */
#define KEYS_LOOK_SLOTS 131072u /* slots of the table that one message looks at, at most */
#define KEYS_LOOK_ENTRIES 2048u /* after so many keys a message stops, too */
#define KEYS_PLACE_MAX 32       /* keys that belong to one slot: see collect in keys.c */

enum keys_sort {
    KEYS_IN_TABLE,     /* in the order of the table */
    KEYS_BY_REMAINING, /* of all keys looked at, those that owe most or hold fewest, in that order */
    KEYS_BY_DENIED,    /* not from the table: the keys denied in the last minutes, most first */
};

#define KEYS_CURSOR_BEGIN 0

struct keys_question {
    const char *prefix; /* what the keys to show begin with; may be empty */
    size_t prefix_len;
    const char *limit_name; /* shows the keys of this limit; NULL: of all limits */
    size_t limit_name_len;
    enum keys_sort sort;
    uint32_t count; /* of keys to show, 1 to KEYS_COUNT_MAX */
};

enum keys_result {
    KEYS_GOES_ON,       /* there is more to look at, and room in the answer */
    KEYS_FULL,          /* there is no more room in the answer */
    KEYS_ENDED,         /* everything has been looked at */
    KEYS_BAD_CURSOR,    /* this process did not give out the cursor; nothing was done */
    KEYS_NO_SUCH_LIMIT, /* nothing was done */
};

/* One key under one limit. Nothing in it is borrowed. */
struct keys_entry {
    char limit_name[LIMIT_NAME_MAX + 1];
    bool shadow, active; /* see struct limit, struct bucket_answer */
    uint8_t key_len;
    char key[KEY_MAX];
    uint64_t remaining_tokens, owed_tokens, burst, full_after_ms; /* as STATUS would answer */
    uint32_t leases;                                              /* that are held */
    uint64_t slots;                /* that these have out; 0 where no bucket holds slots */
    uint64_t denied, denied_error; /* denied at least so often, and at most denied_error more */
};

struct keys_answer {
    enum keys_result result;
    uint32_t looks;          /* messages that have added to it */
    uint64_t cursor;         /* where the next message begins */
    uint64_t looked_at;      /* keys, by all messages so far */
    uint32_t tracked;        /* keys in the whole table */
    uint64_t denied_over_ms; /* for how long denials have been counted, until now */
    uint32_t found;
    uint16_t
        order[KEYS_COUNT_MAX + KEYS_PLACE_MAX]; /* indices of entries, in the order asked for */
    struct keys_entry entry[];                  /* keys_answer_bytes makes room for them */
};

/* Bytes of an answer with room for so many keys; and begins one, to which no message has added. */
size_t keys_answer_bytes(uint32_t count);
void keys_answer_begin(struct keys_answer *answer, uint64_t cursor);

/* Whether another message should add to an answer before it is shown. */
bool keys_wants_more(const struct keys_question *ask, const struct keys_answer *answer);

/* Puts `order` into the order asked for. Call it once no message will add any more. */
void keys_arrange(const struct keys_question *ask, struct keys_answer *answer);

/* Answers a message KEYS. */
struct brain;
void keys_answer(struct brain *brain, const struct keys_question *ask, struct keys_answer *answer);
