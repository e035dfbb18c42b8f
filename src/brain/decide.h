/*
 * Deciding: one question about one key, and its answer.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/core.h"

/* Answers a question of kind ALLOW, RESET, REFUND, CHARGE or STATUS, at once: of what it would wait for
 * waits.h knows. The place must have a limit. */
void decide(struct brain *brain, enum message_kind kind, const struct place *place,
            const struct bucket_question *ask, struct bucket_answer *answer);

/* The parts of it, for a list that is charged as one and for those who wait. Marks are those that the
 * table holds; `holding` is the key's, or NULL. */

/* Whether the buckets at a place hold slots, so that tokens, if there are any, are only for ACQUIRE. */
bool decide_needs_lease(const struct brain *brain, const struct place *place, uint64_t tokens);

/* Whether a question of this kind can be asked of the buckets at a place. false: the answer says why
 * not. */
bool decide_suits(const struct brain *brain, enum message_kind kind, const struct place *place,
                  uint64_t tokens, struct bucket_answer *answer);

/* Whether nobody waits for a key, so that the next one who asks may be let go. */
static inline bool decide_is_next(const struct holding *holding)
{
    return holding == NULL || !holding_is_waited_for(holding);
}

/* What the buckets at a place, with these marks, would say to `tokens` tokens; is_next: nobody who
 * asked before waits for them. It does not ask whether the table has room. */
enum bucket_result decide_look(const struct brain *brain, const struct place *place,
                               const struct holding *holding, bool is_next, uint64_t tokens,
                               const uint64_t marks[BUCKETS_MAX]);

/* Takes tokens, after decide_look has said BUCKET_ALLOWED. If slot is TABLE_NONE there must be
 * room for an entry. */
void decide_take(struct brain *brain, const struct place *place, const struct holding *holding,
                 const struct bucket_question *ask, uint64_t tokens, uint32_t slot,
                 uint64_t marks[BUCKETS_MAX]);

/* Both, and room for an entry. */
enum bucket_result decide_try(struct brain *brain, const struct place *place,
                              const struct holding *holding, bool is_next,
                              const struct bucket_question *ask, uint32_t slot,
                              uint64_t marks[BUCKETS_MAX]);

/* Fills in an answer: the result of asking for `tokens` tokens, and the buckets at these marks. */
void decide_describe(const struct brain *brain, const struct place *place,
                     const struct holding *holding, uint64_t tokens, enum bucket_result result,
                     const uint64_t marks[BUCKETS_MAX], struct bucket_answer *answer);

/* Counts the answer to an ALLOW, and samples it for the log if it denies. allowed: what the caller
 * is told, which under a limit on trial is always yes. */
void decide_count(struct brain *brain, const struct place *place, const struct bucket_question *ask,
                  struct bucket_answer *answer, bool allowed);
