/*
 * The teller: what of a store's troubles the log hears, so that one which lasts, or comes and goes, is not a flood.
 *
 * A trouble is told once, however often it is met; another one at the earliest TELLER_PAUSE_NS after that; and
 * the same again, once it was over, at the earliest TELLER_AGAIN_NS after it was told.
 *
 * Owns nothing. One thread. Never blocks. Never fails.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define TELLER_PAUSE_NS UINT64_C(1000000000)
#define TELLER_AGAIN_NS UINT64_C(60000000000)
#define TELLER_TEXT_MAX 256

struct teller {
    char told[TELLER_TEXT_MAX]; /* the last one; empty: none was */
    uint64_t told_ns;
    bool is_over;
};

/* Whether this trouble is to be told. If so, it counts as told. */
bool teller_tells(struct teller *teller, const char *trouble, uint64_t now_ns);

/* The trouble is over. Whether that is to be told. */
bool teller_ends(struct teller *teller);
