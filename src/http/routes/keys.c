/* /keys: which keys are tracked, with how many tokens left, or which are denied most? */
#include "ask/answer_json.h"
#include "ask/fault_text.h"
#include "base/form.h"
#include "base/quantity.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/routes/table.h"

#include <assert.h>
#include <string.h>

/* ---- the question ---- */

enum { WORD_MAX = 20, CURSOR_DIGITS = 16, COUNT_DEFAULT = 100 };

static const char *const sort_names[] = {
    [KEYS_BY_REMAINING] = "remaining",
    [KEYS_BY_DENIED] = "denied",
};

static void begin(struct request *request)
{
    request->own.keys.cursor = KEYS_CURSOR_BEGIN;
    request->own.keys.ask = (struct keys_question){.count = COUNT_DEFAULT};
}

static void parse_sort(struct request *request, const char *value, size_t len)
{
    char word[WORD_MAX];
    size_t word_len = 0;
    if (form_decode(value, len, true, word, sizeof word - 1, &word_len) == FORM_OK)
        for (size_t i = KEYS_BY_REMAINING; i <= KEYS_BY_DENIED; i++)
            if (strlen(sort_names[i]) == word_len && memcmp(word, sort_names[i], word_len) == 0) {
                request->own.keys.ask.sort = (enum keys_sort)i;
                return;
            }
    request_refuse(request, 400, "sort is \"%s\"; give remaining or denied, or leave it out",
                   show(value, len).text);
}

static void parse_count(struct request *request, const char *value, size_t len)
{
    char number[WORD_MAX];
    size_t number_len = 0;
    uint64_t count;
    if (form_decode(value, len, true, number, sizeof number - 1, &number_len) == FORM_OK &&
        quantity_parse_number(number, number_len, 1, KEYS_COUNT_MAX, &count) == QUANTITY_OK)
        request->own.keys.ask.count = (uint32_t)count;
    else
        request_refuse(request, 400,
                       "count is \"%s\"; give a whole number from 1 to 1000, in digits only",
                       show(value, len).text);
}
static_assert(KEYS_COUNT_MAX == 1000, "the text says so");

/* Reads what write_cursor has written. Whether it gave this cursor out, the brain says. */
static void parse_cursor(struct request *request, const char *value, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t cursor = 0;
    bool is_one = len == CURSOR_DIGITS;
    for (size_t i = 0; i < len && is_one; i++) {
        const char *digit = memchr(digits, value[i], sizeof digits - 1);
        is_one = digit != NULL;
        if (is_one)
            cursor = cursor << 4 | (uint64_t)(digit - digits);
    }
    if (is_one && cursor != KEYS_CURSOR_BEGIN)
        request->own.keys.cursor = cursor;
    else
        request_refuse(request, 400, FAULT_CURSOR);
}

static void ask(struct request *request)
{
    struct message *message = &request->message;
    struct keys_question *keys = &request->own.keys.ask;
    if (keys->sort == KEYS_BY_DENIED && request->own.keys.cursor != KEYS_CURSOR_BEGIN) {
        request_refuse(request, 400,
                       "sort=denied takes no cursor, because one answer holds all; leave it out");
        return;
    }
    struct keys_answer *answer = request_take_room(request, keys_answer_bytes(keys->count));
    if (answer == NULL)
        return;
    keys_answer_begin(answer, request->own.keys.cursor);
    keys->prefix = request->key;
    keys->prefix_len = request->prefix_len;
    keys->limit_name = message->ask.bucket.limit_name;
    keys->limit_name_len = message->ask.bucket.limit_name_len;
    message->kind = MESSAGE_KEYS;
    message->ask.keys = keys;
    message->answer.keys = answer;
}

static bool asks_again(const struct request *request)
{
    return request->room != NULL && keys_wants_more(&request->own.keys.ask, request->room);
}

/* ---- the reply ---- */

static void write_key(struct text *body, const struct keys_entry *entry)
{
    text_literal(body, "{\"key\":");
    text_json(body, entry->key, entry->key_len);
    text_literal(body, ",\"limit\":");
    text_json(body, entry->limit_name, strlen(entry->limit_name));
    reply_write_level(body, entry->remaining_tokens, entry->owed_tokens, entry->burst);
    reply_write_reset_after_ms(body, entry->full_after_ms);
    text_literal(body, ",\"active\":");
    text_string(body, entry->active ? "true" : "false");
    text_literal(body, ",\"leases\":");
    text_number(body, entry->leases);
    text_literal(body, ",\"slots\":");
    text_number(body, entry->slots);
    text_literal(body, ",\"denied\":");
    text_number(body, entry->denied);
    text_literal(body, ",\"denied_error\":");
    text_number(body, entry->denied_error);
    if (entry->shadow)
        text_literal(body, ",\"shadow\":true");
    text_literal(body, "}");
}

static void write_cursor(struct text *body, const struct keys_answer *answer)
{
    static const char hex[] = "0123456789abcdef";
    if (answer->result == KEYS_ENDED) {
        text_literal(body, "null");
        return;
    }
    text_literal(body, "\"");
    for (int shift = 60; shift >= 0; shift -= 4)
        text_bytes(body, &hex[answer->cursor >> shift & 15], 1);
    text_literal(body, "\"");
}

static void reply_found(struct reply *reply, const struct keys_answer *answer)
{
    struct text body = text_begin_growing();
    text_literal(&body, "{\"keys\":[");
    for (uint32_t i = 0; i < answer->found; i++) {
        if (i > 0)
            text_literal(&body, ",");
        write_key(&body, &answer->entry[answer->order[i]]);
    }
    text_literal(&body, "],\"cursor\":");
    write_cursor(&body, answer);
    text_literal(&body, ",\"looked_at\":");
    text_number(&body, answer->looked_at);
    text_literal(&body, ",\"tracked\":");
    text_number(&body, answer->tracked);
    text_literal(&body, ",\"denied_over_ms\":");
    text_number(&body, answer->denied_over_ms);
    text_literal(&body, "}\n");
    reply_take_body(reply, 200, reply_type_json, &body, 503, "out of memory; try again");
}

static void reply(struct request *request, const struct serving *serving)
{
    struct keys_answer *answer = request->message.answer.keys;
    (void)serving;
    if (answer->result == KEYS_BAD_CURSOR) {
        request_refuse(request, 400, FAULT_CURSOR);
    } else if (answer->result == KEYS_NO_SUCH_LIMIT) {
        request_refuse(request, 400, FAULT_NO_SUCH_LIMIT,
                       show(request->limit_name, strlen(request->limit_name)).text);
    } else {
        keys_arrange(&request->own.keys.ask, answer);
        reply_found(&request->reply, answer);
        return;
    }
    request_reply_fault(request);
}

/* ---- the route ---- */

/* The cost of one look at the table. */
static size_t cost(const struct request *request)
{
    (void)request;
    return ROUTE_COST_TURN / 4;
}

static const struct parameter parameter_sort = {.name = "sort", .parse = parse_sort};
static const struct parameter parameter_count = {.name = "count", .parse = parse_count};
static const struct parameter parameter_cursor = {.name = "cursor", .parse = parse_cursor};

static const struct parameter *const parameters[] = {&parameter_prefix, &parameter_limit,
                                                     &parameter_sort,   &parameter_count,
                                                     &parameter_cursor, NULL};

const struct route route_keys = {
    .path = "/keys",
    .methods = METHOD_GET | METHOD_HEAD,
    .allow = "GET, HEAD",
    .parameters = parameters,
    .is_admin = true,
    .cost = cost,
    .begin = begin,
    .ask = ask,
    .asks_again = asks_again,
    .reply = reply,
};
