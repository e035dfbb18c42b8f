#include "base/form.h"
#include "base/quantity.h"
#include "http/fault_text.h"
#include "http/reply_keys.h"
#include "http/request_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 20, CURSOR_DIGITS = 16, COUNT_DEFAULT = 100 };

static const char *const sort_names[] = {
    [KEYS_BY_REMAINING] = "remaining",
    [KEYS_BY_DENIED] = "denied",
};

void request_begin_keys(struct request *request)
{
    request->keys = NULL;
    request->keys_cursor = KEYS_CURSOR_BEGIN;
    request->keys_ask = (struct keys_question){.prefix = "", .count = COUNT_DEFAULT};
}

/* The bytes of a prefix are kept where a key's would be. */
void request_parse_prefix(struct request *request, const char *value, size_t len)
{
    size_t prefix_len = 0;
    enum key_fault fault = KEY_TOO_LONG;
    switch (form_decode(value, len, true, request->key, KEY_MAX, &prefix_len)) {
    case FORM_BAD_ESCAPE:
        request_refuse(request, 400, "prefix: " BAD_ESCAPE);
        return;
    case FORM_TOO_LONG:
        break;
    case FORM_OK:
        fault = prefix_len == 0 ? KEY_OK : key_check(request->key, prefix_len);
        break;
    }
    if (fault != KEY_OK)
        request_refuse(request, 400, "%s", fault_text_prefix(fault));
    request->keys_ask.prefix = request->key;
    request->keys_ask.prefix_len = prefix_len;
}

void request_parse_sort(struct request *request, const char *value, size_t len)
{
    char word[WORD_MAX];
    size_t word_len = 0;
    if (form_decode(value, len, true, word, sizeof word - 1, &word_len) == FORM_OK)
        for (size_t i = KEYS_BY_REMAINING; i <= KEYS_BY_DENIED; i++)
            if (strlen(sort_names[i]) == word_len && memcmp(word, sort_names[i], word_len) == 0) {
                request->keys_ask.sort = (enum keys_sort)i;
                return;
            }
    request_refuse(request, 400, "sort is \"%s\"; give remaining or denied, or leave it out",
                   show(value, len).text);
}

void request_parse_count(struct request *request, const char *value, size_t len)
{
    char number[WORD_MAX];
    size_t number_len = 0;
    uint64_t count;
    if (form_decode(value, len, true, number, sizeof number - 1, &number_len) == FORM_OK &&
        quantity_parse_number(number, number_len, 1, KEYS_COUNT_MAX, &count) == QUANTITY_OK)
        request->keys_ask.count = (uint32_t)count;
    else
        request_refuse(request, 400,
                       "count is \"%s\"; give a whole number from 1 to 1000, in digits only",
                       show(value, len).text);
}
static_assert(KEYS_COUNT_MAX == 1000, "the text says so");

/* As reply_keys writes it: the brain says whether it is one that it gave out. */
void request_parse_cursor(struct request *request, const char *value, size_t len)
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
        request->keys_cursor = cursor;
    else
        request_refuse(request, 400, FAULT_CURSOR);
}

void request_ask_keys(struct request *request)
{
    struct message *message = &request->message;
    struct keys_question *ask = &request->keys_ask;
    if (ask->sort == KEYS_BY_DENIED && request->keys_cursor != KEYS_CURSOR_BEGIN) {
        request_refuse(request, 400,
                       "sort=denied takes no cursor; all that is known is in one answer");
        return;
    }
    request->keys = malloc(keys_answer_bytes(ask->count));
    if (request->keys == NULL) {
        request_refuse(request, 503, "out of memory; try again");
        return;
    }
    keys_answer_begin(request->keys, request->keys_cursor);
    ask->limit_name = message->ask.bucket.limit_name;
    ask->limit_name_len = message->ask.bucket.limit_name_len;
    message->kind = MESSAGE_KEYS;
    message->ask.keys = ask;
    message->answer.keys = request->keys;
}

bool request_asks_again(const struct request *request)
{
    return request->keys != NULL && keys_wants_more(&request->keys_ask, request->keys);
}

/* A slow client keeps its reply for long, but not what that was made from. */
static void drop_answer(struct request *request)
{
    free(request->keys);
    request->keys = NULL;
}

void request_reply_keys(struct request *request)
{
    struct keys_answer *answer = request->keys;
    if (answer->result == KEYS_BAD_CURSOR) {
        request_refuse(request, 400, FAULT_CURSOR);
    } else if (answer->result == KEYS_NO_SUCH_LIMIT) {
        request_refuse(request, 400, FAULT_NO_SUCH_LIMIT,
                       show(request->limit_name, strlen(request->limit_name)).text);
    } else {
        keys_arrange(&request->keys_ask, answer);
        reply_keys(&request->reply, answer);
        request->reply_size = request->reply.body_len;
        drop_answer(request);
        return;
    }
    reply_problem(&request->reply, request->fault_status, request->detail);
}
