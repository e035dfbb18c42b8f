#include "ask/explain_text.h"

#include "base/date.h"
#include "base/quantity.h"
#include "base/quote.h"

#include <string.h>

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

/* ---- words ---- */

static void write_quoted(struct text *text, const char *string, size_t len)
{
    text_literal(text, "\"");
    while (len > 0) {
        struct quoted quoted;
        quote_next(QUOTE_FOR_LINES, string, len, &quoted);
        text_bytes(text, quoted.bytes, quoted.len);
        string += quoted.taken;
        len -= quoted.taken;
    }
    text_literal(text, "\"");
}

static void write_name(struct text *text, const char *name)
{
    write_quoted(text, name, strlen(name));
}

/* "1 token", "2 tokens". */
static void write_count(struct text *text, uint64_t count, const char *word)
{
    text_number(text, count);
    text_literal(text, " ");
    text_string(text, word);
    if (count != 1)
        text_literal(text, "s");
}

/* "850 ms", "12.4 s", "3 min 20 s", "2 h 5 min", "9 d 3 h": rounded up. */
static void write_duration(struct text *text, uint64_t ms)
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {
        {MS_PER_DAY, " d"}, {3600 * MS_PER_S, " h"}, {60 * MS_PER_S, " min"}, {MS_PER_S, " s"}};
    enum { COUNT = sizeof units / sizeof units[0] };
    if (ms < MS_PER_S) {
        text_number(text, ms);
        text_literal(text, " ms");
        return;
    }
    size_t unit = 0;
    while (unit < COUNT - 1 && ms < units[unit].ms)
        unit++;
    if (unit == COUNT - 1) {
        uint64_t tenths = (ms + 99) / 100;
        text_number(text, tenths / 10);
        if (tenths % 10 != 0) {
            text_literal(text, ".");
            text_number(text, tenths % 10);
        }
        text_string(text, units[unit].name);
        return;
    }
    uint64_t lesser = ms / units[unit + 1].ms + (ms % units[unit + 1].ms != 0);
    uint64_t ratio = units[unit].ms / units[unit + 1].ms;
    text_number(text, lesser / ratio);
    text_string(text, units[unit].name);
    if (lesser % ratio == 0)
        return;
    text_literal(text, " ");
    text_number(text, lesser % ratio);
    text_string(text, units[unit + 1].name);
}

static void write_date(struct text *text, int64_t time_s)
{
    char date[DATE_TEXT_MAX];
    date_print(time_s < LAST_SECOND ? time_s : LAST_SECOND, date);
    text_string(text, date);
}

/* ---- the limit ---- */

static void write_limit(struct text *text, const struct explanation *explanation)
{
    const struct limits *limits = explanation->answer->limits;
    const struct limit *limit = &limits->limit[explanation->limit];
    uint32_t matches = 0;
    for (uint32_t i = 0; i < limits->count; i++)
        matches += limits->limit[i].match[0] != '\0';
    text_literal(text, "Key ");
    write_quoted(text, explanation->ask->key, explanation->ask->key_len);
    text_literal(text, " is counted under limit ");
    write_name(text, limit->name);
    switch (explanation->why) {
    case EXPLANATION_NAMED:
        text_literal(text, ", which was asked for by its name; without that it would be ");
        if (explanation->limit_if_unnamed == explanation->limit)
            text_literal(text, "counted there too");
        else
            write_name(text, limits->limit[explanation->limit_if_unnamed].name);
        break;
    case EXPLANATION_MATCH:
        text_literal(text, ": its match ");
        write_name(text, limit->match);
        text_string(text, explanation->limit == 0 ? " matches it, and stands first"
                                                  : " is the first that matches it");
        break;
    case EXPLANATION_DEFAULT:
        if (matches == 0)
            text_literal(text, ", because no other limit has a match");
        else if (matches == 1)
            text_literal(text,
                         ", because the match of the only limit that has one does not match it");
        else {
            text_literal(text, ", because none of the ");
            text_number(text, matches);
            text_literal(text, " matches of the other limits matches it");
        }
        break;
    }
    text_literal(text, ".\n");
    if (limit->shadow)
        text_literal(text, "The limit is on trial: it counts, but everybody is allowed.\n");
}

/* ---- overrides ---- */

static void write_until(struct text *text, const struct override *override)
{
    if (override->until_s == OVERRIDE_FOR_EVER)
        return;
    text_literal(text, " until ");
    write_date(text, override->until_s);
}

static const char *what_it_does(enum override_action action)
{
    switch (action) {
    case OVERRIDE_TERMS:
        return "has buckets of its own";
    case OVERRIDE_ALLOW:
        return "always allows";
    case OVERRIDE_DENY:
        break;
    }
    return "always denies";
}

static void write_origin(struct text *text, const struct override *override)
{
    if (override->is_runtime)
        text_literal(text, ", and was set by a request");
    if (override->reason != NULL) {
        text_literal(text, "; the reason given is ");
        write_name(text, override->reason);
    }
}

static void write_override(struct text *text, const struct explanation *explanation,
                           const struct override *override)
{
    switch (explanation_state_of(explanation, override)) {
    case EXPLANATION_HOLDS:
        text_literal(text, "Override ");
        write_name(text, override->key);
        text_literal(text, " holds");
        write_until(text, override);
        text_literal(text, ": it ");
        text_string(text, what_it_does(override->action));
        write_origin(text, override);
        break;
    case EXPLANATION_ENDED:
        text_literal(text, "Override ");
        write_name(text, override->key);
        text_literal(text, " has ended");
        text_literal(text, ", at ");
        write_date(text, override->until_s);
        break;
    case EXPLANATION_BEHIND:
        text_literal(text, "Override ");
        write_name(text, override->key);
        text_literal(text, " would do as well, but the other one goes before it");
        break;
    }
    text_literal(text, ".\n");
}

static void write_overrides(struct text *text, const struct explanation *explanation)
{
    uint32_t all = explanation->overrides_of_limit;
    if (explanation->overrides_count == 0 && all > 0) {
        text_literal(text, "None of the limit's ");
        write_count(text, all, "override");
        text_literal(text, " is for it.\n");
    }
    for (uint32_t i = 0; i < explanation->overrides_shown; i++)
        write_override(text, explanation, explanation->overrides[i]);
    uint32_t more = explanation->overrides_count - explanation->overrides_shown;
    if (more > 0) {
        text_string(text, more == 1 ? "There is " : "There are ");
        write_count(text, more, "more override");
        text_string(text, more == 1 ? " for it, which goes behind these.\n"
                                    : " for it, which go behind these.\n");
    }
}

/* ---- buckets ---- */

static void write_bucket_name(struct text *text, const struct bucket_terms *terms)
{
    if (terms->name[0] == '\0') {
        text_literal(text, "Its bucket");
        return;
    }
    text_literal(text, "Its bucket ");
    write_name(text, terms->name);
}

static void write_slots(struct text *text, const struct bucket_terms *terms,
                        const struct bucket_state *state)
{
    write_bucket_name(text, terms);
    text_literal(text, " has ");
    text_number(text, state->remaining_tokens);
    text_literal(text, " of ");
    write_count(text, terms->burst, "slot");
    text_literal(text, " free.\n");
}

static void write_tokens(struct text *text, const struct bucket_terms *terms,
                         const struct bucket_state *state)
{
    char rate[QUANTITY_TEXT_MAX];
    quantity_print_rate(&terms->rate, rate);
    write_bucket_name(text, terms);
    if (state->owed_tokens > 0) {
        text_literal(text, " owes ");
        write_count(text, state->owed_tokens, "token");
        text_literal(text, ", has a burst of ");
        text_number(text, terms->burst);
    } else {
        text_literal(text, " holds ");
        text_number(text, state->remaining_tokens);
        text_literal(text, " of ");
        write_count(text, terms->burst, "token");
    }
    text_literal(text, " and refills at ");
    text_string(text, rate);
    if (state->full_after_ms == 0) {
        text_literal(text, ": it is full");
    } else if (state->next_token_ms != RETRY_NEVER && state->full_after_ms != RETRY_NEVER) {
        text_literal(text, ": the next token is there in ");
        write_duration(text, state->next_token_ms);
        text_literal(text, ", all in ");
        write_duration(text, state->full_after_ms);
    }
    text_literal(text, ".\n");
}

/* Where an override allows or denies, what they hold does not matter. */
static void write_buckets(struct text *text, const struct bucket_answer *now)
{
    if (now->override != NULL && now->override->action != OVERRIDE_TERMS)
        return;
    for (uint32_t i = 0; i < now->allowance->count; i++) {
        const struct bucket_terms *terms = &now->allowance->bucket[i];
        if (terms->holds_slots)
            write_slots(text, terms, &now->buckets[i]);
        else
            write_tokens(text, terms, &now->buckets[i]);
    }
}

/* ---- who is before it ---- */

static void write_queue(struct text *text, const struct explain_queue *queue)
{
    if (queue->waiting == 0)
        return;
    write_count(text, queue->waiting, "request");
    text_string(text, queue->waiting == 1 ? " waits for it" : " wait for it");
    if (queue->promised_tokens > 0) {
        text_literal(text, ", with ");
        write_count(text, queue->promised_tokens, "token");
        text_literal(text, " promised");
    }
    if (queue->last_after_ms == RETRY_NEVER) {
        text_literal(text, "; nobody can say until when, because slots are waited for");
    } else {
        text_literal(text, "; the last is let go in ");
        write_duration(text, queue->last_after_ms);
    }
    text_literal(text, ".\n");
}

static void write_leases(struct text *text, const struct explain_leases *leases)
{
    if (leases->held == 0)
        return;
    write_count(text, leases->held, "lease");
    text_string(text, leases->held == 1 ? " of it is held, with " : " of it are held, with ");
    write_count(text, leases->slots, "slot");
    if (leases->end_after_ms != RETRY_NEVER) {
        text_literal(text, "; the first ends in ");
        write_duration(text, leases->end_after_ms);
        text_literal(text, " unless it is renewed or released");
    }
    text_literal(text, ".\n");
}

/* ---- what the next one would get ---- */

static void write_next_subject(struct text *text, const struct explanation *explanation)
{
    const struct explain_answer *answer = explanation->answer;
    bool has_tokens = answer->next.allowance->burst > 0;
    text_string(text, answer->kind == MESSAGE_ACQUIRE ? "An /acquire" : "A request");
    text_literal(text, " for ");
    if (has_tokens)
        write_count(text, explanation->ask->tokens, "token");
    if (answer->kind == MESSAGE_ACQUIRE)
        text_string(text, has_tokens ? " and 1 slot" : "1 slot");
}

static void write_retry(struct text *text, uint64_t retry_after_ms)
{
    if (retry_after_ms == RETRY_NEVER)
        return;
    text_literal(text, "; the same would be allowed in ");
    write_duration(text, retry_after_ms);
}

/* What is lacking, and where. */
static void write_lack(struct text *text, const struct explanation *explanation)
{
    const struct bucket_answer *next = &explanation->answer->next;
    uint32_t waiting = explanation->answer->queue.waiting, i = 0;
    text_literal(text, "because ");
    if (waiting > 0) {
        text_string(text, waiting == 1 ? "another one waits" : "others wait");
        text_literal(text, " before it");
        return;
    }
    while (i + 1 < next->allowance->count && !next->buckets[i].violated)
        i++;
    const struct bucket_terms *terms = &next->allowance->bucket[i];
    if (next->buckets[i].owed_tokens > 0) {
        text_literal(text, "the bucket owes ");
        write_count(text, next->buckets[i].owed_tokens, "token");
    } else if (next->buckets[i].remaining_tokens == 0) {
        text_string(text, terms->holds_slots ? "no slot is free" : "there is no token");
    } else {
        text_literal(text, "there ");
        text_string(text, next->buckets[i].remaining_tokens == 1 ? "is only " : "are only ");
        write_count(text, next->buckets[i].remaining_tokens, terms->holds_slots ? "slot" : "token");
    }
    if (terms->name[0] != '\0') {
        text_literal(text, " in ");
        write_name(text, terms->name);
    }
}

/* It would be decided without the fleet's store. */
static void write_apart(struct text *text, const struct bucket_answer *next)
{
    if (bucket_result_allows(next->result)) {
        text_literal(text,
                     "would be allowed without the fleet's store, as cold or on_partition says");
        return;
    }
    text_literal(text,
                 "would be denied, because there is no token in hand, and the fleet's store has "
                 "not answered");
    write_retry(text, next->retry_after_ms);
}

static void write_why(struct text *text, const struct explanation *explanation)
{
    const struct bucket_answer *next = &explanation->answer->next;
    if (next->is_apart) {
        write_apart(text, next);
        return;
    }
    switch (next->result) {
    case BUCKET_ALLOWED:
        text_literal(text, "would be allowed");
        if (next->allowance->burst > 0 && explanation->ask->tokens > 0) {
            text_literal(text, ", and leave ");
            write_count(text, next->remaining_tokens, "token");
        }
        return;
    case BUCKET_ALWAYS:
        text_literal(text, "would be allowed and take nothing, because the override allows");
        return;
    case BUCKET_UNCOUNTED:
        text_literal(text, "would be allowed and not be counted, because there are as many keys as "
                           "max_keys lets there be");
        return;
    case BUCKET_DENIED:
        text_literal(text, "would be denied, ");
        write_lack(text, explanation);
        write_retry(text, next->retry_after_ms);
        if (explanation->answer->kind == MESSAGE_ACQUIRE)
            text_literal(text, ", or as soon as a lease is released");
        return;
    case BUCKET_EXCEEDS_BURST:
        text_literal(text,
                     "would be denied at any time, because it is more than a full bucket holds");
        return;
    case BUCKET_NEVER:
        text_literal(text, "would be denied, because the override denies");
        write_retry(text, next->retry_after_ms);
        return;
    case BUCKET_TABLE_FULL:
        text_literal(text, "would be denied, because there are as many keys as max_keys lets there "
                           "be, and no room can be made");
        return;
    case BUCKET_TOO_MANY_LEASES:
        text_literal(text, "would be denied, because as many leases are held as max_leases lets "
                           "there be");
        return;
    case BUCKET_HELD_BACK:
    case BUCKET_WAIT_OVER:
    case BUCKET_TOO_MANY_WAITING:
    case BUCKET_LEFT:
    case BUCKET_NEEDS_LEASE:
    case BUCKET_SLOTS_ONLY:
    case BUCKET_NO_LEASES:
    case BUCKET_ONCE_DIFFERS:
    case BUCKET_ONCE_WAITS:
    case BUCKET_NO_SUCH_LIMIT:
        break;
    }
    text_literal(
        text, "would be denied"); /* these are of questions that wait, or are none of this kind */
}

static void write_next(struct text *text, const struct explanation *explanation)
{
    const struct bucket_answer *next = &explanation->answer->next;
    write_next_subject(text, explanation);
    text_literal(text, " ");
    write_why(text, explanation);
    if (next->limit->shadow && !bucket_result_allows(next->result) && bucket_answer_allows(next))
        text_literal(text, "; as the limit is on trial, it is allowed all the same");
    text_literal(text, ".\n");
}

/* ---- what has happened ---- */

static void write_events(struct text *text, const struct explain_answer *answer)
{
    struct event newest;
    if (!answer->events_are_kept)
        return;
    if (answer->events_count == 0) {
        text_literal(text, "The events that are kept tell nothing of it.\n");
        return;
    }
    event_unpack(answer->events, &newest);
    text_string(text, answer->events_count == EXPLAIN_EVENTS_MAX ? "There are " : "There ");
    if (answer->events_count < EXPLAIN_EVENTS_MAX)
        text_string(text, answer->events_count == 1 ? "is " : "are ");
    write_count(text, answer->events_count, "event");
    text_string(text, answer->events_count == EXPLAIN_EVENTS_MAX ? " of it, or more" : " of it");
    text_literal(text, "; the last is ");
    write_name(text, event_rows[newest.kind].word);
    text_literal(text, " at ");
    write_date(text, (int64_t)(newest.time_ms / MS_PER_S));
    text_literal(text, ".\n");
}

void explain_text_write(struct text *text, const struct explanation *explanation)
{
    const struct explain_answer *answer = explanation->answer;
    write_limit(text, explanation);
    write_overrides(text, explanation);
    write_buckets(text, &answer->now);
    write_queue(text, &answer->queue);
    write_leases(text, &answer->leases);
    write_next(text, explanation);
    write_events(text, answer);
}
