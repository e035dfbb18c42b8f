/*
 * Buckets: the table and the lines as one: where a key's buckets are, and how full.
 *
 * What is read here is always up to date: an entry on a line that has ended is
 * carried over when it is found. An entry whose buckets are all full is idle:
 * nothing depends on it, and it may go at any time.
 *
 * Owns the table and the lines. One thread, the brain's. Never blocks. Errors:
 * buckets_init, buckets_adopt and buckets_install, as they say.
 */
#pragma once

#include "brain/message.h"
#include "limits/lines.h"
#include "table/table.h"

struct buckets {
    struct lines lines;
    struct table table;
    struct table_user user;          /* of a table that was adopted */
    struct brain_counters *counters; /* its user's: drops and evictions */
    uint64_t name_hash[LIMITS_MAX];  /* of each limit: one key under two limits has two places */
};

/* Whether all buckets are full, for sure: a table in doubt may have more keys than it says. */
static inline bool buckets_are_none(const struct buckets *buckets)
{
    return buckets->table.keys == 0 && !table_is_in_doubt(&buckets->table);
}

/* Where the buckets of a key under a limit are. Holds until limits are installed
 * or an override ends. */
struct place {
    int limit;      /* index, or -1: there is no such limit */
    int override;   /* index in the limit, or -1 */
    uint16_t owner; /* the limit's edition */
    uint16_t line;
    uint64_t hash;
    int64_t denied_until_s; /* where the override denies: until when it, and those after it, do */
};

/* Into memory that is all zeros. false: no memory, and there is nothing to release. */
bool buckets_init(struct buckets *buckets, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES],
                  struct brain_counters *counters);
void buckets_release(struct buckets *buckets);

/* The same in an arena that outlives the process: an empty one; or one that another
 * process left, and the lines that go with it, which are in place already. Not
 * adopted, only the lines are to be released. */
void buckets_create(struct buckets *buckets, void *arena, uint32_t max_keys,
                    const uint8_t seed[TABLE_SEED_BYTES], struct brain_counters *counters);
enum table_adoption buckets_adopt(struct buckets *buckets, void *arena, uint32_t max_keys,
                                  const uint8_t seed[TABLE_SEED_BYTES],
                                  struct brain_counters *counters);

/* Takes the table up again as if another process had left it, since its arena has been
 * damaged. If there is no going on with it, an empty one takes its place. */
void buckets_doubt(struct buckets *buckets);

/* Moves every entry into an arena that is all zeros, of another size: this walks the
 * table. Where there is no room for all, those nearest to full are given away. */
void buckets_move(struct buckets *buckets, void *arena, uint32_t max_keys);

/* See lines_install. */
bool buckets_install(struct buckets *buckets, const struct limits *prior, struct limits *next,
                     int64_t date_s);

/* The place that a question is about. */
struct place buckets_place(const struct buckets *buckets, const struct limits *limits,
                           const struct bucket_question *ask);

/* The slot of the entry at a place, or TABLE_NONE: its buckets are full. */
uint32_t buckets_find(struct buckets *buckets, const struct place *place,
                      const struct bucket_question *ask);

/* The line at a place, and the marks on it of a slot's entry, or of full buckets for TABLE_NONE. */
const struct line *buckets_line(const struct buckets *buckets, const struct place *place);
void buckets_marks(const struct buckets *buckets, const struct place *place, uint32_t slot,
                   uint64_t marks[BUCKETS_MAX]);

/* The marks at a place on the line in force, nothing changed: for tests. */
void buckets_peek(const struct buckets *buckets, const struct place *place,
                  const struct bucket_question *ask, uint64_t marks[BUCKETS_MAX]);

/* Stores marks: into the slot's entry, or for TABLE_NONE into a new one, for which
 * there must be room. */
void buckets_store(struct buckets *buckets, const struct place *place,
                   const struct bucket_question *ask, uint32_t slot,
                   const uint64_t marks[BUCKETS_MAX]);

/* Takes out an entry. */
void buckets_drop(struct buckets *buckets, uint32_t slot);

/* Takes out an entry if it is idle, or its limit is gone. */
bool buckets_drop_if_idle(struct buckets *buckets, uint32_t slot);

/* Whether there is room for one more key besides `reserved` others: there is, or
 * an idle entry among a few was dropped, or, if it may, the one nearest to full
 * was given away. Slots found before may have moved. */
bool buckets_make_room(struct buckets *buckets, uint64_t hash, uint32_t reserved, bool may_evict);

/* Looks at the next so many slots of the table, and drops what is idle. */
void buckets_sweep(struct buckets *buckets, uint32_t slots);
