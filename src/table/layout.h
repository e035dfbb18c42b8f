/*
 * The table's layout: its arena byte by byte, for the files of this room and nobody else.
 *
 * The arena is three parts in this order:
 *
 *     index     8 bytes a slot: the tag (half of the key's hash), and the entry's first cell
 *     header    one cache line: how many keys, which cells are free, the journal
 *     cells     32 bytes each: an entry is one cell or a chain of them
 *
 * Everything in it changes by single aligned stores, in the order of the source, because the
 * process may be killed between any two of them. How it is then taken up again:
 *
 *     what was under way        what is noted first     what the next process does (recover.c)
 *     insert, replace, claim    slot, cells, old entry  the index has the new entry: finishes;
 *                                                       else: frees the new cells again
 *     remove                    hole, cells             closes the hole from where it had got to
 *     free                      first cell              frees the cells that are not free yet
 *
 * One sealed word, `state`, says both how many keys there are and what is under way, so that
 * both change at once. A chain is linked as the free list is: taking one from the list or giving
 * it back is one store.
 *
 *     table.c    insert, find, remove, replace, sweep      journal.c  the header: notes and reads
 *     entry.c    what an entry holds; the hash             recover.c  finishes or takes back
 *     index.c    removal and replacement in the index      doubt.c    checks and mends what
 *     cells.c    the free list; filling cells                         another process left
 *     cell.h     what a cell is, which table.h looks into too
 *
 * Owns nothing. One thread. Never blocks.
 */
#pragma once

#include "table/table.h"

#include <assert.h>
#include <string.h>

/* ---- stores ---- */

/* Release order keeps compiler and processor from exchanging stores. A kill needs no more: what
 * is stored into a shared mapping is in the kernel's page cache at once. */
static inline void store(uint64_t *place, uint64_t value)
{
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
}

static inline void store_32(uint32_t *place, uint32_t value)
{
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
}

/* ---- check words ---- */

#define TABLE_GOLDEN 0x9e3779b97f4a7c15u /* 2^64 / the golden ratio, odd: mixes well (Knuth 6.4) */

/* A sealed word: a value in the lower half, and in the upper half a check that depends on it and
 * on up to three other words. */
static inline uint64_t seal_with(uint32_t value, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t mix = (value ^ a) * TABLE_GOLDEN;
    mix = (mix ^ mix >> 32 ^ b) * TABLE_GOLDEN;
    mix = (mix ^ mix >> 32 ^ c ^ TABLE_GOLDEN) * TABLE_GOLDEN;
    return (mix >> 32) << 32 | value;
}

/* Which word of the header it is goes into the check, so that none is good in another's place. */
enum seal_place { SEAL_STATE, SEAL_HOLE, SEAL_FREE, SEAL_USED };

static inline uint64_t seal(enum seal_place place, uint32_t value)
{
    return seal_with(value, (uint64_t)place << 32, 0, 0);
}

/* ---- the header ---- */

/* What is under way, and which of the header's words then count. */
enum table_op {
    OP_NONE,
    OP_INSERT,  /* place, after */
    OP_REPLACE, /* place, after, first: the first cell of the entry that goes */
    OP_CLAIM,   /* place, after, first: as the damaged slot had it; those cells may be others' */
    OP_REMOVE,  /* hole, first: the first cell of the entry that goes, or 0 */
    OP_FREE,    /* first: the first of the cells that become free, or 0 */
};
enum { OP_SHIFT = 29 };
static_assert(TABLE_KEYS_MAX < 1u << OP_SHIFT && OP_FREE < 1 << (32 - OP_SHIFT),
              "keys and what is under way share 32 bits");

struct table_header {
    uint64_t identity; /* the hash of the table's sizes under its seed */
    uint64_t state;    /* op << OP_SHIFT | keys, sealed with the words that the op needs */
    uint64_t place;    /* lower half: the slot; upper: how many cells come from the free list */
    uint64_t after; /* lower half: cells_used once it is done; upper: free_cell once it is done */
    uint64_t first; /* the number of a cell */
    uint64_t hole;  /* sealed: the slot to be filled */
    uint64_t free_cell, cells_used; /* sealed */
};
static_assert(sizeof(struct table_header) == 64, "the header is one cache line");

/* The value of a sealed word; and the two parts of the state's value. */
static inline uint32_t value_of(uint64_t word)
{
    return (uint32_t)word;
}

static inline enum table_op op_of(const struct table_header *header)
{
    return (enum table_op)(value_of(header->state) >> OP_SHIFT);
}

static inline uint32_t keys_of(const struct table_header *header)
{
    return value_of(header->state) & ((1u << OP_SHIFT) - 1);
}

/* ---- slots ---- */

static inline uint64_t slot_of(uint32_t tag, uint32_t cell)
{
    return (uint64_t)tag << 32 | SLOT_OCCUPIED | cell;
}

static inline uint32_t slot_tag(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

static inline uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* The slot at which a search begins. It follows from the tag alone, so that a removal can move
 * entries without hashing their keys (Lemire's multiply-shift range reduction). */
static inline uint32_t home_of(const struct table *table, uint32_t tag)
{
    return (uint32_t)((uint64_t)tag * table->slots >> 32);
}

static inline uint32_t slot_after(const struct table *table, uint32_t slot)
{
    return slot + 1 == table->slots ? 0 : slot + 1;
}

/* ---- cells ---- */

/* What refers back to a head. It is no cell's number, and differs from that of any other head in
 * more than one bit, so that no flipped bit turns one into the other. */
#define CELL_NONE 0x80000000u

static inline uint32_t back_to(uint32_t head)
{
    return head * 0x9e3779b1u | CELL_NONE;
}

enum {
    CELLS_PER_KEY_MAX = 2 + (KEY_MAX - HEAD_CHAINED_KEY + CONTINUATION_KEY - 1) / CONTINUATION_KEY
};
static_assert((uint64_t)(TABLE_KEYS_MAX + 1) * CELLS_PER_KEY_MAX + 1 < CELL_NONE,
              "cell numbers are 31 bits");

/*
 * A byte for the shape of an entry: the count of marks less 1 in two bits, and above it six bits
 * that check it, the line and the length of the key: the remainder of all of them by the
 * polynomial x^6 + x + 1, inverted, so that all zeros do not check. The polynomial is
 * primitive, so each single bit that flips changes the remainder in its own way.
 */
static inline uint8_t shape_of(uint16_t line, uint8_t key_len, unsigned marks)
{
    uint32_t rest = (uint32_t)line << 16 | (uint32_t)key_len << 8 | (marks - 1) << 6;
    /* x^24 is x^4 + 1, x^12 is x^2 + 1, x^6 is x + 1. */
    rest = (rest & 0xffffff) ^ (rest >> 24) ^ (rest >> 24) << 4;
    rest = (rest & 0xfff) ^ (rest >> 12) ^ (rest >> 12) << 2;
    rest = (rest & 0xfff) ^ (rest >> 12) ^ (rest >> 12) << 2;
    rest = (rest & 0x3f) ^ (rest >> 6) ^ (rest >> 6) << 1;
    rest = (rest & 0x3f) ^ (rest >> 6) ^ (rest >> 6) << 1;
    return (uint8_t)((rest ^ 0x3f) << 2 | (marks - 1));
}
static_assert(BUCKETS_MAX == 4, "a count of marks is two bits");

static inline unsigned marks_of(const struct table_cell *head)
{
    return 1 + (head->head.shape & 3);
}

/* How much of a key the head holds. */
static inline size_t head_part(size_t key_len, unsigned marks)
{
    return key_len <= TABLE_KEY_INLINE && marks == 1 ? key_len
           : key_len < HEAD_CHAINED_KEY              ? key_len
                                                     : HEAD_CHAINED_KEY;
}

static inline size_t link_part(size_t rest)
{
    return rest < CONTINUATION_KEY ? rest : CONTINUATION_KEY;
}

static inline unsigned cells_needed(size_t key_len, unsigned marks)
{
    size_t rest = key_len - head_part(key_len, marks);
    return 1u + (marks > 1) + (unsigned)((rest + CONTINUATION_KEY - 1) / CONTINUATION_KEY);
}

/* The next cell of a chain. Cell 0 if the number is out of range: whatever bytes the arena holds,
 * nothing outside it is touched. */
static inline struct table_cell *next_cell(const struct table *table, const struct table_cell *cell)
{
    uint32_t next = cell->link.next;
    return &table->cells[next < table->cells_max ? next : 0];
}

static inline bool words_equal(const char *a, const char *b)
{
    uint64_t first, second;
    memcpy(&first, a, sizeof first);
    memcpy(&second, b, sizeof second);
    return first == second;
}

/* Not memcmp: glibc's loads 32 bytes from where the key begins. For every other cell that runs
 * into the next cache line, which nobody has fetched. */
static inline bool bytes_equal(const char *a, const char *b, size_t len)
{
    if (len >= sizeof(uint64_t)) {
        for (size_t at = 0; at + sizeof(uint64_t) <= len; at += sizeof(uint64_t))
            if (!words_equal(a + at, b + at))
                return false;
        return words_equal(a + len - sizeof(uint64_t), b + len - sizeof(uint64_t));
    }
    for (size_t at = 0; at < len; at++)
        if (a[at] != b[at])
            return false;
    return true;
}

/* Whether a cell is the head of the entry of a key. Inline wherever a decision asks. */
static inline __attribute__((always_inline)) bool cells_hold_key(const struct table *table,
                                                                 const struct table_cell *head,
                                                                 const char *key, size_t key_len)
{
    const struct table_cell *cell = head;
    unsigned marks = marks_of(head);
    size_t part = head_part(key_len, marks);
    if (head->head.key_len != key_len || !bytes_equal(head->head.key, key, part))
        return false;
    if (part == key_len)
        return true;
    if (marks > 1)
        cell = next_cell(table, cell);
    for (size_t done = part; done < key_len; done += part) {
        cell = next_cell(table, cell);
        part = link_part(key_len - done);
        if (!bytes_equal(cell->link.key, key + done, part))
            return false;
    }
    return true;
}

/* Cells for a new entry: `listed` of them from the free list, the others never used before. They
 * are only planned; cells_take takes them, by setting free_cell and cells_used. */
struct cells_plan {
    unsigned count, listed;
    uint32_t free_after, used_after;
    uint32_t cell[CELLS_PER_KEY_MAX];
};

/* false: too few cells are left. A free list that is past mending is given up. */
bool cells_plan(struct table *table, unsigned count, struct cells_plan *plan);
void cells_take(struct table *table, const struct cells_plan *plan);

/* Writes an entry into the cells that are planned for it. */
void cells_fill(struct table *table, const struct cells_plan *plan, const char *key, size_t key_len,
                uint16_t line, const uint64_t *spent_marks, unsigned marks);

/* Makes free again the first `listed` cells of the free list, which may have been written over;
 * the last of them is followed by `after`. */
void cells_unfill(struct table *table, unsigned listed, uint32_t after);

/* Puts the cells of an entry into the free list, given its first cell (0: none). After a kill in
 * the middle it may be called again. */
void cells_free(struct table *table, uint32_t first);

/* Forgets all cells, as if none had ever been used. The table must have no entry. */
void cells_forget(struct table *table);

bool cell_is_free(const struct table_cell *cell, uint32_t number);

/* ---- the journal ---- */

/* Sets how many keys there are and what is under way, and seals it with the header's words. */
void journal_state(struct table *table, uint32_t keys, enum table_op op);

/* Notes that an entry is about to be written into planned cells, for a slot. */
void journal_entry(struct table *table, enum table_op op, uint32_t slot,
                   const struct cells_plan *plan, uint32_t first);

/* Reads the header, and mends one flipped bit of it. false: it does not check. */
bool journal_read(struct table *table, uint64_t identity);

/* Finishes what was under way, or takes it back. false: what the journal says makes no sense. */
bool journal_recover(struct table *table);

/* ---- the index ---- */

/* Fills the journal's hole with the entries after it, until a slot is left empty for good. */
void index_close(struct table *table, uint32_t hole);

/* Puts an entry in planned cells in the place of the old one that the journal names, and frees
 * the old one's cells; but not for OP_CLAIM, because those cells may be another entry's. */
void index_replace(struct table *table, enum table_op op, uint32_t slot, uint64_t entry,
                   const struct cells_plan *plan);

/* Takes an entry out. first: its first cell, or 0 if the cells may be another entry's. */
void index_remove(struct table *table, uint32_t slot, uint32_t first);

/* ---- doubt ---- */

static inline bool bit_is_set(const uint64_t *bits, uint32_t at)
{
    return (bits[at / 64] >> at % 64 & 1) != 0;
}

static inline void bit_set(uint64_t *bits, uint32_t at, bool is_set)
{
    uint64_t bit = 1ull << at % 64;
    bits[at / 64] = is_set ? bits[at / 64] | bit : bits[at / 64] & ~bit;
}

/* Makes the bitmaps of a table in doubt. false: no memory. */
bool doubt_begin(struct table *table);
void doubt_end(struct table *table);

/* Whether a slot was checked and holds an entry to believe. */
static inline bool slot_is_sure(const struct table *table, uint32_t slot)
{
    return bit_is_set(table->checked, slot) && !bit_is_set(table->past_mending, slot);
}

/* Says that the entry in a slot is to be believed; and, which doubt_over does as well, that its
 * cells are its own and nobody else's. */
void doubt_over(struct table *table, uint32_t slot);
void doubt_own(struct table *table, uint32_t slot);

/* Checks the entries from a slot up to the next empty one. */
void doubt_check(struct table *table, uint32_t slot);

/* Does the same, and removes those past mending. */
void doubt_clear(struct table *table, uint32_t slot);
