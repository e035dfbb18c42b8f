/*
 * The table: every bucket that is not full, in one arena of fixed size that may outlive a process.
 *
 * It is a hash table: an index of 8-byte slots (open addressing, linear probing) over entries
 * made of 32-byte cells. A key of up to 20 bytes with one mark needs one cell. Once there is a
 * table nothing is allocated, rehashed or walked as a whole. The hash has a random seed,
 * because callers choose the keys. layout.h has the arena byte by byte.
 *
 * An entry holds the spent marks of a key's buckets and the number of the line that they are
 * on (lines.h). One key may have several entries, under different limits: `owners` gives each
 * line an owner, and a search asks for the key's entry on a line of a given owner.
 *
 * Killed at any instant. The arena is the caller's memory, which may be a file mapped shared.
 * A process may be killed between any two stores; the next one adopts the table without
 * walking it:
 *  - every store is an aligned one, in program order;
 *  - a decision is one store, the mark of a bucket;
 *  - a new entry is whole before the one store that puts it into the index;
 *  - what takes more than one store (inserting, replacing, removing) is noted in a journal
 *    first. Whoever adopts the table takes back or finishes what the journal names.
 *
 * Damaged meanwhile. Bits may have flipped in what another process left. So an entry of an
 * adopted table is in doubt until a search, a removal or the sweep first meets it, and is
 * believed only if all of it checks:
 *  - one flipped bit is mended: every bit that it could be is tried until the entry checks;
 *  - a mark that cannot be believed becomes that of an empty bucket, because a mark has room
 *    for a parity only (credit_seal), which finds a flipped bit but cannot mend it;
 *  - an entry past mending stays until the sweep comes and drops it. If somebody asks for a key
 *    with its tag (half of the hash) before that, it becomes that key's, with empty buckets.
 * After one lap of the sweep the doubt is over, and the number of keys is exact. A table that
 * this process began has no doubt, and pays one comparison for that.
 *
 * tests/prop/prop_table_kills adopts a copy of the arena after each store, recovery's own
 * included; prop_table_damage flips each bit, then random ones.
 *
 * Owns nothing of the arena, but what table_init maps; and some memory while in doubt. One
 * thread. Never blocks. Errors: table_init and table_adopt say theirs; table_insert and
 * table_replace fail only when damage has left too few cells.
 */
#pragma once

#include "table/cell.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_KEYS_MAX 100000000u
#define TABLE_SEED_BYTES 16
#define TABLE_NONE UINT32_MAX

struct table_header;

/* What the table asks its user before it believes an entry of an adopted table. */
struct table_user {
    const void *context;
    /* Whether an entry can be on this line (any 16 bits). If so: how many marks it has there,
     * and what is XORed into the hash of its key. */
    bool (*line)(const void *context, uint16_t line, unsigned *marks, uint64_t *salt);
    /* Whether an entry on a line can have this mark. */
    bool (*believes)(const void *context, uint16_t line, unsigned mark, uint64_t spent_mark);
    /* The mark of an empty bucket on a line, now. */
    uint64_t (*empty_mark)(const void *context, uint16_t line, unsigned mark);
};

/* What was found damaged since the table was adopted. */
struct table_damage {
    uint64_t mended;  /* entries, slots or free cells that are as they were before */
    uint64_t emptied; /* entries of which a bucket is taken to be empty */
    uint64_t dropped; /* entries past mending */
    uint64_t leaks;   /* how often cells were lost; they come back once the table is empty */
};

struct table {
    uint32_t keys;     /* tracked now */
    uint32_t max_keys; /* 1 to TABLE_KEYS_MAX */
    uint32_t slots;    /* of the index */
    uint32_t hand;     /* the slot that the next step of the sweep looks at */
    uint64_t laps;     /* how often the hand has come round; see table_sweep_look */
    uint32_t cells_used, free_cell, cells_max;
    const uint16_t *owners;        /* by line; the user's, must outlive the table */
    const struct table_user *user; /* of an adopted table; the user's too, must outlive it */
    uint64_t *index;               /* where the arena begins */
    struct table_header *header;
    struct table_cell *cells;
    size_t arena_bytes;
    bool has_own_arena;
    uint64_t *checked;      /* bits by slot while in doubt, else NULL: it has been checked */
    uint64_t *past_mending; /* likewise: it was checked and cannot be mended, else it is sure */
    uint64_t *owned;        /* bits by cell: an entry that is sure has it */
    uint32_t sure;          /* entries that are sure; `keys` is never less */
    struct table_damage damage;
    uint8_t seed[TABLE_SEED_BYTES];
};

/* Bytes of the arena of a table. */
size_t table_arena_bytes(uint32_t max_keys);

/* Makes an empty table in an arena that is all zeros and begins on a cache line. The arena must
 * outlive the table. */
void table_create(struct table *table, void *arena, uint32_t max_keys,
                  const uint8_t seed[TABLE_SEED_BYTES], const uint16_t *owners);

enum table_adoption {
    TABLE_ADOPTED,
    TABLE_UNSOUND, /* the arena holds no table of this size and seed, or one past mending */
    TABLE_NO_MEMORY,
};

/* Takes up the table that another process left in an arena, whatever bytes are in it. Finishes
 * or takes back what that process was doing, and looks at nothing else of the table. `user`
 * must outlive the table, and is asked nothing before an entry is used. Unless the result is
 * TABLE_ADOPTED there is nothing to release. */
enum table_adoption table_adopt(struct table *table, void *arena, uint32_t max_keys,
                                const uint8_t seed[TABLE_SEED_BYTES], const uint16_t *owners,
                                const struct table_user *user);

/* Makes an empty table in an arena of its own, of which pages are touched only as keys come.
 * false and errno: no memory. */
bool table_init(struct table *table, uint32_t max_keys, const uint8_t seed[TABLE_SEED_BYTES],
                const uint16_t *owners);

/* An arena that was handed in is left as it is, for the next process to adopt. */
void table_release(struct table *table);

/* Whether some of what another process left is still to be checked. After the first lap of the
 * sweep none is, and `keys` is exact whatever the arena had said. */
static inline bool table_is_in_doubt(const struct table *table)
{
    return table->checked != NULL;
}

/* Checks all that a search for a key looks at. While the table is in doubt, call it before
 * table_find, and again before table_insert if there was a removal since. Slot numbers from
 * before no longer hold. An entry past mending with this very tag is taken to be the key's:
 * it becomes an entry on this line with empty buckets. */
void table_settle(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line);

/* SipHash-2-4 of the bytes under the table's seed. */
uint64_t table_hash(const struct table *table, const char *bytes, size_t len);

/* The same of four keys at once, which takes half the time if they are about as long. */
#define TABLE_HASHES 4
void table_hash_four(const struct table *table, const char *const key[TABLE_HASHES],
                     const size_t len[TABLE_HASHES], uint64_t hash[TABLE_HASHES]);

/* Ask for memory ahead of table_find: first the slots that it will look at; then, when they are
 * there, the entry that they lead to. Its slot is that of the first entry with this tag, which is likely to be
 * the key's; TABLE_NONE: there is none, nor was there one of the key's. */
void table_prefetch_slot(const struct table *table, uint64_t hash);
uint32_t table_prefetch_entry(const struct table *table, uint64_t hash);

/* Whether a slot, which need not hold any more, is that of the key's entry on this very line. */
bool table_is_at(const struct table *table, uint32_t slot, const char *key, size_t key_len,
                 uint16_t line);

/* The slot of the key's entry on a line of this owner, or TABLE_NONE. A slot number holds until
 * the next insert or remove. */
uint32_t table_find(const struct table *table, uint64_t hash, const char *key, size_t key_len,
                    uint16_t owner);

/* Adds an entry of 1 to BUCKETS_MAX marks that is not there yet. There must be room: keys <
 * max_keys. false: damage has left too few cells, and nothing has changed. */
bool table_insert(struct table *table, uint64_t hash, const char *key, size_t key_len,
                  uint16_t line, const uint64_t *spent_marks, unsigned marks);

/* Takes the entry of a slot out. */
void table_remove(struct table *table, uint32_t slot);

/* What a slot's entry holds: its line, the number of its marks, one of them, its key.
 * table_key writes the key NUL-terminated and returns its length. Inline, because each decision asks. */
static inline struct table_cell *table_entry(const struct table *table, uint32_t slot)
{
    return &table->cells[slot_cell(table->index[slot])];
}

static inline uint16_t table_line(const struct table *table, uint32_t slot)
{
    return table_entry(table, slot)->head.line;
}

uint64_t *table_further_mark(const struct table *table, uint32_t slot, unsigned mark);
static inline uint64_t *table_mark(const struct table *table, uint32_t slot, unsigned mark)
{
    return mark == 0 ? &table_entry(table, slot)->head.spent_mark
                     : table_further_mark(table, slot, mark);
}

static inline uint64_t table_spent(const struct table *table, uint32_t slot, unsigned mark)
{
    return *table_mark(table, slot, mark);
}

unsigned table_marks(const struct table *table, uint32_t slot);
size_t table_key(const struct table *table, uint32_t slot, char key[KEY_MAX + 1]);

/* One store, in release order as all of the table's are: see layout.h. */
static inline void table_set_spent(struct table *table, uint32_t slot, unsigned mark,
                                   uint64_t spent_mark)
{
    __atomic_store_n(table_mark(table, slot, mark), spent_mark, __ATOMIC_RELEASE);
}

/* Replaces a slot's entry by one of the same key on another line; one store exchanges them.
 * false: damage has left too few cells, and nothing has changed. */
bool table_replace(struct table *table, uint32_t slot, uint16_t line, const uint64_t *spent_marks,
                   unsigned marks);

/* The first occupied slot at or after `slot`, going on at 0 after the last; TABLE_NONE: none. */
uint32_t table_next_occupied(struct table *table, uint32_t slot);

/* The slot at which a search for this hash begins. */
uint32_t table_home(const struct table *table, uint64_t hash);

/* Whether a slot holds an entry; and its tag. The tag says for good where the entry belongs:
 * at table_home of tag << 32, or after that, before the next empty slot. Fastest when slots
 * are looked at one after the other. */
bool table_look(struct table *table, uint32_t slot, uint32_t *tag);

/* One step of the sweep: the slot under the hand if it holds an entry. TABLE_NONE: it is empty,
 * and the hand has moved on. Then either move on past an entry that stays by table_sweep_keep;
 * or table_remove it, after which the hand stays, because another entry may have moved in.
 *
 * Each time `laps` grows by one, every entry of the table has been looked at, inserted or
 * replaced since it last grew. A removal that moves an entry back past the hand takes the hand
 * back with it, so that none is left out. */
uint32_t table_sweep_look(struct table *table);
void table_sweep_keep(struct table *table);
