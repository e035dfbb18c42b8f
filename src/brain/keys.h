/*
 * Keys: which keys are tracked and how they stand, and which are denied most.
 *
 * A walk looks at the table piece by piece, each message at one that takes no longer
 * than an ordinary batch, and goes on from a cursor. It follows the places where
 * keys belong, which their hashes fix for good, while entries move as others go. So
 * from the first message to the last each key that is there all the time is shown
 * exactly once, and one that comes or goes meanwhile at most once.
 *
 * The asker owns question and answer, and gives one answer to as many messages as it
 * likes: each adds to it. One thread, the brain's, but for keys_answer_begin, keys_arrange
 * and keys_wants_more, which are the asker's. Never blocks. Never fails.
 */
#pragma once

#include "brain/message.h"
#include "limits/key.h"

#include <stdbool.h>
#include <stdint.h>

#define KEYS_COUNT_MAX 1000
#define KEYS_LOOKS_MAX 16       /* messages to one answer */
#define KEYS_LOOK_SLOTS 131072u /* of the table a message looks at, at most, */
#define KEYS_LOOK_ENTRIES 2048u /* and keys in them */
#define KEYS_PLACE_MAX 32       /* keys that belong to one slot: see keys.c */

enum keys_sort {
    KEYS_IN_TABLE,     /* as the table has them */
    KEYS_BY_REMAINING, /* of all that are looked at those with the fewest tokens, in that order */
    KEYS_BY_DENIED,    /* not the table's: those of the last minutes' denials, the most first */
};

#define KEYS_CURSOR_BEGIN 0

struct keys_question {
    const char *prefix; /* of the keys to show; may be empty */
    size_t prefix_len;
    const char *limit_name; /* to show those of one limit; NULL: of all */
    size_t limit_name_len;
    enum keys_sort sort;
    uint32_t count; /* of keys to show, 1 to KEYS_COUNT_MAX */
};

enum keys_result {
    KEYS_GOES_ON,       /* there is more of the table to look at, and room for it in the answer */
    KEYS_FULL,          /* there is no more room in the answer */
    KEYS_ENDED,         /* all there is has been looked at */
    KEYS_BAD_CURSOR,    /* it is none that was given out; nothing was done */
    KEYS_NO_SUCH_LIMIT, /* likewise */
};

/* One key under one limit. Nothing in it is borrowed: limits may go between two messages. */
struct keys_entry {
    char limit_name[LIMIT_NAME_MAX + 1];
    bool shadow, active; /* as in struct bucket_answer */
    uint8_t key_len;
    char key[KEY_MAX];
    uint64_t remaining_tokens, burst, full_after_ms; /* likewise, as to STATUS */
    uint64_t denied, denied_error; /* at least so often, at most so much more often */
};

struct keys_answer {
    enum keys_result result;
    uint32_t looks;          /* messages that have added to it */
    uint64_t cursor;         /* where the next message looks: KEYS_CURSOR_BEGIN, or one given out */
    uint64_t looked_at;      /* keys */
    uint32_t tracked;        /* keys, in the whole table */
    uint64_t denied_over_ms; /* the time that denials were counted over, until now */
    uint32_t found;
    uint16_t order[KEYS_COUNT_MAX + KEYS_PLACE_MAX]; /* entries, by their index */
    struct keys_entry entry[]; /* keys_answer_bytes has room for what one count needs */
};

/* What an answer of so many keys takes; and makes it one that no message has added to. */
size_t keys_answer_bytes(uint32_t count);
void keys_answer_begin(struct keys_answer *answer, uint64_t cursor);

/* Whether another message should add to an answer before it is shown. */
bool keys_wants_more(const struct keys_question *ask, const struct keys_answer *answer);

/* Puts `order` into the order asked for, once no more will be added. */
void keys_arrange(const struct keys_question *ask, struct keys_answer *answer);

/* Answers a message KEYS. */
struct brain;
void keys_answer(struct brain *brain, const struct keys_question *ask, struct keys_answer *answer);
