#include "brain/share_finish.h"

static void describe(const struct brain *brain, const struct place *place,
                     const struct share *share, const struct message *message, uint64_t behind,
                     struct share_fate fate, struct bucket_answer *answer)
{
    bool has_slots = message->kind == MESSAGE_ACQUIRE;
    uint64_t tokens = has_slots ? message->ask.acquire.slots : message->ask.bucket.tokens;
    share_describe(brain, place, share, (struct share_told){tokens, behind, fate}, answer);
}

void share_finish_done(const struct brain *brain, const struct place *place,
                       const struct share *share, struct message *message,
                       enum bucket_result result)
{
    struct bucket_answer *answer = &message->answer.bucket;
    describe(brain, place, share, message, 0, (struct share_fate){result, false}, answer);
}

void share_finish(struct brain *brain, const struct place *place, const struct share *share,
                  struct message *message, uint64_t behind, struct share_fate fate)
{
    const struct bucket_question *ask = &message->ask.bucket;
    const struct acquire_question *acquire = acquire_of(message->kind, ask);
    struct bucket_answer *answer = &message->answer.bucket;
    if (acquire != NULL)
        fate.result = decide_lease(brain, place, acquire, fate.result);
    describe(brain, place, share, message, behind, fate, answer);
    if (fate.result == BUCKET_LEFT)
        return;
    if (acquire != NULL)
        decide_describe_lease(brain, acquire, answer);
    share_tally(brain, place, ask, demand_by(message->kind, ask), answer);
    brain->counters.too_many_waiting += fate.result == BUCKET_TOO_MANY_WAITING;
}

void share_refuse_for_room(struct brain *brain, const struct place *place, struct message *message)
{
    bool allows = brain->when_full == WHEN_FULL_ALLOW;
    share_finish(brain, place, NULL, message, 0,
                 (struct share_fate){allows ? BUCKET_UNCOUNTED : BUCKET_TABLE_FULL, false});
}
