#include "brain/shares.h"

#include "brain/decide.h"

bool shares_answer(struct brain *brain, const struct place *place, struct message *message)
{
    struct bucket_answer *answer = &message->answer.bucket;
    const struct limit *limit = &brain->limits->limit[place->limit];
    const struct allowance *allowance = decide_allowance(brain, place);
    if (message->kind == MESSAGE_ACQUIRE) {
        *answer = (struct bucket_answer){.result = BUCKET_NO_LEASES, .limit = limit};
        return true;
    }
    *answer = (struct bucket_answer){
        .result = message->kind == MESSAGE_ALLOW && message->ask.bucket.tokens > 0 ? BUCKET_DENIED
                                                                                   : BUCKET_ALLOWED,
        .limit = limit,
        .override = place->override < 0 ? NULL : &limit->overrides[place->override],
        .allowance = allowance,
        .retry_after_ms = 1000,
        .full_after_ms = 1000,
        .active = true,
        .is_estimate = true,
    };
    if (message->kind == MESSAGE_ALLOW)
        decide_count(brain, place, &message->ask.bucket, answer, bucket_answer_allows(answer));
    return true;
}

bool shares_leave(struct brain *brain, struct message *message)
{
    (void)brain;
    (void)message;
    return false;
}

void shares_take(struct brain *brain, struct orders *orders)
{
    (void)brain;
    (void)orders;
}

void shares_advance(struct brain *brain)
{
    (void)brain;
}

struct letter *shares_orders(struct brain *brain)
{
    (void)brain;
    return NULL;
}

bool shares_end(struct brain *brain, struct message *message)
{
    (void)brain;
    (void)message;
    return true;
}

void shares_release(struct brain *brain)
{
    (void)brain;
}

void shares_before_change(struct brain *brain)
{
    (void)brain;
}

void shares_after_change(struct brain *brain)
{
    (void)brain;
}
