#include "base/form.h"
#include "http/fault_text.h"
#include "http/request_parts.h"

#include <assert.h>
#include <stdio.h>

#define NUMBER_LENGTH_MAX 20

static void parse_key(struct request *request, const char *value, size_t len)
{
    size_t key_len = 0;
    enum key_fault fault = KEY_TOO_LONG;
    switch (form_decode(value, len, true, request->key, KEY_MAX, &key_len)) {
    case FORM_BAD_ESCAPE:
        request_refuse(request, 400, "key: " BAD_ESCAPE);
        return;
    case FORM_TOO_LONG:
        break;
    case FORM_OK:
        fault = key_check(request->key, key_len);
        break;
    }
    if (fault != KEY_OK) {
        request_refuse(request, 400, "%s", fault_text_key(fault));
        return;
    }
    request->message.ask.bucket.key = request->key;
    request->message.ask.bucket.key_len = key_len;
}

static void parse_tokens(struct request *request, const char *value, size_t len)
{
    char number[NUMBER_LENGTH_MAX + 1], quoted[sizeof(struct shown) + 2];
    size_t number_len = 0;
    enum quantity result = QUANTITY_MALFORMED;
    if (form_decode(value, len, true, number, NUMBER_LENGTH_MAX, &number_len) == FORM_OK)
        result = quantity_parse_number(number, number_len, 0, TOKENS_MAX,
                                       &request->message.ask.bucket.tokens);
    if (result == QUANTITY_OK)
        return;
    snprintf(quoted, sizeof quoted, "\"%s\"", show(value, len).text);
    request_refuse(request, 400, FAULT_TOKENS, quoted, (uint64_t)TOKENS_MAX);
}

static void parse_limit(struct request *request, const char *value, size_t len)
{
    struct bucket_question *ask = &request->message.ask.bucket;
    if (form_decode(value, len, true, request->limit_name, LIMIT_NAME_MAX, &ask->limit_name_len) ==
            FORM_OK &&
        limit_name_is_valid(request->limit_name, ask->limit_name_len))
        ask->limit_name = request->limit_name;
    else
        request_refuse(request, 400, FAULT_LIMIT_NAME, show(value, len).text);
}

/* By the number of the PARAMETER_ bit. */
static void (*const parsers[])(struct request *, const char *value, size_t len) = {
    parse_key,          parse_tokens,        parse_limit,          request_parse_prefix,
    request_parse_sort, request_parse_count, request_parse_cursor,
};
static_assert(PARAMETER_KEY == 1 << 0 && PARAMETER_TOKENS == 1 << 1 && PARAMETER_LIMIT == 1 << 2 &&
                  PARAMETER_PREFIX == 1 << 3 && PARAMETER_SORT == 1 << 4 &&
                  PARAMETER_COUNT == 1 << 5 && PARAMETER_CURSOR == 1 << 6,
              "they are in the order of the bits");

static void parse_parameter(struct request *request, const struct form_pair *pair)
{
    char name[16];
    size_t name_len = 0;
    unsigned bit = 0;
    if (form_decode(pair->name, pair->name_len, true, name, sizeof name - 1, &name_len) == FORM_OK)
        bit = parameter_parse(name, name_len);
    if ((bit & request->route->parameters) == 0) {
        request_refuse(request, 400, "unknown parameter \"%s\"; %s takes %s",
                       show(pair->name, pair->name_len).text, request->route->path,
                       request->route->takes);
        return;
    }
    if ((bit & request->seen) != 0) {
        request_refuse(request, 400, "parameter \"%s\" is there twice; give it once", name);
        return;
    }
    request->seen |= bit;
    parsers[__builtin_ctz(bit)](request, pair->value, pair->value_len);
}

void request_parse_form(struct request *request, const char *form, size_t len)
{
    struct form_pair pair;
    while (request->fault_status == 0 && form_next(&form, &len, &pair))
        parse_parameter(request, &pair);
}
