/* draft-ietf-httpapi-ratelimit-headers-03:
 *
 *   RateLimit-Limit: BURST, BURST;w=SECONDS, ...
 *   RateLimit-Remaining: TOKENS
 *   RateLimit-Reset: SECONDS */
#include "http/dialects/table.h"
#include "http/headers.h"

#include <assert.h>

/* The burst of the bucket that is told, then the burst and the window of each. Slots have no window,
 * without which there is no policy in this draft. */
static void add_limit(struct reply *reply, const struct allowance *allowance, uint32_t told)
{
    struct text value = reply_begin_value(reply);
    text_number(&value, allowance->bucket[told].burst);
    for (uint32_t i = 0; i < allowance->count; i++) {
        const struct bucket_terms *bucket = &allowance->bucket[i];
        if (bucket->holds_slots)
            continue;
        text_literal(&value, ", ");
        text_number(&value, bucket->burst);
        text_literal(&value, ";w=");
        text_number(&value, limit_window_s(bucket->burst, bucket->rate));
    }
    reply_end_value(reply, "RateLimit-Limit", &value);
}

static_assert(BUCKETS_MAX * (sizeof ", ;w=" + 2 * REPLY_NUMBER_MAX) + 3 * (REPLY_NUMBER_MAX + 1) <=
                  REPLY_DIALECT_VALUES_MAX,
              "the longest fields fit");

static void add(struct reply *reply, const struct message *message, const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    (void)serving;
    uint32_t told = headers_nearest_to_empty(answer);
    uint64_t reset_ms = headers_reset_ms(&answer->buckets[told]);
    add_limit(reply, answer->allowance, told);
    reply_add_number(reply, "RateLimit-Remaining", answer->buckets[told].remaining_tokens);
    if (reset_ms != RETRY_NEVER)
        reply_add_number(reply, "RateLimit-Reset", headers_ceil_seconds(reset_ms));
}

const struct dialect dialect_draft_03 = {.add = add};
