#include "http/headers.h"

uint64_t headers_ceil_seconds(uint64_t ms)
{
    return ms / MS_PER_S + (ms % MS_PER_S != 0);
}

uint32_t headers_nearest_to_empty(const struct bucket_answer *answer)
{
    uint32_t nearest = 0;
    for (uint32_t i = 1; i < answer->allowance->count; i++)
        if (answer->buckets[i].remaining_tokens < answer->buckets[nearest].remaining_tokens)
            nearest = i;
    return nearest;
}

uint64_t headers_reset_ms(const struct bucket_state *bucket)
{
    return bucket->next_token_ms > bucket->full_after_ms ? bucket->next_token_ms
                                                         : bucket->full_after_ms;
}

void reply_add_retry_after(struct reply *reply, uint64_t retry_after_ms)
{
    if (retry_after_ms == RETRY_NEVER)
        return;
    uint64_t seconds = headers_ceil_seconds(retry_after_ms);
    if (seconds > RETRY_AFTER_MAX_S)
        seconds = RETRY_AFTER_MAX_S;
    reply_add_number(reply, "Retry-After", seconds == 0 ? 1 : seconds);
}
