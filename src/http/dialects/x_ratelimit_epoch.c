/* X-RateLimit-Limit, -Remaining and -Reset, which is a Unix time in seconds, as GitHub has it. */
#include "http/dialects/table.h"
#include "http/headers.h"

/* The Unix time after so many milliseconds, in seconds, rounded up. */
static uint64_t date_after(uint64_t wall_ns, uint64_t ms)
{
    uint64_t rest_ns = wall_ns % NS_PER_S + ms % MS_PER_S * NS_PER_MS;
    return wall_ns / NS_PER_S + ms / MS_PER_S + (rest_ns + NS_PER_S - 1) / NS_PER_S;
}

static void add(struct reply *reply, const struct message *message, const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    uint32_t told = headers_nearest_to_empty(answer);
    uint64_t reset_ms = headers_reset_ms(&answer->buckets[told]);
    reply_add_number(reply, "X-RateLimit-Limit", answer->allowance->bucket[told].burst);
    reply_add_number(reply, "X-RateLimit-Remaining", answer->buckets[told].remaining_tokens);
    if (reset_ms != RETRY_NEVER)
        reply_add_number(reply, "X-RateLimit-Reset", date_after(serving->wall_ns, reset_ms));
}

const struct dialect dialect_x_ratelimit_epoch = {.tells_date = true, .add = add};
