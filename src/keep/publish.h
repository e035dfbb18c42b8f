/*
 * Publishing: a single store says which of two halves holds, the one of the even or the odd number.
 *
 * The word has the number in its lower half and its complement in the upper, so that no flipped
 * bit publishes anything else. 0: nothing was published yet.
 *
 * Owns nothing. One thread. Never blocks.
 */
#pragma once

#include <stdint.h>

static inline uint64_t publication(uint32_t number)
{
    return (uint64_t)~number << 32 | number;
}

/* The number that was published; 0: none was, or the word is damaged. */
static inline uint32_t published_number(uint64_t word)
{
    uint32_t number = (uint32_t)word;
    return word == publication(number) ? number : 0;
}
