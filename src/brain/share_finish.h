/*
 * Ends of questions under a limit of scope fleet: what cannot be asked is refused, and what was is described and counted.
 *
 * Owns nothing. One thread, the brain's. Never blocks. Never fails.
 */
#pragma once

#include "brain/decide.h"
#include "brain/share_answer.h"

/* Whether a question of this kind can be asked at a place. false: the answer says why not. */
static inline bool share_suits(const struct place_terms *terms, struct message *message)
{
    struct bucket_answer *answer = &message->answer.bucket;
    if (message->kind != MESSAGE_ACQUIRE)
        return decide_suits(message->kind, terms, message->ask.bucket.tokens, answer);
    bool has_slots = terms->allowance->slots > 0;
    if (!has_slots)
        *answer = (struct bucket_answer){.result = BUCKET_NO_LEASES, .limit = terms->limit};
    return has_slots;
}

/* Counts an answer to ALLOW or ACQUIRE. */
static inline void share_tally(struct brain *brain, const struct place *place,
                               const struct bucket_question *ask, struct demand demand,
                               struct bucket_answer *answer)
{
    decide_count(brain, place, ask, answer, bucket_answer_allows(answer));
    events_allowed(brain, place, ask, demand, answer);
}

/* Describes and counts an ALLOW or ACQUIRE of which it is known what becomes of it. share: NULL if there is
 * none; behind: tokens of those who wait before it. */
void share_finish(struct brain *brain, const struct place *place, const struct share *share,
                  struct message *message, uint64_t behind, struct share_fate fate);

/* The same if there is no room for a share. */
void share_refuse_for_room(struct brain *brain, const struct place *place, struct message *message);

/* Describes what was done, or could not be, whatever the hand holds. */
void share_finish_done(const struct brain *brain, const struct place *place,
                       const struct share *share, struct message *message,
                       enum bucket_result result);
