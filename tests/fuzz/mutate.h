/*
 * Mutation: one input made into another, by dice.
 *
 * Owns nothing. One thread. Never blocks.
 */
#pragma once

#include "fuzz/corpus.h"
#include "support/dice.h"

/* Changes the `len` bytes at `bytes`, of which there may be up to `len_max`; the
 * new length. Pieces come from `words`, and from the inputs. */
size_t mutate(struct dice *dice, uint8_t *bytes, size_t len, size_t len_max,
              const struct corpus *inputs, const struct corpus *words);
