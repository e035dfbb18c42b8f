/*
 * The table: every bucket that is not full, in one arena of fixed size that can
 * outlive the process.
 *
 * An index of 8-byte slots, open addressing with linear probing, over entries
 * made of 32-byte cells; a key of up to 20 bytes with one mark needs one cell.
 * Nothing is allocated, rehashed or walked as a whole once there is a table. The
 * hash is keyed with a random seed, because callers choose the keys.
 *
 * An entry holds the spent marks of a key's buckets, and belongs to a line (a
 * number its user gives meaning to). `owners` names the owner of each line: the
 * entry of a key is the one whose line has the owner asked for.
 *
 * The arena is memory of the caller's, which may be a file mapped shared. A
 * process killed between any two stores leaves a table that the next one
 * adopts without a walk: an entry is whole before the one store that puts it
 * into the index, a bucket's mark is one aligned 64-bit store, and whatever takes
 * more than one store is first noted in a journal and then done, or undone, by
 * the next process.
 *
 * Of what another process left, bits may have flipped meanwhile. So an entry of
 * an adopted table is in doubt until it is first met by a settling, a removal or
 * the sweep, and believed only if all of it checks. One flipped bit is mended; a
 * mark that cannot be believed becomes that of an empty bucket; an entry past
 * mending is dropped, or if asked for by its hash is that key's and empty. A
 * table that is not in doubt pays nothing for it.
 *
 * Owns nothing of the arena but what table_init maps, and memory of its own
 * while in doubt. One thread. Never blocks. Errors: table_init and table_adopt;
 * inserting and replacing only in a table that damage has robbed of cells.
 */
#pragma once

#include "limits/key.h"
#include "limits/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_KEYS_MAX 100000000u
#define TABLE_SEED_BYTES 16
#define TABLE_KEY_INLINE 20 /* bytes of a key that fit into its first cell, beside one mark */
#define TABLE_NONE UINT32_MAX

struct table_cell;
struct table_header;

/* What the user knows of entries, asked before one of an adopted table is believed. */
struct table_user {
    const void *context;
    /* Whether an entry can be on this line (any 16 bits); if so how many marks
     * it has there, and what the hash of its key is mixed with by XOR. */
    bool (*line)(const void *context, uint16_t line, unsigned *marks, uint64_t *salt);
    /* Whether an entry on a line can have this mark. */
    bool (*believes)(const void *context, uint16_t line, unsigned mark, uint64_t spent_mark);
    /* The mark of an empty bucket on a line, now. */
    uint64_t (*empty_mark)(const void *context, uint16_t line, unsigned mark);
};

/* What was found damaged since the table was adopted. */
struct table_damage {
    uint64_t mended;  /* entries, or places of the index, that are as they were */
    uint64_t emptied; /* entries with a bucket taken to be empty */
    uint64_t dropped; /* entries past mending */
    uint64_t leaks;   /* times that cells were lost; they are back when there are no keys */
};

struct table {
    uint32_t keys;     /* tracked now */
    uint32_t max_keys; /* 1 to TABLE_KEYS_MAX */
    uint32_t slots;    /* of the index */
    uint32_t hand;     /* the slot the next sweep step looks at */
    uint64_t laps;     /* how often the hand has come round; see table_sweep_look */
    uint32_t cells_used, free_cell, cells_max;
    const uint16_t *owners;        /* by line; the user's, must outlive the table */
    const struct table_user *user; /* of an adopted table; likewise */
    uint64_t *index;               /* the arena */
    struct table_header *header;
    struct table_cell *cells;
    size_t arena_bytes;
    bool has_own_arena;
    uint64_t *checked;      /* while in doubt a bit for each slot, else NULL */
    uint64_t *past_mending; /* likewise, of those checked; the rest of them are sure */
    uint64_t *owned;        /* likewise for each cell: an entry that is sure has it */
    uint32_t sure;          /* so many entries are; `keys` is at least that */
    struct table_damage damage;
    uint8_t seed[TABLE_SEED_BYTES];
};

/* How large the arena of a table is. */
size_t table_arena_bytes(uint32_t max_keys);

/* An empty table in an arena that is all zeros and begins on a cache line. The
 * arena must outlive the table. */
void table_create(struct table *table, void *arena, uint32_t max_keys,
                  const uint8_t seed[TABLE_SEED_BYTES], const uint16_t *owners);

enum table_adoption {
    TABLE_ADOPTED,
    TABLE_UNSOUND, /* no table of this size and seed, or one past mending */
    TABLE_NO_MEMORY,
};

/* Takes up the table that another process left in an arena, whatever bytes it
 * has. Ends what that process was about; looks at no more of the table than
 * that. The user is asked nothing before the first use of an entry, and must
 * outlive the table. Of what is not adopted nothing is to be released. */
enum table_adoption table_adopt(struct table *table, void *arena, uint32_t max_keys,
                                const uint8_t seed[TABLE_SEED_BYTES], const uint16_t *owners,
                                const struct table_user *user);

/* An empty table in an arena of its own; its pages are touched only as keys
 * come. false and errno: no memory. */
bool table_init(struct table *table, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES],
                const uint16_t *owners);

/* Leaves an arena that was handed in as it is, for the next to adopt. */
void table_release(struct table *table);

/* Whether some of what another process left is still to be checked. Over after
 * the first lap of the sweep, when `keys` is exact whatever the arena had said. */
static inline bool table_is_in_doubt(const struct table *table)
{
    return table->checked != NULL;
}

/* Checks what a search for a key looks at, which in a table in doubt must come
 * before table_find and, with no removal between, before table_insert. Slots found
 * before may have moved. An entry past mending that has the very hash is taken
 * to be the key's, and becomes one on this line with empty buckets. */
void table_settle(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line);

/* SipHash-2-4 of the bytes under the table's seed. */
uint64_t table_hash(const struct table *table, const char *bytes, size_t len);

/* Bring the index slots that table_find will look at into the cache; then, going by what is in
 * them, the entry. */
void table_prefetch_slot(const struct table *table, uint64_t hash);
void table_prefetch_entry(const struct table *table, uint64_t hash);

/* The slot of a key's entry on a line of this owner, or TABLE_NONE. A slot number
 * holds until the next insert or remove. */
uint32_t table_find(const struct table *table, uint64_t hash, const char *key, size_t key_len,
                    uint16_t owner);

/* Adds an entry that is not there yet, of 1 to BUCKETS_MAX marks. There must be
 * room: keys < max_keys. false: damage has left too few cells, nothing has changed. */
bool table_insert(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line, const uint64_t *spent_marks, unsigned marks);

/* Takes out the entry of a slot. */
void table_remove(struct table *table, uint32_t slot);

/* What a slot's entry holds. table_key writes the key, NUL-terminated, and returns its length. */
uint16_t table_line(const struct table *table, uint32_t slot);
unsigned table_marks(const struct table *table, uint32_t slot);
uint64_t table_spent(const struct table *table, uint32_t slot, unsigned mark);
size_t table_key(const struct table *table, uint32_t slot, char key[KEY_MAX + 1]);

void table_set_spent(struct table *table, uint32_t slot, unsigned mark, uint64_t spent_mark);

/* Puts an entry of the same key, on another line, in the place of a slot's: one
 * store. false: damage has left too few cells, nothing has changed. */
bool table_replace(struct table *table, uint32_t slot, uint16_t line, const uint64_t *spent_marks,
                   unsigned marks);

/* The first occupied slot at or after `slot`, round the end; TABLE_NONE if there is none. */
uint32_t table_next_occupied(struct table *table, uint32_t slot);

/* The slot a hash starts at. */
uint32_t table_home(const struct table *table, uint64_t hash);

/* Whether a slot holds an entry; and its tag, which says where it belongs, for as long as
 * the table lives: table_home of tag << 32. It is found from there on, before the
 * next empty slot. Made for looking at slot after slot. */
bool table_look(struct table *table, uint32_t slot, uint32_t *tag);

/* Looks at the slot under the hand; TABLE_NONE if it is empty, and then the
 * hand has moved on. table_sweep_keep moves it past an entry that stays; after
 * table_remove the hand stays, for another entry may have moved in.
 *
 * When the hand has come round and `laps` is one more, every entry of the table
 * has been looked at, or inserted or replaced, since `laps` was last one more:
 * if a removal moves an entry back past the hand, the hand goes back too. */
uint32_t table_sweep_look(struct table *table);
void table_sweep_keep(struct table *table);
