/*
 * The parts of the table: its arena, byte by byte, for the files of this room and nobody else.
 *
 * The arena is the index, the header and the cells. Everything in it changes by
 * single aligned stores, in the order in which they are written down, for the
 * process may be killed between any two.
 *
 * Owns nothing. One thread. Never blocks.
 */
#pragma once

#include "table/table.h"

#include <assert.h>
#include <string.h>

/* ---- stores ---- */

/* Release keeps the compiler from exchanging them; the page cache is as the
 * processor sees memory itself, so that a kill needs no more. */
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

/* A word of the header: a value, and above it what depends on it and on others. */
static inline uint64_t seal_with(uint32_t value, uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t mix = (value ^ a) * TABLE_GOLDEN;
    mix = (mix ^ mix >> 32 ^ b) * TABLE_GOLDEN;
    mix = (mix ^ mix >> 32 ^ c ^ TABLE_GOLDEN) * TABLE_GOLDEN;
    return (mix >> 32) << 32 | value;
}

/* Which word it is goes in too, so that none is good in another's place. */
enum seal_place { SEAL_STATE, SEAL_HOLE, SEAL_FREE, SEAL_USED };

static inline uint64_t seal(enum seal_place place, uint32_t value)
{
    return seal_with(value, (uint64_t)place << 32, 0, 0);
}

/* ---- the header ---- */

/* What is under way, and what the header's other words then mean. */
enum table_op {
    OP_NONE,
    OP_INSERT,  /* place, after */
    OP_REPLACE, /* place, after, first: of the entry that goes */
    OP_CLAIM,   /* place, after, first: that stood there, nobody knows whose it was */
    OP_REMOVE,  /* hole, first: of the entry that goes, or 0 */
    OP_FREE,    /* first: of the entry whose cells go, or 0 */
};
enum { OP_SHIFT = 29 };
static_assert(TABLE_KEYS_MAX < 1u << OP_SHIFT && OP_FREE < 1 << (32 - OP_SHIFT),
              "keys and what is under way share 32 bits");

struct table_header {
    uint64_t identity; /* the hash of the table's sizes under its seed */
    uint64_t state;    /* sealed with what the operation's other words say: op << OP_SHIFT | keys */
    uint64_t place;    /* the slot, and above it how many cells come from the free list */
    uint64_t after;    /* cells_used and above it free_cell, when they are taken */
    uint64_t first;    /* a cell */
    uint64_t hole;     /* sealed: the slot that is to be filled */
    uint64_t free_cell, cells_used; /* sealed */
};
static_assert(sizeof(struct table_header) == 64, "the header is one cache line");

/* The value of a sealed word; and what the state's says. */
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

/* A slot is the tag in its upper half and the entry's first cell in its lower,
 * with a bit that is always set: with cell 0 never used, no flip of one bit makes
 * an entry of an empty slot, nor empties one. */
#define SLOT_OCCUPIED 0x80000000u

static inline uint64_t slot_of(uint32_t tag, uint32_t cell)
{
    return (uint64_t)tag << 32 | SLOT_OCCUPIED | cell;
}

static inline uint32_t slot_tag(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

static inline uint32_t slot_cell(uint64_t slot)
{
    return (uint32_t)slot & ~SLOT_OCCUPIED;
}

static inline uint32_t tag_of(uint64_t hash)
{
    return (uint32_t)(hash >> 32);
}

/* The tag alone decides the home, so that a removal can move entries without
 * hashing their keys (Lemire's multiply-shift range reduction). */
static inline uint32_t home_of(const struct table *table, uint32_t tag)
{
    return (uint32_t)((uint64_t)tag * table->slots >> 32);
}

static inline uint32_t slot_after(const struct table *table, uint32_t slot)
{
    return slot + 1 == table->slots ? 0 : slot + 1;
}

/* ---- cells ---- */

/*
 * A cell is the head of an entry, a part of its chain, or free. A chain begins
 * where the key has no room in the head, or there is more than one mark: the
 * last four bytes of the head are then `next`. First in the chain is a cell of
 * marks, if there is more than one, then come cells of 28 bytes of the key each,
 * all with `next` in the same place. The last one's refers back to the head, and so
 * does the cell of marks, so that no chain can lead into another.
 *
 * A free cell keeps `next`, and in the place of its first word what depends on
 * that and on the cell's own number. The free list takes a chain as it is.
 */
enum { HEAD_CHAINED_KEY = 16, CONTINUATION_KEY = 28 };

struct table_cell {
    union {
        struct {
            uint64_t spent_mark;
            uint16_t line;
            uint8_t key_len;
            uint8_t shape; /* see shape_of */
            char key[TABLE_KEY_INLINE];
        } head;
        struct {
            uint64_t spent_marks[BUCKETS_MAX - 1];
            uint32_t head, next; /* head: see back_to */
        } more;
        struct {
            char key[CONTINUATION_KEY];
            uint32_t next;
        } link;
        struct {
            uint64_t check;
            char unused[20];
            uint32_t next;
        } free;
        uint64_t words[4];
    };
};
static_assert(sizeof(struct table_cell) == 32, "a cell is half a cache line");
enum { NEXT_AT = offsetof(struct table_cell, link.next) };
static_assert(offsetof(struct table_cell, more.next) == NEXT_AT &&
                  offsetof(struct table_cell, free.next) == NEXT_AT &&
                  offsetof(struct table_cell, head.key) + HEAD_CHAINED_KEY == NEXT_AT,
              "next is in the same place in all cells");
static_assert(offsetof(struct table_cell, head.line) >= sizeof(uint64_t),
              "a free cell that was a head still tells how long its chain was");
static_assert(KEY_MAX <= UINT8_MAX, "key_len is one byte");

/* What refers back to a head: no number of a cell, and far from what refers to any
 * other, so that no flipped bit makes one of the other. */
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
 * The count of marks, 1 to 4, and above it six bits that check it, the line and
 * the length of the key: the remainder of all of them by the polynomial x^6 + x + 1.
 * That being primitive, each bit that flips changes it in a way of its own. Not
 * all zeros for zeros.
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

/* Cell 0 for a number that is none: whatever the arena holds, nothing else is touched. */
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

/* Not memcmp: that of glibc loads 32 bytes from wherever the key begins, which of every other
 * cell is past the end of its cache line, and waits for one that nobody asked for. */
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

/* Whether a cell is the head of the entry of a key. */
static inline bool cells_hold_key(const struct table *table, const struct table_cell *head,
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

/* Cells for a new entry: of the free list, then such as were never used. Taken
 * only when `free_cell` and `cells_used` are set to those after. */
struct cells_plan {
    unsigned count, listed;
    uint32_t free_after, used_after;
    uint32_t cell[CELLS_PER_KEY_MAX];
};

/* false: too few are left. A free list that is past mending is given up. */
bool cells_plan(struct table *table, unsigned count, struct cells_plan *plan);
void cells_take(struct table *table, const struct cells_plan *plan);

/* Makes an entry of cells that are planned for it. */
void cells_fill(struct table *table, const struct cells_plan *plan, const char *key, size_t key_len,
                uint16_t line, const uint64_t *spent_marks, unsigned marks);

/* Makes the first so many cells of the free list free again, the last one
 * followed by `after`. */
void cells_unfill(struct table *table, unsigned listed, uint32_t after);

/* Puts the cells of an entry, by its first, into the free list: once, and
 * again after a kill. 0: none. */
void cells_free(struct table *table, uint32_t first);

/* As if no cell had ever been used: for a table that has no entry. */
void cells_forget(struct table *table);

bool cell_is_free(const struct table_cell *cell, uint32_t number);

/* ---- the journal ---- */

/* Sets how many keys there are, and what is under way with the header's other words. */
void journal_state(struct table *table, uint32_t keys, enum table_op op);

/* Notes an entry that is about to be made of planned cells for a slot. */
void journal_entry(struct table *table, enum table_op op, uint32_t slot,
                   const struct cells_plan *plan, uint32_t first);

/* Reads the header, one flipped bit mended. false: it does not check. */
bool journal_read(struct table *table, uint64_t identity);

/* Ends what was under way. false: what it was makes no sense. */
bool journal_recover(struct table *table);

/* ---- the index ---- */

/* Fills the journal's hole with the entries after it, until one is left empty. */
void index_close(struct table *table, uint32_t hole);

/* Puts an entry made of planned cells in the place of the one in the journal; of
 * OP_CLAIM nobody knows whose that one's cells are. */
void index_replace(struct table *table, enum table_op op, uint32_t slot, uint64_t entry,
                   const struct cells_plan *plan);

/* Takes out an entry; first: of its cells, or 0 if nobody knows whose they are. */
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

/* false: no memory. */
bool doubt_begin(struct table *table);
void doubt_end(struct table *table);

/* Whether what is in a slot was checked, and is an entry to believe. */
static inline bool slot_is_sure(const struct table *table, uint32_t slot)
{
    return bit_is_set(table->checked, slot) && !bit_is_set(table->past_mending, slot);
}

/* The entry in a slot is one to believe, and its cells are no other's. */
void doubt_over(struct table *table, uint32_t slot);
void doubt_own(struct table *table, uint32_t slot);

/* Checks the entries from a slot up to the next empty one. */
void doubt_check(struct table *table, uint32_t slot);

/* The same, and those past mending go. */
void doubt_clear(struct table *table, uint32_t slot);
