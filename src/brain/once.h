/*
 * Once: answers that are remembered, so that a question which comes again with the same token gets the
 * same answer and does nothing. A client that lost an answer, or a library that repeats a POST by
 * itself, then takes its tokens once.
 *
 * A question is known by its kind, its key, the limit that it names and its token. It is remembered
 * from when it comes, so that its repetition does nothing while it waits, until ONCE_KEPT_S after its
 * answer. What did nothing for a reason that can pass is not remembered: see once_end.
 *
 * There is room for ONCE_ANSWERS_MAX. When all of it is taken the oldest answer goes, and only if there
 * is none the question that has waited longest. Nothing is allocated, and memory that was never needed
 * is never touched. A restart forgets all.
 *
 * Owns a reference to the limits that each answer points into. One thread, the brain's. Never blocks.
 * Never fails.
 */
#pragma once

#include "brain/message.h"
#include "limits/key.h"
#include "table/table.h"

#define ONCE_ANSWERS_MAX 10000
#define ONCE_KEPT_S 60

/* The kind, the key, the limit's name and the token of a question, each behind its length. */
#define ONCE_NAME_MAX (4 + KEY_MAX + LIMIT_NAME_MAX + ONCE_MAX)

/* What else is asked, which must be the same each time. */
struct once_terms {
    uint64_t tokens, wait_ms;
    uint32_t slots, ttl_ms; /* of ACQUIRE; else 0 */
};

struct once_entry {
    uint16_t next;         /* in the index, or among the free ones; a number, see struct once */
    uint16_t older, newer; /* in its list */
    uint16_t name_len;
    uint32_t claims; /* of ACQUIRE: how many were told of the lease, and may have it */
    uint64_t hash;
    const struct message *waiting; /* that asked first, and has no answer yet; or NULL */
    uint64_t answered_ns;          /* if it has one */
    struct limits *limits;         /* likewise: a reference */
    struct once_terms terms;
    struct lease_id id; /* of ACQUIRE */
    struct bucket_answer answer;
    char name[ONCE_NAME_MAX];
};

/* Entries by age. */
struct once_list {
    uint16_t oldest, newest;
};

#define ONCE_INDEX_SIZE 16384 /* a power of two */

/* Entries are known by numbers from 1; 0 is none. All zeros: nothing is remembered. */
struct once {
    uint32_t used; /* entries that have ever been */
    uint16_t free; /* of them */
    struct once_list waiting, answered;
    uint16_t index[ONCE_INDEX_SIZE];
    struct once_entry entries[ONCE_ANSWERS_MAX];
};

/* Frees what it owns; it is as if all zeros then. */
void once_release(struct once *once);

/* Call it before a question is decided that has a token, message->once. true: its answer is in
 * place, and it must not be decided. The table only lends its hash. */
bool once_repeats(struct once *once, const struct table *table, struct message *message,
                  uint64_t now_ns);

/* Call it once such a question, of which once_repeats said false, has its answer, which points into
 * `limits`. Forgets the question if nothing was done and that need not be so next time: there was no
 * such limit, no room for a charge, or whoever asked left. */
void once_end(struct once *once, struct message *message, struct limits *limits, uint64_t now_ns);

/* Whoever asked for a lease with this token has gone without learning of it. true: nobody else who
 * asked with it has learnt of it either, so the lease is to be released; its answer is forgotten. */
bool once_unclaim(struct once *once, const struct once_question *question,
                  const struct lease_id *id);

/* Forgets the answers that have been kept long enough. */
void once_advance(struct once *once, uint64_t now_ns);
