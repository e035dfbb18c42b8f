#include "edge/request.h"

#include "edge/form.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define FORM_TYPE "application/x-www-form-urlencoded"
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

/* What a client sent, made fit to be shown: printable ASCII, at most 40 bytes. */
struct shown {
    char text[44];
};

static struct shown show(const char *bytes, size_t len)
{
    struct shown shown;
    size_t used = len < 40 ? len : 40;
    for (size_t i = 0; i < used; i++)
        shown.text[i] = bytes[i] >= ' ' && bytes[i] <= '~' ? bytes[i] : '?';
    strcpy(shown.text + used, used < len ? "..." : "");
    return shown;
}

#define BAD_ESCAPE "a '%%' must be followed by two hexadecimal digits (write %%25 for '%%' itself)"

#define KEY_TOO_LONG_DETAIL "key is longer than 255 bytes; use a shorter key, or a hash of it"

static void parse_key(struct request *request, const char *value, size_t len)
{
    size_t key_len = 0;
    switch (form_decode(value, len, true, request->key, KEY_MAX, &key_len)) {
    case FORM_BAD_ESCAPE:
        refuse(request, 400, "key: " BAD_ESCAPE);
        return;
    case FORM_TOO_LONG:
        refuse(request, 400, KEY_TOO_LONG_DETAIL);
        return;
    case FORM_OK:
        break;
    }
    switch (key_check(request->key, key_len)) {
    case KEY_OK:
        request->message.ask.bucket.key = request->key;
        request->message.ask.bucket.key_len = key_len;
        return;
    case KEY_EMPTY:
        refuse(request, 400, "key is empty; give 1 to 255 bytes of UTF-8");
        return;
    case KEY_TOO_LONG:
        refuse(request, 400, KEY_TOO_LONG_DETAIL);
        return;
    case KEY_NOT_UTF8:
        refuse(request, 400, "key is not valid UTF-8; encode it, as hex or base64 for instance");
        return;
    case KEY_HAS_CONTROL:
        refuse(request, 400, "key holds a control character; encode it, as hex for instance");
        return;
    }
}

static void parse_tokens(struct request *request, const char *value, size_t len)
{
    char number[NUMBER_LENGTH_MAX + 1];
    size_t number_len = 0;
    enum quantity result = QUANTITY_MALFORMED;
    if (form_decode(value, len, true, number, NUMBER_LENGTH_MAX, &number_len) == FORM_OK)
        result = quantity_parse_number(number, number_len, 0, TOKENS_MAX,
                                       &request->message.ask.bucket.tokens);
    if (result != QUANTITY_OK)
        refuse(request, 400, "tokens is \"%s\"; give a whole number from 0 to %ju, in digits only",
               show(value, len).text, (uintmax_t)TOKENS_MAX);
}

static void parse_limit(struct request *request, const char *value, size_t len)
{
    struct bucket_question *ask = &request->message.ask.bucket;
    if (form_decode(value, len, true, request->limit_name, LIMIT_NAME_MAX,
                    &ask->limit_name_len) == FORM_OK &&
        limit_name_is_valid(request->limit_name, ask->limit_name_len))
        ask->limit_name = request->limit_name;
    else
        refuse(request, 400, "there can be no limit named \"%s\"; GET /status lists the limits",
               show(value, len).text);
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
    if (request->route != NULL && query != NULL)
        parse_form(request, query + 1, request->target_len - path_len - 1);
}

void request_add_body(struct request *request, const char *bytes, size_t len)
{
    assert(len <= REQUEST_BODY_MAX - request->body_len);
    memcpy(request->body + request->body_len, bytes, len);
    request->body_len += len;
}

static bool is_form(const char *content_type)
{
    size_t len = strlen(FORM_TYPE);
    if (content_type == NULL || strncasecmp(content_type, FORM_TYPE, len) != 0)
        return false;
    return content_type[len] == '\0' || strchr("; \t", content_type[len]) != NULL;
}

static void parse_body(struct request *request, const char *content_type)
{
    if (request->method != METHOD_POST || request->body_len == 0)
        return;
    if (is_form(content_type))
        parse_form(request, request->body, request->body_len);
    else
        refuse(request, 415, "the body must be a form: send Content-Type: " FORM_TYPE
                             ", or put the parameters into the query");
}

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
bool request_finish(struct request *request, const char *content_type)
{
    const struct route *route = request->route;
    if (route == NULL) {
        refuse(request, 404, "no such path; there are /allow, /reset, /refund and /status");
    } else if ((request->method & route->methods) == 0) {
        request->fault_status = 0;
        refuse(request, 405, "%s is called with %s", route->path, route->allow);
    } else {
        parse_body(request, content_type);
        if (request->fault_status == 0)
            choose_question(request);
    }
    if (request->fault_status == 0)
        return true;
    reply_problem(&request->reply, request->fault_status, request->detail);
    if (request->fault_status == 405)
        request->reply.allow = route->allow;
    return false;
}

void request_reply(struct request *request)
{
    const struct message *message = &request->message;
    if (message->kind == MESSAGE_DAEMON) {
        reply_daemon(&request->reply, message->answer.daemon);
    } else if (message->answer.bucket.result == BUCKET_NO_SUCH_LIMIT) {
        refuse(request, 400, "there is no limit named \"%s\"; GET /status lists the limits",
               request->limit_name);
        reply_problem(&request->reply, request->fault_status, request->detail);
    } else {
        reply_bucket(&request->reply, message, HEADERS_IETF);
    }
}
