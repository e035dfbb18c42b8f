#include "edge/request.h"

#include "edge/fault_text.h"
#include "edge/form.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FORM_TYPE "application/x-www-form-urlencoded"
#define JSON_TYPE "application/json"
#define NUMBER_LENGTH_MAX 20

/* Remembers the first fault only: the others may follow from it. */
__attribute__((format(printf, 3, 4))) static void refuse(struct request *request, unsigned status,
                                                         const char *format, ...)
{
    if (request->fault_status != 0)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(request->detail, sizeof request->detail, format, arguments);
    va_end(arguments);
    request->fault_status = status;
}

#define BAD_ESCAPE "a '%%' must be followed by two hexadecimal digits (write %%25 for '%%' itself)"

static void parse_key(struct request *request, const char *value, size_t len)
{
    size_t key_len = 0;
    enum key_fault fault = KEY_TOO_LONG;
    switch (form_decode(value, len, true, request->key, KEY_MAX, &key_len)) {
    case FORM_BAD_ESCAPE:
        refuse(request, 400, "key: " BAD_ESCAPE);
        return;
    case FORM_TOO_LONG:
        break;
    case FORM_OK:
        fault = key_check(request->key, key_len);
        break;
    }
    if (fault != KEY_OK) {
        refuse(request, 400, "%s", fault_text_key(fault));
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
    refuse(request, 400, FAULT_TOKENS, quoted, (uint64_t)TOKENS_MAX);
}

static void parse_limit(struct request *request, const char *value, size_t len)
{
    struct bucket_question *ask = &request->message.ask.bucket;
    if (form_decode(value, len, true, request->limit_name, LIMIT_NAME_MAX,
                    &ask->limit_name_len) == FORM_OK &&
        limit_name_is_valid(request->limit_name, ask->limit_name_len))
        ask->limit_name = request->limit_name;
    else
        refuse(request, 400, FAULT_LIMIT_NAME, show(value, len).text);
}

static void parse_parameter(struct request *request, const struct form_pair *pair)
{
    char name[16];
    size_t name_len = 0;
    unsigned bit = 0;
    if (form_decode(pair->name, pair->name_len, true, name, sizeof name - 1, &name_len) == FORM_OK)
        bit = parameter_parse(name, name_len);
    if ((bit & request->route->parameters) == 0) {
        refuse(request, 400, "unknown parameter \"%s\"; %s takes %s",
               show(pair->name, pair->name_len).text, request->route->path, request->route->takes);
        return;
    }
    if ((bit & request->seen) != 0) {
        refuse(request, 400, "parameter \"%s\" is there twice; give it once", name);
        return;
    }
    request->seen |= bit;
    if (bit == PARAMETER_KEY)
        parse_key(request, pair->value, pair->value_len);
    else if (bit == PARAMETER_TOKENS)
        parse_tokens(request, pair->value, pair->value_len);
    else
        parse_limit(request, pair->value, pair->value_len);
}

static void parse_form(struct request *request, const char *form, size_t len)
{
    struct form_pair pair;
    while (request->fault_status == 0 && form_next(&form, &len, &pair))
        parse_parameter(request, &pair);
}

/* Finds the route of a path; a path that cannot be one is a fault of its own. */
static void parse_path(struct request *request, const char *raw, size_t len)
{
    char path[64];
    size_t path_len = 0;
    if (len == 0 || raw[0] != '/') {
        refuse(request, 400, "the target must be a path that begins with '/', such as /allow?key=alice");
        return;
    }
    if (strncmp(raw, ROUTE_CHECK_PREFIX, strlen(ROUTE_CHECK_PREFIX)) == 0) {
        request->route = &route_check;
        return;
    }
    switch (form_decode(raw, len, false, path, sizeof path - 1, &path_len)) {
    case FORM_BAD_ESCAPE:
        refuse(request, 400, "path: " BAD_ESCAPE);
        return;
    case FORM_TOO_LONG:
        return;
    case FORM_OK:
        break;
    }
    request->route = route_find(path, path_len);
    if (request->route == NULL && key_check(path, path_len) != KEY_OK)
        refuse(request, 400, "the path is not UTF-8 free of control characters");
}

/* Whether a target is without what must be escaped in it (RFC 3986, 2; RFC 9112,
 * 3.2): all that is not visible ASCII, and '#', which would begin a fragment. */
static bool is_escaped(const char *target)
{
    for (; *target != '\0'; target++)
        if (*target <= ' ' || *target == 0x7f || *target == '#')
            return false;
    return true;
}

void request_begin(struct request *request, const char *target)
{
    request->stage = REQUEST_BEGUN;
    request->method = 0;
    request->route = NULL;
    request->seen = 0;
    request->fault_status = 0;
    request->body_len = 0;
    request->is_list = false;
    request->long_body = NULL;
    request->list_room = NULL;
    request->list.memory = NULL;
    request->message.ask.bucket = (struct bucket_question){.tokens = 1};
    request->target_len = strlen(target);
    request->target_parameters = 1;
    for (const char *at = target; (at = strchr(at, '&')) != NULL; at++)
        request->target_parameters++;

    if (!is_escaped(target)) {
        refuse(request, 400,
               "the target holds a space, a '#', a control character or a byte above 127; escape "
               "it as %%XX");
        return;
    }
    const char *query = memchr(target, '?', request->target_len);
    size_t path_len = query == NULL ? request->target_len : (size_t)(query - target);
    parse_path(request, target, path_len);
    if (request->route != NULL && request->route != &route_check && query != NULL)
        parse_form(request, query + 1, request->target_len - path_len - 1);
}

/* ---- checks ---- */

/* The check that a path names; *suffix: what follows its name. NULL: there is none. */
static const struct check *find_check(const struct contract *contract, const char *path,
                                      const char **suffix)
{
    char name[CHECK_NAME_MAX + 1];
    size_t name_len = 0;
    const char *raw = path + strlen(ROUTE_CHECK_PREFIX);
    size_t raw_len = strcspn(raw, "/");
    *suffix = raw + raw_len;
    if (form_decode(raw, raw_len, false, name, CHECK_NAME_MAX, &name_len) != FORM_OK)
        return NULL;
    return contract_find_check(contract, name, name_len);
}

void request_check(struct request *request, const struct contract *contract, const char *path,
                   struct check_request asked)
{
    const struct check *check = find_check(contract, path, &asked.suffix);
    if (check == NULL) {
        refuse(request, 404,
               "there is no such check; the configuration lists under checks those there are");
        return;
    }
    const struct check_terms *terms = check_terms(check);
    struct bucket_question *ask = &request->message.ask.bucket;
    request->check.deny_status = terms->deny_status;
    request->check.missing_allows = terms->missing_allows;
    request->check.is_missing = !check_key(check, &asked, request->key, &ask->key_len);
    ask->key = request->key;
    if (terms->limit != NULL) {
        strcpy(request->limit_name, terms->limit);
        ask->limit_name = request->limit_name;
        ask->limit_name_len = strlen(terms->limit);
    }
}

static void ask_check(struct request *request)
{
    struct message *message = &request->message;
    message->kind = request->check.is_missing ? MESSAGE_MISSING : MESSAGE_ALLOW;
    if (request->check.is_missing)
        message->ask.missing_allows = request->check.missing_allows;
}

/* ---- bodies ---- */

static bool is_type(const char *content_type, const char *type)
{
    size_t len = strlen(type);
    if (content_type == NULL || strncasecmp(content_type, type, len) != 0)
        return false;
    return content_type[len] == '\0' || strchr("; \t", content_type[len]) != NULL;
}

static bool may_be_list(const struct request *request, const char *content_type)
{
    return request->route != NULL && request->route->takes_list &&
           request->method == METHOD_POST && is_type(content_type, JSON_TYPE);
}

size_t request_body_max(const struct request *request, const char *content_type)
{
    bool may_be_long = request->route == &route_check || may_be_list(request, content_type);
    return may_be_long ? REQUEST_LONG_BODY_MAX : REQUEST_BODY_MAX;
}

bool request_expect_body(struct request *request, size_t len)
{
    if (len <= REQUEST_BODY_MAX || request->route == &route_check)
        return true;
    request->long_body = malloc(len);
    request->long_body_room = len;
    return request->long_body != NULL;
}

void request_add_body(struct request *request, const char *bytes, size_t len)
{
    if (request->route == &route_check)
        return;
    bool is_long = request->long_body != NULL;
    assert(len <= (is_long ? request->long_body_room : REQUEST_BODY_MAX) - request->body_len);
    memcpy((is_long ? request->long_body : request->body) + request->body_len, bytes, len);
    request->body_len += len;
}

static void parse_body(struct request *request, const char *content_type)
{
    if (request->method != METHOD_POST || request->body_len == 0)
        return;
    if (is_type(content_type, FORM_TYPE))
        parse_form(request, request->body, request->body_len);
    else
        refuse(request, 415, "the body must be a form: send Content-Type: " FORM_TYPE
                             ", or put the parameters into the query");
}

static void parse_list(struct request *request)
{
    const char *body = request->long_body != NULL ? request->long_body : request->body;
    char detail[REPLY_DETAIL_MAX];
    switch (batch_json_parse(body, request->body_len, &request->list, detail)) {
    case BATCH_JSON_OK:
        request->is_list = true;
        return;
    case BATCH_JSON_NO_BATCH:
        refuse(request, 415,
               "the body must be a form: send Content-Type: " FORM_TYPE
               "; or a batch: a JSON object with \"requests\"");
        return;
    case BATCH_JSON_BAD:
        refuse(request, 400, "%s", detail);
        return;
    case BATCH_JSON_NO_MEMORY:
        refuse(request, 503, "out of memory; try again, or send a smaller batch");
        return;
    }
}

/* The room for the reply is taken now: once the tokens are, it must not fail. */
static void ask_list(struct request *request)
{
    struct message *message = &request->message;
    parse_list(request);
    if (request->fault_status == 0 && request->seen != 0)
        refuse(request, 400, "a batch brings its own keys; leave the parameters out of the query");
    if (request->fault_status != 0)
        return;
    message->kind = request->route->with_key != MESSAGE_ALLOW ? MESSAGE_LIST
                    : request->list.all                       ? MESSAGE_ALL
                                                              : MESSAGE_EACH;
    message->ask.list = (struct list_question){request->list.calls, request->list.count};
    request->list_room = malloc(reply_list_room(&message->ask.list));
    if (request->list_room == NULL)
        refuse(request, 503, "out of memory; try again, or send a smaller batch");
}

/* ---- from the whole to a message, and back ---- */

static void choose_question(struct request *request)
{
    const struct route *route = request->route;
    if ((request->seen & PARAMETER_KEY) != 0)
        request->message.kind = route->with_key;
    else if (route->without_key < 0)
        refuse(request, 400, "key is missing; call %s?key=KEY", route->path);
    else if (request->seen != 0)
        refuse(request, 400, "limit needs a key; call %s?key=KEY&limit=NAME, or %s alone",
               route->path, route->path);
    else
        request->message.kind = (enum message_kind)route->without_key;
    if (request->message.kind == MESSAGE_DAEMON)
        request->message.answer.daemon = &request->daemon_answer;
}

/* A fault of the target itself comes first, then path, method, and parameters. */
static void make_message(struct request *request, const char *content_type)
{
    const struct route *route = request->route;
    if (route == NULL) {
        refuse(request, 404,
               "no such path; there are /allow, /reset, /refund and /status, and the checks below "
               "/check/");
    } else if (route == &route_check) {
        ask_check(request);
    } else if (may_be_list(request, content_type) && request->body_len > 0) {
        ask_list(request);
    } else if ((request->method & route->methods) == 0) {
        request->fault_status = 0;
        refuse(request, 405, "%s is called with %s", route->path, route->allow);
    } else {
        parse_body(request, content_type);
        if (request->fault_status == 0)
            choose_question(request);
    }
}

static void reply_fault(struct request *request)
{
    reply_problem(&request->reply, request->fault_status, request->detail);
}

bool request_finish(struct request *request, const char *content_type)
{
    make_message(request, content_type);
    if (request->fault_status == 0)
        return true;
    reply_fault(request);
    if (request->fault_status == 405)
        request->reply.allow = request->route->allow;
    return false;
}

static void reply_to_list(struct request *request)
{
    const struct message *message = &request->message;
    uint32_t missing = message->answer.list.no_such_limit;
    if (missing < message->ask.list.count) {
        refuse(request, 400, "requests[%u]: " FAULT_NO_SUCH_LIMIT, (unsigned)missing,
               show(message->ask.list.calls[missing].ask.limit_name,
                    message->ask.list.calls[missing].ask.limit_name_len)
                   .text);
        reply_fault(request);
        return;
    }
    reply_list(&request->reply, message, request->list_room);
    request->list_room = NULL; /* the reply's now */
}

static void reply_to_check(struct request *request, enum headers_dialect dialect)
{
    const struct message *message = &request->message;
    if (message->kind == MESSAGE_MISSING) {
        reply_check_missing(&request->reply, request->check.missing_allows,
                            request->check.deny_status);
    } else if (message->answer.bucket.result == BUCKET_NO_SUCH_LIMIT) {
        refuse(request, 503, "the check's limit is being taken away by a reload; try again");
        reply_fault(request);
    } else {
        reply_check(&request->reply, &message->answer.bucket, request->check.deny_status, dialect);
    }
}

void request_reply(struct request *request, enum headers_dialect dialect)
{
    const struct message *message = &request->message;
    if (request->route == &route_check) {
        reply_to_check(request, dialect);
    } else if (request->is_list) {
        reply_to_list(request);
    } else if (message->kind == MESSAGE_DAEMON) {
        reply_daemon(&request->reply, message->answer.daemon);
    } else if (message->answer.bucket.result == BUCKET_NO_SUCH_LIMIT) {
        refuse(request, 400, FAULT_NO_SUCH_LIMIT,
               show(request->limit_name, strlen(request->limit_name)).text);
        reply_fault(request);
    } else {
        reply_bucket(&request->reply, message, dialect);
    }
}

void request_release(struct request *request)
{
    free(request->long_body);
    free(request->list_room);
    batch_json_release(&request->list);
    request->long_body = request->list_room = NULL;
}
