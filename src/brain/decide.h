/*
 * Deciding: one question about one key, and its answer.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* Answers a question of kind ALLOW, RESET, REFUND or STATUS at a place with a limit. */
void decide(struct brain *brain, enum message_kind kind, const struct place *place,
            const struct bucket_question *ask, struct bucket_answer *answer);

/* The parts of it, for a list that is charged as one. */

/* What a bucket at a place would say to `tokens` tokens, of the marks given; table
 * room aside. */
enum bucket_result decide_look(const struct brain *brain, const struct place *place,
                               uint64_t tokens, const uint64_t marks[BUCKETS_MAX]);

/* Takes tokens, of which decide_look has said BUCKET_ALLOWED. There must be room if slot is
 * TABLE_NONE. */
void decide_take(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                 uint64_t tokens, uint32_t slot, uint64_t marks[BUCKETS_MAX]);

/* Fills in an answer: this result of asking for `tokens` tokens, and the buckets at the marks. */
void decide_describe(const struct brain *brain, const struct place *place, uint64_t tokens,
                     enum bucket_result result, const uint64_t marks[BUCKETS_MAX],
                     struct bucket_answer *answer);

/* Counts the answer to an ALLOW at a place, which is told as yes or as no, and
 * samples it if it denies. */
void decide_count(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                  struct bucket_answer *answer, bool allowed);
