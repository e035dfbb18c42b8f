#include "fleet/board.h"

#include <string.h>

const struct histogram_bounds fleet_latency_bounds_ns = {
    .count = 12,
    .bound = {100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, 25000000, 50000000,
              100000000, 250000000, 1000000000},
};

void board_write(struct board *board, const struct board_text *text)
{
    uint64_t words[BOARD_WORDS] = {0};
    uint64_t writes = atomic_load_explicit(&board->writes, memory_order_relaxed);
    memcpy(words, text, sizeof *text);
    atomic_store_explicit(&board->writes, writes + 1, memory_order_relaxed);
    for (size_t i = 0; i < BOARD_WORDS; i++)
        atomic_store_explicit(&board->words[i], words[i], memory_order_release);
    atomic_store_explicit(&board->writes, writes + 2, memory_order_release);
}

void board_read(struct board *board, struct board_text *text)
{
    uint64_t words[BOARD_WORDS] = {0}, before, after;
    do {
        before = atomic_load_explicit(&board->writes, memory_order_acquire);
        for (size_t i = 0; i < BOARD_WORDS; i++)
            words[i] = atomic_load_explicit(&board->words[i], memory_order_acquire);
        after = atomic_load_explicit(&board->writes, memory_order_relaxed);
    } while (before % 2 != 0 || before != after);
    memcpy(text, words, sizeof *text);
}
