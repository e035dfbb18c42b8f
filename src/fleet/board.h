/*
 * The board: how the store is, written by one thread and read by any, without a lock.
 *
 * It is a sequence lock of atomic words. The writer makes the count odd, writes, and makes it even; a reader reads
 * again if the count was odd or has changed. Each word is stored with release and read with acquire, so a reader
 * that saw a word of a write sees that the count has changed.
 *
 * Owns its words. Threads: one writes, any reads. Blocks: a reader, while it is being written. Never fails.
 */
#pragma once

#include "fleet/fleet.h"

#include <stdatomic.h>

/* What is on it. */
struct board_text {
    struct fleet_seen seen;
    uint64_t down_ns; /* since when there is no store; CLOCK_NEVER: there is one */
};

#define BOARD_WORDS ((sizeof(struct board_text) + 7) / 8)

struct board {
    _Atomic uint64_t writes;
    _Atomic uint64_t words[BOARD_WORDS];
};

void board_write(struct board *board, const struct board_text *text);
void board_read(struct board *board, struct board_text *text);
