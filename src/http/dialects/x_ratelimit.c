/* X-RateLimit-Limit, -Remaining and -Reset, which is in seconds from now. */
#include "http/dialects/table.h"
#include "http/headers.h"

static void add(struct reply *reply, const struct message *message, const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    (void)serving;
    uint32_t told = headers_nearest_to_empty(answer);
    uint64_t reset_ms = headers_reset_ms(&answer->buckets[told]);
    reply_add_number(reply, "X-RateLimit-Limit", answer->allowance->bucket[told].burst);
    reply_add_number(reply, "X-RateLimit-Remaining", answer->buckets[told].remaining_tokens);
    if (reset_ms != RETRY_NEVER)
        reply_add_number(reply, "X-RateLimit-Reset", headers_ceil_seconds(reset_ms));
}

const struct dialect dialect_x_ratelimit = {.add = add};
