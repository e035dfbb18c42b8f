/* draft-ietf-httpapi-ratelimit-headers-08 to -11:
 *
 *   RateLimit-Policy: "NAME";q=BURST;w=WINDOW, ...
 *   RateLimit: "NAME";r=REMAINING;t=SECONDS, ...
 *
 * t is the time until there is one token more. It is left out if there never will be, and
 * of slots, which have no window either: "NAME";q=SLOTS;qu="concurrent-requests". */
#include "http/dialects/table.h"
#include "http/headers.h"

#include <assert.h>

static void write_item(struct text *value, const char *policy_name,
                       const struct bucket_state *bucket)
{
    text_string(value, policy_name);
    text_literal(value, ";r=");
    text_number(value, bucket->remaining_tokens);
    if (bucket->next_token_ms == RETRY_NEVER)
        return;
    text_literal(value, ";t=");
    text_number(value, headers_ceil_seconds(bucket->next_token_ms));
}

static_assert(BUCKETS_MAX * (POLICY_NAME_MAX + sizeof ", ;r=;t=" + 2 * REPLY_NUMBER_MAX) + 1 <=
                  REPLY_DIALECT_VALUES_MAX,
              "the longest RateLimit fits");

static void add(struct reply *reply, const struct message *message, const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    const struct allowance *allowance = answer->allowance;
    (void)serving;
    struct text value = reply_begin_value(reply);
    for (uint32_t i = 0; i < allowance->count; i++) {
        if (i > 0)
            text_literal(&value, ", ");
        write_item(&value, allowance->policy_name[i], &answer->buckets[i]);
    }
    reply_add_field(reply, "RateLimit-Policy", allowance->policy);
    reply_end_value(reply, "RateLimit", &value);
}

const struct dialect dialect_ietf = {.add = add};
