/*
 * Deciding: one question about one key, and its answer.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/place_terms.h"

/* Answers a question of kind ALLOW, ACQUIRE, RESET, REFUND, CHARGE or STATUS, at once: of what it would wait for
 * waits.h knows. The place must have a limit. */
void decide(struct brain *brain, enum message_kind kind, const struct place *place,
            const struct bucket_question *ask, struct bucket_answer *answer);

/* The parts of it, for a list that is charged as one and for those who wait. Marks are those that the
 * table holds; `holding` is the key's, or NULL. */

/* Whether buckets hold slots, so that tokens, if there are any, are only for ACQUIRE. */
static inline bool decide_needs_lease(const struct allowance *allowance, uint64_t tokens)
{
    return tokens > 0 && allowance->slots > 0;
}

/* BUCKET_ALLOWED, or why nothing of this kind can be done with buckets, whatever they hold. */
static inline __attribute__((always_inline)) enum bucket_result decide_fit(
    enum message_kind kind, const struct allowance *allowance, uint64_t tokens)
{
    if (kind == MESSAGE_ALLOW && decide_needs_lease(allowance, tokens))
        return BUCKET_NEEDS_LEASE;
    if ((kind == MESSAGE_RESET || kind == MESSAGE_REFUND || kind == MESSAGE_CHARGE) &&
        allowance->burst == 0)
        return BUCKET_SLOTS_ONLY;
    return BUCKET_ALLOWED;
}

/* Whether a question of this kind can be asked of the buckets at a place. false: the answer says why
 * not. */
static inline __attribute__((always_inline)) bool decide_suits(enum message_kind kind,
                                                               const struct place_terms *terms,
                                                               uint64_t tokens,
                                                               struct bucket_answer *answer)
{
    enum bucket_result result = decide_fit(kind, terms->allowance, tokens);
    if (result != BUCKET_ALLOWED)
        *answer = (struct bucket_answer){.result = result, .limit = terms->limit};
    return result == BUCKET_ALLOWED;
}

/* Whether nobody waits for a key, so that the next one who asks may be let go. */
static inline bool decide_is_next(const struct holding *holding)
{
    return holding == NULL || !holding_is_waited_for(holding);
}

/* What the buckets at a place, with these marks, would say to a demand; is_next: nobody who
 * asked before waits for them. It does not ask whether the table has room. */
enum bucket_result decide_look(const struct brain *brain, const struct place *place,
                               const struct holding *holding, bool is_next, struct demand demand,
                               const uint64_t marks[BUCKETS_MAX]);

/* Takes what is demanded, after decide_look has said BUCKET_ALLOWED. If slot is TABLE_NONE there must
 * be room for an entry. */
void decide_take(struct brain *brain, const struct place *place, const struct holding *holding,
                 const struct bucket_question *ask, struct demand demand, uint32_t slot,
                 uint64_t marks[BUCKETS_MAX]);

/* Both for an ALLOW or ACQUIRE, and room for an entry; and the lease of what ACQUIRE has taken. */
enum bucket_result decide_try(struct brain *brain, const struct place *place,
                              const struct holding *holding, bool is_next, enum message_kind kind,
                              const struct bucket_question *ask, uint32_t slot,
                              uint64_t marks[BUCKETS_MAX]);

/* Holds the lease of what ACQUIRE takes. false: there is no room for one more. */
bool decide_hold_lease(struct brain *brain, const struct place *place,
                       const struct acquire_question *acquire);

/* Of an ACQUIRE of which it is known what becomes of it: if it is told yes though nothing was taken, it
 * gets a lease that holds nothing, so that a release works. Returns the result, which is
 * BUCKET_TOO_MANY_LEASES if there is no room for that. Then tells how long the lease lasts. */
enum bucket_result decide_lease(struct brain *brain, const struct place *place,
                                const struct acquire_question *acquire, enum bucket_result result);
void decide_describe_lease(const struct brain *brain, const struct acquire_question *acquire,
                           struct bucket_answer *answer);

/* Gives tokens back to the buckets of these marks that hold tokens. The marks are yet to be stored. */
void decide_give(const struct brain *brain, const struct place *place,
                 const struct holding *holding, uint64_t tokens, uint64_t marks[BUCKETS_MAX]);

/* Fills in an answer: the result of such a demand, and the buckets at these marks. */
void decide_describe(const struct brain *brain, const struct place *place,
                     const struct holding *holding, struct demand demand, enum bucket_result result,
                     const uint64_t marks[BUCKETS_MAX], struct bucket_answer *answer);

/* Shows a bucket as an override at a place makes it look, if it allows or denies. And milliseconds until no override
 * denies the key any more, counted from the last date known; RETRY_NEVER: one does for ever. */
void decide_show_override(const struct brain *brain, const struct place *place,
                          const struct bucket_terms *terms, struct bucket_state *state);
uint64_t decide_denial_ends_after_ms(const struct brain *brain, const struct place *place);

/* What a question of kind ALLOW, ACQUIRE or STATUS, which does not wait, would be answered now, unless there
 * were no memory. Nothing is taken, and nothing is counted. */
void decide_foresee(struct brain *brain, enum message_kind kind, const struct place *place,
                    const struct bucket_question *ask, struct bucket_answer *answer);

/* Milliseconds, in ticks, until a time of leases has come, which has not yet. */
uint64_t decide_ms_until_end(const struct brain *brain, uint64_t end_ns);

/* Milliseconds until there is room for one more lease, as far as can be foretold. */
uint64_t decide_ms_until_room(const struct brain *brain);

/* Counts the answer to an ALLOW or ACQUIRE. If it denies, an event tells it, and it is sampled for the
 * log. allowed: what the caller is told, which under a limit on trial is always yes. Inline, because mostly the
 * tokens were taken, and there is nothing to count beside that. */
void decide_count_beside(struct brain *brain, const struct place *place,
                         const struct bucket_question *ask, struct bucket_answer *answer,
                         bool allowed);
static inline void decide_count(struct brain *brain, const struct place *place,
                                const struct bucket_question *ask, struct bucket_answer *answer,
                                bool allowed)
{
    if (allowed)
        brain->counters.allowed++;
    else
        brain->counters.denied++;
    meters_decided(&brain->meters, (uint32_t)place->limit, answer->result, allowed);
    if (answer->result != BUCKET_ALLOWED)
        decide_count_beside(brain, place, ask, answer, allowed);
}
