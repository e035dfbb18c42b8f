#include "ask/explain_json.h"

#include "ask/answer_json.h"
#include "ask/event_json.h"
#include "ask/explain_text.h"
#include "base/date.h"
#include "base/quantity.h"

#include <stdlib.h>
#include <string.h>

static void write_string(struct text *text, const char *string)
{
    text_json(text, string, strlen(string));
}

static void write_bool(struct text *text, bool is_so)
{
    text_string(text, is_so ? "true" : "false");
}

/* ---- the limit ---- */

static const char *word_of(enum explanation_why why)
{
    switch (why) {
    case EXPLANATION_NAMED:
        return "named";
    case EXPLANATION_MATCH:
        return "match";
    case EXPLANATION_DEFAULT:
        break;
    }
    return "default";
}

static void write_limits(struct text *text, const struct explanation *explanation)
{
    const struct limits *limits = explanation->answer->limits;
    text_literal(text, ",\"limits\":[");
    for (uint32_t i = 0; i < limits->count; i++) {
        const struct limit *limit = &limits->limit[i];
        text_string(text, i == 0 ? "{\"name\":" : ",{\"name\":");
        text_string(text, limit->quoted_name);
        text_literal(text, ",\"match\":");
        if (limit->match[0] == '\0')
            text_literal(text, "null");
        else
            write_string(text, limit->match);
        text_literal(text, ",\"matches\":");
        write_bool(text, explanation_matches(explanation, limit));
        text_literal(text, ",\"decides\":");
        write_bool(text, i == explanation->limit);
        text_literal(text, "}");
    }
    text_literal(text, "]");
}

/* ---- overrides ---- */

static const char *word_of_state(enum explanation_state state)
{
    switch (state) {
    case EXPLANATION_HOLDS:
        return "holds";
    case EXPLANATION_ENDED:
        return "ended";
    case EXPLANATION_BEHIND:
        break;
    }
    return "behind";
}

static void write_override(struct text *text, const struct explanation *explanation,
                           const struct override *override)
{
    char until[DATE_TEXT_MAX];
    text_literal(text, "{\"override\":");
    text_string(text, override->quoted_key);
    text_literal(text, ",\"kind\":\"");
    text_string(text, explanation_kind(explanation, override));
    text_literal(text, "\",\"state\":\"");
    text_string(text, word_of_state(explanation_state_of(explanation, override)));
    text_literal(text, "\",\"action\":\"");
    text_string(text, explanation_action(override->action));
    text_literal(text, "\"");
    if (override->until_s != OVERRIDE_FOR_EVER) {
        date_print(override->until_s, until);
        text_literal(text, ",\"until\":");
        write_string(text, until);
    }
    if (override->reason != NULL) {
        text_literal(text, ",\"reason\":");
        write_string(text, override->reason);
    }
    text_literal(text, ",\"runtime\":");
    write_bool(text, override->is_runtime);
    text_literal(text, "}");
}

static void write_overrides(struct text *text, const struct explanation *explanation)
{
    text_literal(text, ",\"overrides\":[");
    for (uint32_t i = 0; i < explanation->overrides_shown; i++) {
        if (i > 0)
            text_literal(text, ",");
        write_override(text, explanation, explanation->overrides[i]);
    }
    text_literal(text, "],\"overrides_for_key\":");
    text_number(text, explanation->overrides_count);
    text_literal(text, ",\"overrides_of_limit\":");
    text_number(text, explanation->overrides_of_limit);
}

/* ---- buckets ---- */

static void write_terms(struct text *text, const struct bucket_terms *terms)
{
    char rate[QUANTITY_TEXT_MAX];
    text_literal(text, "{\"name\":");
    if (terms->name[0] == '\0')
        text_literal(text, "null");
    else
        write_string(text, terms->name);
    if (terms->holds_slots) {
        text_literal(text, ",\"concurrent\":");
        text_number(text, terms->burst);
        return;
    }
    quantity_print_rate(&terms->rate, rate);
    text_literal(text, ",\"burst\":");
    text_number(text, terms->burst);
    text_literal(text, ",\"rate\":");
    write_string(text, rate);
    text_literal(text, ",\"debt_max\":");
    text_number(text, terms->debt_max);
}

static void write_buckets(struct text *text, const struct bucket_answer *now)
{
    text_literal(text, ",\"buckets\":[");
    for (uint32_t i = 0; i < now->allowance->count; i++) {
        const struct bucket_state *state = &now->buckets[i];
        if (i > 0)
            text_literal(text, ",");
        write_terms(text, &now->allowance->bucket[i]);
        reply_write_tokens(text, state->remaining_tokens, state->owed_tokens);
        text_literal(text, ",\"next_token_after_ms\":");
        reply_write_retry_after_ms(text, state->next_token_ms);
        reply_write_reset_after_ms(text, state->full_after_ms);
        text_literal(text, "}");
    }
    text_literal(text, "]");
}

/* ---- who is before it ---- */

static void write_queue(struct text *text, const struct explain_queue *queue)
{
    text_literal(text, ",\"waiting\":{\"requests\":");
    text_number(text, queue->waiting);
    text_literal(text, ",\"promised\":");
    text_number(text, queue->promised_tokens);
    text_literal(text, ",\"promised_slots\":");
    text_number(text, queue->promised_slots);
    text_literal(text, ",\"last_after_ms\":");
    reply_write_retry_after_ms(text, queue->last_after_ms);
    text_literal(text, "}");
}

static void write_leases(struct text *text, const struct explain_leases *leases)
{
    text_literal(text, ",\"leases\":{\"held\":");
    text_number(text, leases->held);
    text_literal(text, ",\"slots\":");
    text_number(text, leases->slots);
    text_literal(text, ",\"end_after_ms\":");
    reply_write_retry_after_ms(text, leases->end_after_ms);
    text_literal(text, "}");
}

/* ---- the rest ---- */

static void write_next(struct text *text, const struct explanation *explanation)
{
    const struct explain_answer *answer = explanation->answer;
    text_literal(text, ",\"call\":\"");
    text_string(text, answer->kind == MESSAGE_ACQUIRE ? "/acquire" : "/allow");
    text_literal(text, "\",\"next\":");
    reply_write_verdict(text, explanation->ask, &answer->next, bucket_answer_allows(&answer->next));
}

static void write_events(struct text *text, const struct explain_answer *answer)
{
    const char *at = answer->events;
    text_literal(text, ",\"events\":[");
    for (uint32_t i = 0; i < answer->events_count; i++) {
        struct event event;
        at += event_unpack(at, &event);
        if (i > 0)
            text_literal(text, ",");
        event_json_write(text, &event, answer->boot);
    }
    text_literal(text, "],\"events_looked_at\":");
    text_number(text, answer->events_looked);
}

static void write_lines(struct text *text, const char *lines)
{
    const char *separator = "[";
    for (const char *end; (end = strchr(lines, '\n')) != NULL; lines = end + 1) {
        text_string(text, separator);
        text_json(text, lines, (size_t)(end - lines));
        separator = ",";
    }
    text_literal(text, "]");
}

static void write_sentences(struct text *text, const struct explanation *explanation)
{
    struct text sentences = text_begin_growing();
    size_t len;
    explain_text_write(&sentences, explanation);
    char *lines = text_take(&sentences, &len);
    if (lines == NULL) {
        text->is_short = true;
        return;
    }
    text_literal(text, ",\"sentences\":");
    write_lines(text, lines);
    free(lines);
}

void explain_json_write(struct text *text, const struct explanation *explanation)
{
    const struct explain_answer *answer = explanation->answer;
    const struct bucket_answer *now = &answer->now;
    text_literal(text, "{\"key\":");
    text_json(text, explanation->ask->key, explanation->ask->key_len);
    text_literal(text, ",\"limit\":");
    text_string(text, now->limit->quoted_name);
    text_literal(text, ",\"why\":\"");
    text_string(text, word_of(explanation->why));
    text_literal(text, "\",\"shadow\":");
    write_bool(text, now->limit->shadow);
    write_sentences(text, explanation);
    write_limits(text, explanation);
    text_literal(text, ",\"override\":");
    text_string(text, now->override == NULL ? "null" : now->override->quoted_key);
    write_overrides(text, explanation);
    write_buckets(text, now);
    write_queue(text, &answer->queue);
    write_leases(text, &answer->leases);
    write_next(text, explanation);
    write_events(text, answer);
    text_literal(text, "}");
}
