/* What is to follow draft-ietf-httpapi-ratelimit-headers-11, by the editors' copy of August 2026:
 *
 *   RateLimit-Policy: "NAME";q=BURST;w=WINDOW, ...
 *   RateLimit: "NAME";a=REMAINING;w=SECONDS;c=TOKENS, ...
 *
 * w is the time within which no more than that is available: until there is one token more, and if
 * the bucket is full, as long as one token takes. It is left out if there never will be more, and of
 * slots. c is what the request costs; what asks for no tokens has none. */
#include "http/dialects/table.h"
#include "http/headers.h"

#include <assert.h>

/* Where nothing is counted, nothing is charged. */
static uint64_t cost_tokens(const struct message *message)
{
    enum bucket_result result = message->answer.bucket.result;
    bool is_free = result == BUCKET_ALWAYS || result == BUCKET_UNCOUNTED;
    return is_free ? 0 : message->ask.bucket.tokens;
}

static void write_window(struct text *value, const struct bucket_state *state, struct rate rate)
{
    if (state->next_token_ms == RETRY_NEVER)
        return;
    bool is_full = state->next_token_ms == 0;
    text_literal(value, ";w=");
    text_number(value,
                is_full ? limit_window_s(1, rate) : headers_ceil_seconds(state->next_token_ms));
}

static_assert(BUCKETS_MAX * (POLICY_NAME_MAX + sizeof ", ;a=;w=;c=" + 3 * REPLY_NUMBER_MAX) + 1 <=
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
        text_string(&value, allowance->policy_name[i]);
        text_literal(&value, ";a=");
        text_number(&value, answer->buckets[i].remaining_tokens);
        write_window(&value, &answer->buckets[i], allowance->bucket[i].rate);
        if (message->kind == MESSAGE_ALLOW) {
            text_literal(&value, ";c=");
            text_number(&value, cost_tokens(message));
        }
    }
    reply_add_field(reply, "RateLimit-Policy", allowance->policy);
    reply_end_value(reply, "RateLimit", &value);
}

const struct dialect dialect_ietf_acw = {.add = add};
