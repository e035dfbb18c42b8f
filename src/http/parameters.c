#include "http/parameters.h"

#include "ask/fault_text.h"
#include "base/form.h"
#include "base/text.h"
#include "http/question.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { QUANTITY_LENGTH_MAX = 22, PARAMETER_NAME_MAX = 15 };

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

/* It is kept in request->key. */
static void parse_prefix(struct request *request, const char *value, size_t len)
{
    enum key_fault fault = KEY_TOO_LONG;
    switch (form_decode(value, len, true, request->key, KEY_MAX, &request->prefix_len)) {
    case FORM_BAD_ESCAPE:
        request_refuse(request, 400, "prefix: " BAD_ESCAPE);
        return;
    case FORM_TOO_LONG:
        break;
    case FORM_OK:
        fault = request->prefix_len == 0 ? KEY_OK : key_check(request->key, request->prefix_len);
        break;
    }
    if (fault != KEY_OK)
        request_refuse(request, 400, "%s", fault_text_prefix(fault));
}

bool parameter_read(const char *value, size_t len, quantity_parser *parse, uint64_t min,
                    uint64_t max, uint64_t *quantity)
{
    char text[QUANTITY_LENGTH_MAX + 1];
    size_t text_len = 0;
    return form_decode(value, len, true, text, QUANTITY_LENGTH_MAX, &text_len) == FORM_OK &&
           parse(text, text_len, min, max, quantity) == QUANTITY_OK;
}

static void parse_tokens(struct request *request, const char *value, size_t len)
{
    char quoted[sizeof(struct shown) + 2];
    if (parameter_read(value, len, quantity_parse_number, 0, TOKENS_MAX,
                       &request->message.ask.bucket.tokens))
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

static void parse_deny_status(struct request *request, const char *value, size_t len)
{
    uint64_t status = 0;
    if (parameter_read(value, len, quantity_parse_number, 200, CHECK_DENY_STATUS_MAX, &status) &&
        (status == 200 || status >= CHECK_DENY_STATUS_MIN))
        request->deny_status = (unsigned)status;
    else
        request_refuse(request, 400, "deny_status is \"%s\"; give 200, or %d to %d",
                       show(value, len).text, CHECK_DENY_STATUS_MIN, CHECK_DENY_STATUS_MAX);
}

static bool is_printable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~')
            return false;
    return true;
}

static void parse_once(struct request *request, const char *value, size_t len)
{
    struct once_question *once = &request->once;
    char token[ONCE_MAX + 1];
    size_t token_len = 0;
    if (form_decode(value, len, true, token, ONCE_MAX, &token_len) != FORM_OK || token_len == 0 ||
        !is_printable(token, token_len)) {
        request_refuse(request, 400,
                       "once is \"%s\"; give 1 to %d printable ASCII characters, other ones for "
                       "each new question",
                       show(value, len).text, ONCE_MAX);
        return;
    }
    memcpy(once->token, token, token_len);
    once->token_len = (uint8_t)token_len;
    request->message.once = once;
}

/* One that is longer than can be counted is longer than any may be. */
static void parse_wait(struct request *request, const char *value, size_t len)
{
    char duration[QUANTITY_LENGTH_MAX + 1];
    size_t duration_len = 0;
    uint64_t *wait_ms = &request->message.ask.bucket.wait_ms;
    enum quantity result = QUANTITY_MALFORMED;
    if (form_decode(value, len, true, duration, sizeof duration - 1, &duration_len) == FORM_OK)
        result = quantity_parse_duration(duration, duration_len, 0, UINT64_MAX, wait_ms);
    if (result == QUANTITY_OUT_OF_RANGE)
        *wait_ms = UINT64_MAX;
    else if (result == QUANTITY_MALFORMED)
        request_refuse(request, 400,
                       "wait is \"%s\"; give a whole number with its unit, such as 2s or 500ms",
                       show(value, len).text);
}

static void parse_mode(struct request *request, const char *value, size_t len)
{
    if (text_is(value, len, "each"))
        request->mode = LIST_MODE_EACH;
    else if (text_is(value, len, "all"))
        request->mode = LIST_MODE_ALL;
    else
        request_refuse(request, 400, "mode is \"%s\"; give each or all", show(value, len).text);
}

const struct parameter parameter_key = {.name = "key", .parse = parse_key};
const struct parameter parameter_prefix = {.name = "prefix", .parse = parse_prefix};
const struct parameter parameter_tokens = {.name = "tokens", .parse = parse_tokens};
const struct parameter parameter_limit = {.name = "limit", .parse = parse_limit};
const struct parameter parameter_deny_status = {
    .name = "deny_status",
    .parse = parse_deny_status,
    .suits_list = true,
};
const struct parameter parameter_mode = {
    .name = "mode",
    .parse = parse_mode,
    .suits_lines = true,
};
const struct parameter parameter_once = {.name = "once", .parse = parse_once};
const struct parameter parameter_wait = {.name = "wait", .parse = parse_wait};

/* The index of a name among the route's parameters; if it is not there, the index of the NULL. */
static unsigned find(const struct parameter *const *parameters, const char *name, size_t len)
{
    unsigned i = 0;
    while (parameters[i] != NULL && !text_is(name, len, parameters[i]->name))
        i++;
    return i;
}

enum { TAKES_MAX = 128 };

/* Writes the names of the parameters that a route takes, for a person. */
static void list(const struct parameter *const *parameters, char takes[TAKES_MAX])
{
    struct text text = text_begin(takes, TAKES_MAX);
    if (parameters[0] == NULL)
        text_literal(&text, "no parameters");
    for (unsigned i = 0; parameters[i] != NULL; i++) {
        if (i > 0)
            text_string(&text, parameters[i + 1] != NULL ? ", " : " and ");
        text_string(&text, parameters[i]->name);
    }
    text_end(&text);
}

/* Whether a parameter is a token for access, as others take it in a URL. */
static bool is_access_token(const struct request *request, const struct form_pair *pair)
{
    static const char *const names[] = {"token",   "access_token", "auth",    "authorization",
                                        "api_key", "apikey",       "api-key", "bearer"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (pair->name_len == strlen(names[i]) &&
            strncasecmp(pair->name, names[i], pair->name_len) == 0)
            return request->route->is_admin;
    return false;
}

static void refuse_unknown(struct request *request, const struct form_pair *pair,
                           const struct parameter *const *parameters)
{
    char takes[TAKES_MAX];
    list(parameters, takes);
    request_refuse(request, 400, "unknown parameter \"%s\"; %s takes %s%s",
                   show(pair->name, pair->name_len).text, request->route->path, takes,
                   is_access_token(request, pair)
                       ? "; the token of an admin goes into a header, Authorization: Bearer TOKEN, "
                         "because URLs and bodies are kept in logs"
                       : "");
}

static void parse_parameter(struct request *request, const struct form_pair *pair)
{
    static const struct parameter *const none[] = {NULL};
    const struct parameter *const *parameters =
        request->route->parameters != NULL ? request->route->parameters : none;
    char name[PARAMETER_NAME_MAX + 1];
    size_t name_len = 0;
    bool is_name = form_decode(pair->name, pair->name_len, true, name, PARAMETER_NAME_MAX,
                               &name_len) == FORM_OK;
    unsigned index = is_name ? find(parameters, name, name_len) : 0;
    if (!is_name || parameters[index] == NULL) {
        refuse_unknown(request, pair, parameters);
        return;
    }
    if ((request->seen & 1u << index) != 0) {
        request_refuse(request, 400, "parameter \"%s\" is there twice; give it once", name);
        return;
    }
    request->seen |= 1u << index;
    parameters[index]->parse(request, pair->value, pair->value_len);
}

static bool suits(const struct request *list, const struct parameter *parameter)
{
    return parameter->suits_list || (parameter->suits_lines && list->is_lines);
}

bool parameters_suit_list(const struct request *request)
{
    for (unsigned i = 0; request->seen >> i != 0; i++)
        if ((request->seen >> i & 1) != 0 && !suits(request, request->route->parameters[i]))
            return false;
    return true;
}

void parameters_parse(struct request *request, const char *form, size_t len)
{
    struct form_pair pair;
    while (request->fault_status == 0 && form_next(&form, &len, &pair))
        parse_parameter(request, &pair);
}
