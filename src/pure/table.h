/*
 * The table: every bucket that is not full, in one arena of fixed size.
 *
 * An index of 8-byte slots, open addressing with linear probing, over entries
 * made of 32-byte cells; a key of up to 20 bytes with one mark needs one cell.
 * Nothing is allocated, rehashed or walked as a whole after table_init. The hash
 * is keyed with a random seed, because callers choose the keys.
 *
 * An entry holds the spent marks of a key's buckets, and belongs to a line (a
 * number its user gives meaning to). `owners` names the owner of each line: the
 * entry of a key is the one whose line has the owner asked for.
 *
 * Order of stores: an entry is whole before the one store that puts it into
 * the index, and a bucket's mark is one aligned 64-bit store.
 *
 * Owns the arena. One thread. Never blocks. Errors: only table_init can fail.
 */
#pragma once

#include "pure/key.h"
#include "pure/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_KEYS_MAX 100000000u
#define TABLE_SEED_BYTES 16
#define TABLE_KEY_INLINE 20 /* bytes of a key that fit into its first cell, beside one mark */
#define TABLE_NONE UINT32_MAX

struct table_cell;

struct table {
    uint32_t keys;     /* tracked now */
    uint32_t max_keys; /* 1 to TABLE_KEYS_MAX */
    uint32_t slots;    /* of the index */
    uint32_t hand;     /* the slot the next sweep step looks at */
    uint32_t cells_used, free_cell;
    const uint16_t *owners; /* by line; the user's, must outlive the table */
    uint64_t *index;
    struct table_cell *cells;
    size_t arena_bytes;
    uint8_t seed[TABLE_SEED_BYTES];
};

/* Maps the arena; pages are touched only as keys come. false and errno: no memory. */
bool table_init(struct table *table, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES],
                const uint16_t *owners);
void table_release(struct table *table);

/* SipHash-2-4 of the bytes under the table's seed. */
uint64_t table_hash(const struct table *table, const char *bytes, size_t len);

/* Bring the index slot, then the entry, that table_find will look at into the cache. */
void table_prefetch_slot(const struct table *table, uint64_t hash);
void table_prefetch_entry(const struct table *table, uint64_t hash);

/* The slot of a key's entry on a line of this owner, or TABLE_NONE. A slot number
 * holds until the next insert or remove. */
uint32_t table_find(const struct table *table, uint64_t hash, const char *key, size_t key_len,
                    uint16_t owner);

/* Adds an entry that is not there yet, of 1 to BUCKETS_MAX marks. There must be
 * room: keys < max_keys. */
void table_insert(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line, const uint64_t *spent_marks, unsigned marks);

/* Takes out the entry of a slot. */
void table_remove(struct table *table, uint32_t slot);

/* What a slot's entry holds. table_key writes the key, NUL-terminated, and returns its length. */
uint16_t table_line(const struct table *table, uint32_t slot);
unsigned table_marks(const struct table *table, uint32_t slot);
uint64_t table_spent(const struct table *table, uint32_t slot, unsigned mark);
size_t table_key(const struct table *table, uint32_t slot, char key[KEY_MAX + 1]);

void table_set_spent(struct table *table, uint32_t slot, unsigned mark, uint64_t spent_mark);

/* Puts an entry of the same key, on another line, in the place of a slot's: one store. */
void table_replace(struct table *table, uint32_t slot, uint16_t line, const uint64_t *spent_marks,
                   unsigned marks);

/* The first occupied slot at or after `slot`, round the end; TABLE_NONE if there is none. */
uint32_t table_next_occupied(const struct table *table, uint32_t slot);

/* The slot a hash starts at. */
uint32_t table_home(const struct table *table, uint64_t hash);

/* Whether a slot holds an entry; and its tag, which says where it belongs, for as long as
 * the table lives: table_home of tag << 32. It is found from there on, before the
 * next empty slot. Made for looking at slot after slot. */
bool table_look(const struct table *table, uint32_t slot, uint32_t *tag);

/* Looks at the slot under the hand; TABLE_NONE if it is empty, and then the
 * hand has moved on. table_sweep_keep moves it past an entry that stays;
 * after table_remove the hand stays, for another entry may have moved in. */
uint32_t table_sweep_look(struct table *table);
void table_sweep_keep(struct table *table);
