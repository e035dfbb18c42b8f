/*
 * Cells: what the entries of the table are made of, and how a slot of the index leads to one.
 *
 * For the files of this room; layout.h has all else that is in the arena. It is apart from that because
 * table.h looks into a cell, so that to read an entry's line and mark takes no call.
 *
 * Owns nothing. One thread. Never blocks.
 */
#pragma once

#include "limits/key.h"
#include "limits/limits.h"

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_KEY_INLINE 20 /* bytes of a key that fit into its first cell, beside one mark */

/* A slot is 0 if it is empty. Else it has the tag in its upper half, and in its lower half the
 * entry's first cell with a bit that is always set. Cell 0 is never used, so one flipped bit
 * neither makes an entry of an empty slot nor empties one. */
#define SLOT_OCCUPIED 0x80000000u

static inline uint32_t slot_cell(uint64_t slot)
{
    return (uint32_t)slot & ~SLOT_OCCUPIED;
}

/*
 * A cell is the head of an entry, a later part of its chain, or free.
 *
 *     one mark, key of up to 20 bytes    head
 *     one mark, longer key               head -> link -> ... -> link
 *     two to four marks                  head -> more -> link -> ... -> link
 *
 * A head that begins a chain holds 16 bytes of the key, and `next` in its last four bytes; a
 * link holds 28 bytes of the key. `next` is in the same place in all cells. The last `next` of
 * a chain refers back to the head (back_to), and the cell of marks does so too, so that no
 * chain can lead into another one.
 *
 * A free cell keeps `next`; its first word is a check of `next` and of its own number. So the
 * free list takes over a chain as it is linked.
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
