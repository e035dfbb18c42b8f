/*
 * Answers under a limit of scope fleet: what is in hand, and what is left in the record as far as is known.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/share_fate.h"

/* What is asked, and whether it was done; behind: tokens of those who waited before it, and wait still. */
struct share_told {
    uint64_t tokens, behind;
    struct share_fate fate;
};

/* Fills in an answer. share: NULL if there is none, and so nothing is known. */
void share_describe(const struct brain *brain, const struct place *place, const struct share *share,
                    struct share_told told, struct bucket_answer *answer);

/* The same of tokens that were in hand, and are spent now. share: not NULL. */
void share_describe_spent(const struct brain *brain, const struct place *place,
                          const struct place_terms *terms, const struct share *share,
                          struct bucket_answer *answer);
