/*
 * Buckets: the table and the lines as one: where a key's buckets are, and how full they are.
 *
 * What is read here is always up to date: buckets_find carries an entry whose line has ended
 * over to the line in force. An entry whose buckets are all full is idle: it may be dropped at
 * any time, because a key without an entry has full buckets. An entry with a bucket that owes is
 * pinned: it is never given away to make room. So is one of a key that has a holding, or of which
 * leases have slots out, and these are never dropped as idle either: after a stall a bucket can be full
 * whose queue is still to be settled. The mark of a bucket of slots is
 * not believed: how many are taken is counted from the leases.
 *
 * Owns the table, the lines and the holdings. One thread, the brain's. Never blocks. Errors: buckets_init,
 * buckets_adopt and buckets_install, as they say.
 */
#pragma once

#include "brain/holdings.h"
#include "brain/leases.h"
#include "brain/message.h"
#include "brain/place.h"
#include "limits/lines.h"
#include "table/table.h"

struct buckets {
    struct lines lines;
    struct table table;
    struct holdings holdings;
    struct table_user user;          /* what an adopted table asks of us */
    struct brain_counters *counters; /* the brain's: drops and evictions are counted there */
    const struct leases *leases;     /* the brain's too */
    uint64_t salt[LIMITS_MAX];       /* of each limit in force: that of its edition */
};

/* Whether all buckets are full for certain: a table in doubt may have more keys than it says. */
static inline bool buckets_are_none(const struct buckets *buckets)
{
    return buckets->table.keys == 0 && !table_is_in_doubt(&buckets->table);
}

/* The memory must be all zeros. false: no memory, and there is nothing to release. */
bool buckets_init(struct buckets *buckets, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES],
                  struct brain_counters *counters);
void buckets_release(struct buckets *buckets);

/* The same with an arena that outlives the process: buckets_create makes an empty table there;
 * buckets_adopt takes up the one that another process left, for lines that are in place
 * already. Unless the result is TABLE_ADOPTED, release the lines only. */
void buckets_create(struct buckets *buckets, void *arena, uint32_t max_keys,
                    const uint8_t seed[TABLE_SEED_BYTES], struct brain_counters *counters);
enum table_adoption buckets_adopt(struct buckets *buckets, void *arena, uint32_t max_keys,
                                  const uint8_t seed[TABLE_SEED_BYTES],
                                  struct brain_counters *counters);

/* The arena has been damaged: takes the table up again as if another process had left it. If the
 * table is past that, an empty one takes its place. */
void buckets_doubt(struct buckets *buckets);

/* Moves every entry into an arena of another size, which must be all zeros. This walks the whole
 * table. If there is no room for all entries, those nearest to full are given away; pinned ones only
 * if there is no room for these. */
void buckets_move(struct buckets *buckets, void *arena, uint32_t max_keys);

/* See lines_install. */
bool buckets_install(struct buckets *buckets, const struct limits *prior, struct limits *next,
                     int64_t date_s);

/* The place that a question is about; its `limit` is -1 if there is no such limit. */
void buckets_place_at(const struct buckets *buckets, const struct limits *limits,
                      const struct bucket_question *ask, struct place *place);
static inline struct place buckets_place(const struct buckets *buckets, const struct limits *limits,
                                         const struct bucket_question *ask)
{
    struct place place;
    buckets_place_at(buckets, limits, ask, &place);
    return place;
}

/* Those of the calls of a list. Returns the index of the first that has none, or `count`; then no place may
 * be used. */
uint32_t buckets_places_at(const struct buckets *buckets, const struct limits *limits,
                           const struct bucket_call *calls, uint32_t count, struct place *places);

/* The holding of a key, or NULL. */
static inline struct holding *buckets_holding(const struct buckets *buckets,
                                              const struct place *place, const char *key,
                                              size_t key_len)
{
    if (buckets->holdings.count == 0)
        return NULL;
    uint64_t salt = buckets->salt[place->limit];
    return holdings_find(&buckets->holdings, place->hash, salt, key, key_len);
}

/* Checks what another process left of a key before anything looks at it. */
static inline void buckets_settle(struct buckets *buckets, const struct place *place,
                                  const struct bucket_question *ask)
{
    if (table_is_in_doubt(&buckets->table))
        table_settle(&buckets->table, place->hash, ask->key, ask->key_len, place->line);
}

/* The slot of the entry at a place, brought up to date; TABLE_NONE: there is none, so its buckets
 * are full. */
uint32_t buckets_carry(struct buckets *buckets, uint32_t slot, const struct place *place);
static inline uint32_t buckets_find(struct buckets *buckets, const struct place *place,
                                    const struct bucket_question *ask)
{
    const struct table *table = &buckets->table;
    buckets_settle(buckets, place, ask);
    uint32_t slot = table_find(table, place->hash, ask->key, ask->key_len, place->owner);
    bool is_up_to_date = slot == TABLE_NONE || table_line(table, slot) == place->line;
    return is_up_to_date ? slot : buckets_carry(buckets, slot, place);
}

/* Puts in the marks of buckets of slots, for marks that were read otherwise. The hash is that of the
 * key's place. */
void buckets_count_slots(const struct buckets *buckets, const struct line *line, uint64_t hash,
                         const char *key, size_t key_len, uint64_t marks[BUCKETS_MAX]);

/* The line at a place; and the marks on it: those of a slot's entry, or for TABLE_NONE those of
 * full buckets; of slots, what leases have out. What they say of a key that has a holding: see
 * holdings.h. */
static inline const struct line *buckets_line(const struct buckets *buckets,
                                              const struct place *place)
{
    return &buckets->lines.line[place->line];
}
static inline __attribute__((always_inline)) void buckets_marks_all(
    const struct buckets *buckets, const struct place *place, const struct bucket_question *ask,
    uint32_t slot, unsigned count, uint64_t marks[BUCKETS_MAX])
{
    const struct line *line = buckets_line(buckets, place);
    bool has_slots = false;
    for (unsigned i = 0; i < count; i++) {
        marks[i] = slot != TABLE_NONE ? credit_unseal(table_spent(&buckets->table, slot, i))
                                      : credit_full_mark(&line->credit[i]);
        has_slots |= credit_has_slots(&line->credit[i]);
    }
    if (has_slots)
        buckets_count_slots(buckets, line, place->hash, ask->key, ask->key_len, marks);
}

static inline void buckets_marks(const struct buckets *buckets, const struct place *place,
                                 const struct bucket_question *ask, uint32_t slot,
                                 uint64_t marks[BUCKETS_MAX])
{
    buckets_marks_all(buckets, place, ask, slot, buckets_line(buckets, place)->count, marks);
}

/* For tests: the marks at a place on the line in force, without changing anything. */
void buckets_peek(const struct buckets *buckets, const struct place *place,
                  const struct bucket_question *ask, uint64_t marks[BUCKETS_MAX]);

/* Stores marks: into the slot's entry, or for TABLE_NONE into a new entry, for which there must be
 * room. */
void buckets_add(struct buckets *buckets, const struct place *place,
                 const struct bucket_question *ask, const uint64_t marks[BUCKETS_MAX]);
static inline __attribute__((always_inline)) void buckets_store_all(
    struct buckets *buckets, const struct place *place, const struct bucket_question *ask,
    uint32_t slot, unsigned count, const uint64_t marks[BUCKETS_MAX])
{
    if (slot == TABLE_NONE) {
        buckets_add(buckets, place, ask, marks);
        return;
    }
    for (unsigned i = 0; i < count; i++)
        table_set_spent(&buckets->table, slot, i, credit_seal(marks[i]));
}

static inline void buckets_store(struct buckets *buckets, const struct place *place,
                                 const struct bucket_question *ask, uint32_t slot,
                                 const uint64_t marks[BUCKETS_MAX])
{
    buckets_store_all(buckets, place, ask, slot, buckets_line(buckets, place)->count, marks);
}

/* Removes an entry. */
void buckets_drop(struct buckets *buckets, uint32_t slot);

/* Removes an entry if it is idle or its limit is gone. Returns whether it did. */
bool buckets_drop_if_idle(struct buckets *buckets, uint32_t slot);

/* Makes sure that there is room for one more key besides `reserved` others. If there is none it
 * looks at a few entries, drops the first idle one, or else, if it may evict, gives away the one
 * nearest to full of those that are not pinned. false: still no room. Slot numbers from before no
 * longer hold. */
bool buckets_make_room(struct buckets *buckets, uint64_t hash, uint32_t reserved, bool may_evict);

/* Whether buckets_make_room would make room for one more key. Nothing is dropped for that. */
bool buckets_have_room(struct buckets *buckets, uint64_t hash, bool may_evict);

/* Sweeps the next `slots` slots of the table: drops idle entries, carries over the others. */
void buckets_sweep(struct buckets *buckets, uint32_t slots);
