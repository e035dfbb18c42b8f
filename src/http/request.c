#include "http/request.h"

#include "base/form.h"
#include "brain/meters.h"
#include "http/fault_text.h"
#include "http/reply_metrics.h"
#include "http/request_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Finds the route of a path; a path that cannot be one is a fault of its own. */
static void parse_path(struct request *request, const char *raw, size_t len)
{
    char path[64];
    size_t path_len = 0;
    if (len == 0 || raw[0] != '/') {
        request_refuse(request, 400,
                       "the target must be a path that begins with '/', such as /allow?key=alice");
        return;
    }
    if (strncmp(raw, ROUTE_CHECK_PREFIX, strlen(ROUTE_CHECK_PREFIX)) == 0) {
        request->route = &route_check;
        return;
    }
    switch (form_decode(raw, len, false, path, sizeof path - 1, &path_len)) {
    case FORM_BAD_ESCAPE:
        request_refuse(request, 400, "path: " BAD_ESCAPE);
        return;
    case FORM_TOO_LONG:
        return;
    case FORM_OK:
        break;
    }
    request->route = route_find(path, path_len);
    if (request->route == NULL && key_check(path, path_len) != KEY_OK)
        request_refuse(request, 400, "the path is not UTF-8 free of control characters");
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
    request->method = 0;
    request->route = NULL;
    request->seen = 0;
    request->fault_status = 0;
    request->body_len = 0;
    request->is_list = false;
    request->metrics = NULL;
    request_begin_keys(request);
    request->verdict = ACCESS_GRANTED;
    request->message.ask.bucket = (struct bucket_question){.tokens = 1};
    request->target_len = strlen(target);
    request->target_parameters = 1;
    for (const char *at = target; (at = strchr(at, '&')) != NULL; at++)
        request->target_parameters++;

    if (!is_escaped(target)) {
        request_refuse(request, 400,
                       "the target holds a space, a '#', a control character or a byte above "
                       "127; escape it as %%XX");
        return;
    }
    const char *query = memchr(target, '?', request->target_len);
    size_t path_len = query == NULL ? request->target_len : (size_t)(query - target);
    parse_path(request, target, path_len);
    if (request->route != NULL && request->route != &route_check && query != NULL)
        request_parse_form(request, query + 1, request->target_len - path_len - 1);
}

static void make_room_for_metrics(struct request *request)
{
    request->metrics = malloc(sizeof *request->metrics);
    request->message.answer.metrics = request->metrics;
    if (request->metrics == NULL)
        request_refuse(request, 503, "out of memory; try again");
}

static void choose_question(struct request *request)
{
    const struct route *route = request->route;
    if (route->without_key == MESSAGE_KEYS)
        request_ask_keys(request);
    else if ((request->seen & PARAMETER_KEY) != 0)
        request->message.kind = route->with_key;
    else if (route->without_key < 0)
        request_refuse(request, 400, "key is missing; call %s?key=KEY", route->path);
    else if (request->seen != 0)
        request_refuse(request, 400, "limit needs a key; call %s?key=KEY&limit=NAME, or %s alone",
                       route->path, route->path);
    else
        request->message.kind = (enum message_kind)route->without_key;
    if (request->message.kind == MESSAGE_DAEMON)
        request->message.answer.daemon = &request->daemon_answer;
    if (request->message.kind == MESSAGE_METRICS)
        make_room_for_metrics(request);
}

/* A fault of the target itself comes first, then path, method, and parameters. */
static void make_message(struct request *request, const char *content_type)
{
    const struct route *route = request->route;
    if (route == NULL) {
        request_refuse(
            request, 404,
            "no such path; there are /allow, /reset, /refund and /status, /keys, /metrics, "
            "/healthz and /readyz, /reload, and the checks below /check/");
    } else if (request->verdict != ACCESS_GRANTED) {
        request->fault_status = 0;
        request_refuse(request, access_status(request->verdict), "%s",
                       access_detail(request->verdict));
    } else if (request_may_be_list(request, content_type) && request->body_len > 0) {
        request_ask_list(request);
    } else if ((request->method & route->methods) == 0) {
        request->fault_status = 0;
        request_refuse(request, 405, "%s is called with %s", route->path, route->allow);
    } else if (route == &route_check) {
        request_ask_check(request);
    } else {
        request_parse_body(request, content_type);
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
    if (request->fault_status == 401)
        request->reply.authenticate = access_challenge(request->verdict);
    return false;
}

static void reply_to_list(struct request *request)
{
    const struct message *message = &request->message;
    uint32_t missing = message->answer.list.no_such_limit;
    if (missing < message->ask.list.count) {
        request_refuse(request, 400, "requests[%u]: " FAULT_NO_SUCH_LIMIT, (unsigned)missing,
                       show(message->ask.list.calls[missing].ask.limit_name,
                            message->ask.list.calls[missing].ask.limit_name_len)
                           .text);
        reply_fault(request);
        return;
    }
    reply_list(&request->reply, message, request->list_room);
    request->list_room = NULL; /* the reply's now */
    request->reply_size = request->reply.body_len;
}

static void reply_to_check(struct request *request, enum headers_dialect dialect)
{
    const struct message *message = &request->message;
    if (message->kind == MESSAGE_MISSING) {
        reply_check_missing(&request->reply, request->check.missing_allows,
                            request->check.deny_status);
    } else if (message->answer.bucket.result == BUCKET_NO_SUCH_LIMIT) {
        request_refuse(request, 503,
                       "the check's limit is being taken away by a reload; try again");
        reply_fault(request);
    } else {
        reply_check(&request->reply, &message->answer.bucket, request->check.deny_status, dialect);
    }
}

bool request_is_health(const struct request *request)
{
    return request->route != NULL &&
           (request->route->purpose == ROUTE_HEALTHZ || request->route->purpose == ROUTE_READYZ);
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
        request->reply_size = request->reply.large_body != NULL ? request->reply.body_len : 0;
    } else if (message->kind == MESSAGE_KEYS) {
        request_reply_keys(request);
    } else if (message->kind == MESSAGE_METRICS) {
        reply_metrics(&request->reply, message->answer.metrics);
        request->reply_size = request->reply.body_len;
    } else if (message->answer.bucket.result == BUCKET_NO_SUCH_LIMIT) {
        request_refuse(request, 400, FAULT_NO_SUCH_LIMIT,
                       show(request->limit_name, strlen(request->limit_name)).text);
        reply_fault(request);
    } else {
        reply_bucket(&request->reply, message, dialect);
    }
}

size_t request_held(const struct request *request)
{
    return request->long_body_room + request->list.size + request->reply_size +
           (request->metrics != NULL ? sizeof *request->metrics : 0) +
           (request->keys != NULL ? keys_answer_bytes(request->keys_ask.count) : 0);
}

void request_release(struct request *request)
{
    request_drop_long_body(request);
    if (request->message.kind == MESSAGE_RELOAD)
        reload_report_release(&request->reload);
    free(request->list_room);
    free(request->metrics);
    free(request->keys);
    request->list_room = NULL;
    request->metrics = NULL;
    request->keys = NULL;
    batch_json_release(&request->list);
    request->reply_size = 0;
}
