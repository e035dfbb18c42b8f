/*
 * Words: the single stores by which what outlives the process changes. A process may be killed before or after each of
 * them, but not within one.
 *
 * Owns nothing: the memory is the caller's, and on a word. One thread. Never blocks. Never fails.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What was stored before is there, whenever this is. */
static inline void put_word(uint64_t *place, uint64_t value)
{
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
}

/* Word by word, so that a test can end the process between any two. `len` is a number of words, in bytes. */
static inline void put_words(void *to, const void *from, size_t len)
{
    uint64_t word;
    for (size_t at = 0; at < len; at += sizeof word) {
        memcpy(&word, (const unsigned char *)from + at, sizeof word);
        put_word((uint64_t *)((unsigned char *)to + at), word);
    }
}
