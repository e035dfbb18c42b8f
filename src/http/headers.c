#include "http/headers.h"

uint64_t headers_ceil_seconds(uint64_t ms)
{
    return ms / MS_PER_S + (ms % MS_PER_S != 0);
}

uint32_t headers_nearest_to_empty(const struct bucket_answer *answer)
{
    uint32_t nearest = 0;
    for (uint32_t i = 1; i < answer->allowance->count; i++) {
        const struct bucket_state *one = &answer->buckets[i], *other = &answer->buckets[nearest];
        if (one->remaining_tokens < other->remaining_tokens ||
            (one->remaining_tokens == other->remaining_tokens &&
             one->owed_tokens > other->owed_tokens))
            nearest = i;
    }
    return nearest;
}

uint64_t headers_reset_ms(const struct bucket_state *bucket)
{
    return bucket->next_token_ms > bucket->full_after_ms ? bucket->next_token_ms
                                                         : bucket->full_after_ms;
}

/* A time of 1 or more is at most RETRY_AFTER_MAX_S. */
static uint64_t bounded(uint64_t time, uint64_t per_second)
{
    uint64_t most = RETRY_AFTER_MAX_S * per_second;
    return time > most ? most : time;
}

uint64_t headers_retry_after_s(uint64_t retry_after_ms)
{
    return bounded(headers_ceil_seconds(retry_after_ms), 1);
}

uint64_t headers_retry_after_ms(uint64_t retry_after_ms)
{
    return bounded(retry_after_ms, MS_PER_S);
}

static uint64_t at_least_1(uint64_t time)
{
    return time == 0 ? 1 : time;
}

void reply_add_retry(struct reply *reply, uint64_t retry_after_ms, const struct serving *serving)
{
    if (retry_after_ms == RETRY_NEVER) {
        reply_add_field(reply, "X-Should-Retry", "false");
        return;
    }
    reply_add_number(reply, "Retry-After", at_least_1(headers_retry_after_s(retry_after_ms)));
    if (serving->retry_after_ms)
        reply_add_number(reply, "Retry-After-Ms",
                         at_least_1(headers_retry_after_ms(retry_after_ms)));
}
