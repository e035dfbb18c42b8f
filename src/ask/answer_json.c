#include "ask/answer_json.h"

#include <string.h>

/* What is between the quotes. */
static void write_key_text(struct text *body, const struct bucket_question *ask)
{
    if (ask->key_is_plain)
        text_bytes(body, ask->key, ask->key_len);
    else
        text_json_part(body, ask->key, ask->key_len);
}

static void write_key(struct text *body, const struct bucket_question *ask)
{
    text_literal(body, "\"key\":\"");
    write_key_text(body, ask);
    text_literal(body, "\"");
}

static void write_limit(struct text *body, const struct bucket_answer *answer)
{
    text_literal(body, ",\"limit\":");
    text_string(body, answer->limit->quoted_name);
}

/* "key":...,"limit":... */
static void write_names(struct text *body, const struct bucket_question *ask,
                        const struct bucket_answer *answer)
{
    write_key(body, ask);
    write_limit(body, answer);
}

static void write_remaining(struct text *body, uint64_t remaining_tokens)
{
    text_literal(body, ",\"remaining\":");
    text_number(body, remaining_tokens);
}

static void write_owed(struct text *body, uint64_t owed_tokens)
{
    text_literal(body, ",\"owed\":");
    text_number(body, owed_tokens);
}

static void write_burst(struct text *body, uint64_t burst)
{
    text_literal(body, ",\"burst\":");
    text_number(body, burst);
}

void reply_write_tokens(struct text *body, uint64_t remaining_tokens, uint64_t owed_tokens)
{
    write_remaining(body, remaining_tokens);
    write_owed(body, owed_tokens);
}

void reply_write_level(struct text *body, uint64_t remaining_tokens, uint64_t owed_tokens,
                       uint64_t burst)
{
    reply_write_tokens(body, remaining_tokens, owed_tokens);
    write_burst(body, burst);
}

/* The level of the bucket that an answer shows. */
static void write_shown_level(struct text *body, const struct bucket_answer *answer)
{
    reply_write_level(body, answer->remaining_tokens, answer->owed_tokens,
                      allowance_shown_burst(answer->allowance));
}

void reply_write_reset_after_ms(struct text *body, uint64_t full_after_ms)
{
    text_literal(body, ",\"reset_after_ms\":");
    reply_write_retry_after_ms(body, full_after_ms);
}

const char *reply_reason(enum bucket_result result)
{
    switch (result) {
    case BUCKET_EXCEEDS_BURST:
        return "exceeds_burst";
    case BUCKET_TABLE_FULL:
    case BUCKET_UNCOUNTED:
        return "table_full";
    case BUCKET_ALWAYS:
    case BUCKET_NEVER:
        return "override";
    case BUCKET_HELD_BACK:
        return "held_back";
    case BUCKET_WAIT_OVER:
        return "wait_over";
    case BUCKET_TOO_MANY_WAITING:
        return "too_many_waiting";
    case BUCKET_TOO_MANY_LEASES:
        return "too_many_leases";
    case BUCKET_ALLOWED:
    case BUCKET_DENIED:
    case BUCKET_LEFT:
    case BUCKET_NEEDS_LEASE:
    case BUCKET_SLOTS_ONLY:
    case BUCKET_NO_LEASES:
    case BUCKET_ONCE_DIFFERS:
    case BUCKET_ONCE_WAITS:
    case BUCKET_NO_SUCH_LIMIT:
        break;
    }
    return "";
}

const char *reply_reason_of(const struct bucket_answer *answer)
{
    return answer->is_apart ? "without_store" : reply_reason(answer->result);
}

static void write_reason(struct text *body, const struct bucket_answer *answer)
{
    const char *reason = reply_reason_of(answer);
    if (reason[0] == '\0')
        return;
    text_literal(body, ",\"reason\":\"");
    text_string(body, reason);
    text_literal(body, "\"");
}

/* "charged":...,"forgiven":... of `tokens` that were to be charged */
static void write_charged(struct text *body, uint64_t tokens, uint64_t charged_tokens)
{
    text_literal(body, ",\"charged\":");
    text_number(body, charged_tokens);
    text_literal(body, ",\"forgiven\":");
    text_number(body, tokens - charged_tokens);
}

/* Each bucket on its own, where there are several or they have names. charge: NULL but for CHARGE. */
static void write_buckets(struct text *body, const struct bucket_answer *answer,
                          const struct bucket_question *charge)
{
    const struct allowance *allowance = answer->allowance;
    if (allowance->count == 1 && allowance->bucket[0].name[0] == '\0')
        return;
    text_literal(body, ",\"buckets\":[");
    for (uint32_t i = 0; i < allowance->count; i++) {
        const struct bucket_terms *bucket = &allowance->bucket[i];
        const struct bucket_state *state = &answer->buckets[i];
        if (i > 0)
            text_literal(body, ",");
        text_literal(body, "{\"name\":");
        text_json(body, bucket->name, strlen(bucket->name));
        reply_write_level(body, state->remaining_tokens, state->owed_tokens, bucket->burst);
        reply_write_reset_after_ms(body, state->full_after_ms);
        if (charge != NULL && !bucket->holds_slots)
            write_charged(body, charge->tokens, state->charged_tokens);
        text_literal(body, "}");
    }
    text_literal(body, "]");
}

/* What is there only when it applies. */
static void write_extras(struct text *body, const struct bucket_answer *answer,
                         const struct bucket_question *charge)
{
    if (answer->override != NULL) {
        text_literal(body, ",\"override\":");
        text_string(body, answer->override->quoted_key);
    }
    write_buckets(body, answer, charge);
    if (answer->is_estimate)
        text_literal(body, ",\"estimate\":true");
    if (answer->limit->shadow)
        text_literal(body, ",\"shadow\":true");
}

/* What a limit on trial would have said, to a caller who is told `allowed`. */
static void write_would_allow(struct text *body, const struct bucket_answer *answer, bool allowed)
{
    if (bucket_result_allows(answer->result) || answer->result == BUCKET_HELD_BACK) {
        text_literal(body, ",\"would_allow\":true");
        return;
    }
    text_literal(body, ",\"would_allow\":false");
    if (answer->would_wait_ms > 0) {
        text_literal(body, ",\"would_wait_ms\":");
        text_number(body, answer->would_wait_ms);
    }
    if (allowed) {
        text_literal(body, ",\"violated-policies\":");
        reply_write_violated(body, answer);
    }
}

/* Where none is marked all are meant: an override denies, or the table is full. But
 * what was only held back has violated none. */
uint32_t reply_violated(const struct bucket_answer *answer, const char *names[BUCKETS_MAX])
{
    const struct allowance *allowance = answer->allowance;
    uint32_t count = 0;
    for (uint32_t i = 0; i < allowance->count; i++)
        if (answer->buckets[i].violated)
            names[count++] = allowance->policy_name[i];
    if (count > 0 || answer->result == BUCKET_HELD_BACK)
        return count;
    memcpy(names, allowance->policy_name, allowance->count * sizeof names[0]);
    return allowance->count;
}

void reply_write_violated(struct text *body, const struct bucket_answer *answer)
{
    const char *names[BUCKETS_MAX];
    uint32_t count = reply_violated(answer, names);
    text_literal(body, "[");
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0)
            text_literal(body, ",");
        text_string(body, names[i]);
    }
    text_literal(body, "]");
}

void reply_write_retry_after_ms(struct text *body, uint64_t retry_after_ms)
{
    if (retry_after_ms == RETRY_NEVER)
        text_literal(body, "null");
    else
        text_number(body, retry_after_ms);
}

void reply_write_allow(struct text *body, const struct bucket_question *ask,
                       const struct bucket_answer *answer, bool allowed)
{
    write_names(body, ask, answer);
    text_literal(body, ",\"tokens\":");
    text_number(body, ask->tokens);
    write_shown_level(body, answer);
    text_literal(body, ",\"retry_after_ms\":");
    reply_write_retry_after_ms(body, allowed ? 0 : answer->retry_after_ms);
    reply_write_reset_after_ms(body, answer->full_after_ms);
    if (answer->has_waited) {
        text_literal(body, ",\"waited_ms\":");
        text_number(body, answer->waited_ms);
    }
    write_reason(body, answer);
    write_extras(body, answer, NULL);
    if (answer->limit->shadow)
        write_would_allow(body, answer, allowed);
}

void reply_write_verdict(struct text *body, const struct bucket_question *ask,
                         const struct bucket_answer *answer, bool allowed)
{
    if (allowed) {
        text_literal(body, "{\"allowed\":true,");
    } else {
        text_literal(body, "{\"allowed\":false,\"violated-policies\":");
        reply_write_violated(body, answer);
        text_literal(body, ",");
    }
    reply_write_allow(body, ask, answer, allowed);
    text_literal(body, "}");
}

/* ---- verdicts of a list, one after the other ---- */

/* Whether an answer to ALLOW, if it is told as a yes, has nothing to say but names and numbers. */
static bool says_numbers_only(const struct bucket_answer *answer)
{
    const struct allowance *allowance = answer->allowance;
    return answer->result == BUCKET_ALLOWED && answer->override == NULL && !answer->is_estimate &&
           !answer->is_apart && !answer->has_waited && !answer->limit->shadow &&
           allowance->count == 1 && allowance->bucket[0].name[0] == '\0';
}

static bool is_in_words(const struct answer_words *words, const struct bucket_question *ask,
                        const struct bucket_answer *answer)
{
    return words->limit == answer->limit && words->tokens == ask->tokens &&
           words->owed_tokens == answer->owed_tokens;
}

/* Writes the words of an answer that says numbers only. */
static void put_in_words(struct answer_words *words, const struct bucket_question *ask,
                         const struct bucket_answer *answer)
{
    struct text before = text_begin(words->before, sizeof words->before);
    text_literal(&before, "\"");
    write_limit(&before, answer);
    text_literal(&before, ",\"tokens\":");
    text_number(&before, ask->tokens);
    text_literal(&before, ",\"remaining\":");
    struct text behind = text_begin(words->behind, sizeof words->behind);
    write_owed(&behind, answer->owed_tokens);
    write_burst(&behind, allowance_shown_burst(answer->allowance));
    text_literal(&behind, ",\"retry_after_ms\":0,\"reset_after_ms\":");
    words->before_len = text_end(&before);
    words->behind_len = text_end(&behind);
    words->limit = answer->limit;
    words->tokens = ask->tokens;
    words->owed_tokens = answer->owed_tokens;
    words->written_len = 0;
}

static bool is_written(const struct answer_words *words, const struct bucket_answer *answer)
{
    return words->written_len > 0 && words->remaining_tokens == answer->remaining_tokens &&
           words->full_after_ms == answer->full_after_ms;
}

void reply_write_next_verdict(struct text *body, const struct bucket_question *ask,
                              const struct bucket_answer *answer, bool allowed,
                              struct answer_words *words)
{
    if (!allowed || !says_numbers_only(answer)) {
        reply_write_verdict(body, ask, answer, allowed);
        return;
    }
    if (!is_in_words(words, ask, answer))
        put_in_words(words, ask, answer);
    text_literal(body, "{\"allowed\":true,\"key\":\"");
    write_key_text(body, ask);
    if (is_written(words, answer)) {
        text_bytes(body, body->start + words->written_at, words->written_len);
        return;
    }
    words->written_at = (size_t)(body->at - body->start);
    text_bytes(body, words->before, words->before_len);
    text_number(body, answer->remaining_tokens);
    text_bytes(body, words->behind, words->behind_len);
    reply_write_retry_after_ms(body, answer->full_after_ms);
    text_literal(body, "}");
    words->written_len = (size_t)(body->at - body->start) - words->written_at;
    words->remaining_tokens = answer->remaining_tokens;
    words->full_after_ms = answer->full_after_ms;
}

/* From "remaining" to "active". */
static void write_state(struct text *body, const struct bucket_answer *answer)
{
    write_shown_level(body, answer);
    reply_write_reset_after_ms(body, answer->full_after_ms);
    text_literal(body, ",\"active\":");
    text_string(body, answer->active ? "true" : "false");
}

void reply_write_charge(struct text *body, const struct bucket_question *ask,
                        const struct bucket_answer *answer)
{
    text_literal(body, "{");
    write_names(body, ask, answer);
    text_literal(body, ",\"tokens\":");
    text_number(body, ask->tokens);
    write_charged(body, ask->tokens, answer->charged_tokens);
    write_state(body, answer);
    write_reason(body, answer);
    write_extras(body, answer, ask);
    text_literal(body, "}");
}

void reply_write_status(struct text *body, const struct bucket_question *ask,
                        const struct bucket_answer *answer)
{
    write_names(body, ask, answer);
    write_state(body, answer);
    write_extras(body, answer, NULL);
}
