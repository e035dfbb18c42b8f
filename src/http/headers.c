#include "http/headers.h"

#include "base/text.h"

#include <assert.h>

#define NUMBER_MAX ((size_t)20) /* digits */

static uint64_t ceil_seconds(uint64_t ms)
{
    return ms / MS_PER_S + (ms % MS_PER_S != 0);
}

static void add_field(struct reply *reply, const char *name, const char *value)
{
    assert(reply->fields_count < REPLY_FIELDS_MAX);
    reply->fields[reply->fields_count++] = (struct reply_field){name, value};
}

static struct text begin_value(struct reply *reply)
{
    return text_begin(reply->values + reply->values_len, sizeof reply->values - reply->values_len);
}

static void end_value(struct reply *reply, const char *name, struct text *value)
{
    reply->values_len += text_end(value) + 1;
    add_field(reply, name, value->start);
}

static void add_number(struct reply *reply, const char *name, uint64_t number)
{
    struct text value = begin_value(reply);
    text_number(&value, number);
    end_value(reply, name, &value);
}

/* "NAME";r=REMAINING;t=SECONDS, ..., without t where there never will be more
 * (draft-ietf-httpapi-ratelimit-headers-08 to -11) */
static void add_ietf(struct reply *reply, const struct bucket_answer *answer)
{
    struct text value = begin_value(reply);
    for (uint32_t i = 0; i < answer->allowance->count; i++) {
        if (i > 0)
            text_literal(&value, ", ");
        text_string(&value, answer->allowance->policy_name[i]);
        text_literal(&value, ";r=");
        text_number(&value, answer->buckets[i].remaining_tokens);
        if (answer->buckets[i].next_token_ms != RETRY_NEVER) {
            text_literal(&value, ";t=");
            text_number(&value, ceil_seconds(answer->buckets[i].next_token_ms));
        }
    }
    add_field(reply, "RateLimit-Policy", answer->allowance->policy);
    end_value(reply, "RateLimit", &value);
}

static_assert(BUCKETS_MAX * (POLICY_NAME_MAX + sizeof ", ;r=;t=" + 2 * NUMBER_MAX) + NUMBER_MAX +
                      1 <=
                  REPLY_VALUES_MAX,
              "the longest RateLimit fits, and Retry-After");

/* The older dialects know one bucket only. They are told the one that holds fewest tokens. */
static uint32_t nearest_to_empty(const struct bucket_answer *answer)
{
    uint32_t nearest = 0;
    for (uint32_t i = 1; i < answer->allowance->count; i++)
        if (answer->buckets[i].remaining_tokens < answer->buckets[nearest].remaining_tokens)
            nearest = i;
    return nearest;
}

/* "BURST, BURST;w=SECONDS, ...": the limit in force, then one for each bucket. */
static void add_limit_03(struct reply *reply, const struct allowance *allowance, uint32_t nearest)
{
    struct text value = begin_value(reply);
    text_number(&value, allowance->bucket[nearest].burst);
    for (uint32_t i = 0; i < allowance->count; i++) {
        const struct bucket_terms *bucket = &allowance->bucket[i];
        text_literal(&value, ", ");
        text_number(&value, bucket->burst);
        text_literal(&value, ";w=");
        text_number(&value, limit_window_s(bucket->burst, bucket->rate));
    }
    end_value(reply, "RateLimit-Limit", &value);
}

static_assert(BUCKETS_MAX * (sizeof ", ;w=" + 2 * NUMBER_MAX) + 4 * (NUMBER_MAX + 1) <=
                  REPLY_VALUES_MAX,
              "so do those of the draft's third version");

/* The reset time of the older dialects is the time until the bucket is full. If an override denies
 * all, it is the time until that ends; if it never ends, the field is left out. */
static void add_reset(struct reply *reply, const char *name, const struct bucket_state *bucket)
{
    uint64_t ms = bucket->full_after_ms;
    if (bucket->next_token_ms > ms)
        ms = bucket->next_token_ms;
    if (ms != RETRY_NEVER)
        add_number(reply, name, ceil_seconds(ms));
}

static void add_draft_03(struct reply *reply, const struct bucket_answer *answer)
{
    uint32_t nearest = nearest_to_empty(answer);
    const struct bucket_state *bucket = &answer->buckets[nearest];
    add_limit_03(reply, answer->allowance, nearest);
    add_number(reply, "RateLimit-Remaining", bucket->remaining_tokens);
    add_reset(reply, "RateLimit-Reset", bucket);
}

static void add_x_ratelimit(struct reply *reply, const struct bucket_answer *answer)
{
    uint32_t nearest = nearest_to_empty(answer);
    const struct bucket_state *bucket = &answer->buckets[nearest];
    add_number(reply, "X-RateLimit-Limit", answer->allowance->bucket[nearest].burst);
    add_number(reply, "X-RateLimit-Remaining", bucket->remaining_tokens);
    add_reset(reply, "X-RateLimit-Reset", bucket);
}

void reply_add_rate_limit(struct reply *reply, const struct bucket_answer *answer,
                          enum headers_dialect dialect)
{
    switch (dialect) {
    case HEADERS_IETF:
        add_ietf(reply, answer);
        break;
    case HEADERS_DRAFT_03:
        add_draft_03(reply, answer);
        break;
    case HEADERS_X_RATELIMIT:
        add_x_ratelimit(reply, answer);
        break;
    case HEADERS_NONE:
        break;
    }
}

void reply_add_retry_after(struct reply *reply, uint64_t retry_after_ms)
{
    if (retry_after_ms == RETRY_NEVER)
        return;
    uint64_t seconds = ceil_seconds(retry_after_ms);
    if (seconds > RETRY_AFTER_MAX_S)
        seconds = RETRY_AFTER_MAX_S;
    add_number(reply, "Retry-After", seconds == 0 ? 1 : seconds);
}
