#include "http/request.h"

#include "base/form.h"
#include "http/body.h"
#include "http/list.h"
#include "http/parameters.h"
#include "http/question.h"

#include <stdlib.h>
#include <string.h>

/* The number of the route that an escaped path names, or 0. If the escapes are malformed, the
 * request is refused for that. */
static unsigned decode_path(struct request *request, const struct route_table *routes,
                            const char *raw, size_t len)
{
    char path[64];
    size_t path_len = 0;
    unsigned number = 0;
    switch (form_decode(raw, len, false, path, sizeof path - 1, &path_len)) {
    case FORM_BAD_ESCAPE:
        request_refuse(request, 400, "path: " BAD_ESCAPE);
        break;
    case FORM_TOO_LONG:
        break;
    case FORM_OK:
        number = route_find(routes, path, path_len);
        if (number == 0 && key_check(path, path_len) != KEY_OK)
            request_refuse(request, 400, "the path is not UTF-8 free of control characters");
        break;
    }
    return number;
}

/* The number of the route that a path names, or 0. A malformed path is refused for that. */
static unsigned parse_path(struct request *request, const struct route_table *routes,
                           const char *raw, size_t len)
{
    if (len == 0 || raw[0] != '/') {
        request_refuse(request, 400,
                       "the target must be a path that begins with '/', such as /allow?key=alice");
        return 0;
    }
    unsigned number = route_find_below(routes, raw, len);
    if (number == 0 && memchr(raw, '%', len) == NULL) /* as nearly always */
        number = route_find(routes, raw, len);
    else if (number == 0)
        number = decode_path(request, routes, raw, len);
    if (number == 0)
        request_refuse(request, 404, "%s", routes->no_such_path);
    return number;
}

/* Whether all characters of a target may stand in it unescaped (RFC 3986, 2; RFC 9112, 3.2):
 * visible ASCII except '#', which would begin a fragment. */
static bool is_escaped(const char *target)
{
    for (; *target != '\0'; target++)
        if (*target <= ' ' || *target == 0x7f || *target == '#')
            return false;
    return true;
}

void request_begin(struct request *request, const struct route_table *routes, const char *target)
{
    request->method = 0;
    request->route_number = 0;
    request->route = NULL;
    request->seen = 0;
    request->fault_status = 0;
    request->deny_status = REQUEST_DENY_STATUS;
    request->body_len = 0;
    request->chunked_max = request->chunked_len = 0;
    request->is_list = false;
    request->keeps_body = false;
    request->ignores_proxy = false;
    request->key_is_private = false;
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
    request->route_number = parse_path(request, routes, target, path_len);
    const struct route *route = route_at(routes, request->route_number);
    request->route = route;
    if (route == NULL)
        return;
    if (route->begin != NULL)
        route->begin(request);
    if (!route->header_only && query != NULL)
        parameters_parse(request, query + 1, request->target_len - path_len - 1);
}

/* Tells the most general fault: of the target itself, then path, access, method, parameters. */
static void make_message(struct request *request, const char *content_type)
{
    const struct route *route = request->route;
    if (route == NULL)
        return;
    if (request->verdict != ACCESS_GRANTED) {
        request->fault_status = 0;
        request_refuse(request, access_status(request->verdict), "%s",
                       access_detail(request->verdict));
        return;
    }
    bool is_list = body_may_be_list(request, content_type) && request->body_len > 0;
    if (is_list) {
        list_parse(request);
    } else if ((request->method & route->methods) == 0) {
        request->fault_status = 0;
        request_refuse(request, 405, "%s%s is called with %s", route->path,
                       route->below != NULL ? route->below : "", route->allow);
    } else if (request->method == METHOD_QUERY && route->takes_list) {
        body_refuse_query(request, content_type);
    } else {
        body_parse_form(request, content_type);
    }
    if (request->fault_status == 0)
        route->ask(request);
}

bool request_finish(struct request *request, const char *content_type)
{
    make_message(request, content_type);
    if (request->fault_status == 0)
        return true;
    request_reply_fault(request);
    if (request->fault_status == 405)
        request->reply.allow = request->route->allow;
    if ((request->fault_status == 405 || request->fault_status == 415) &&
        request->route->takes_list && (request->route->methods & METHOD_QUERY) != 0)
        reply_add_field(&request->reply, "Accept-Query", BODY_JSON_TYPE);
    if (request->fault_status == 401)
        request->reply.authenticate = access_challenge(request->verdict);
    return false;
}

static void drop_room(struct request *request)
{
    free(request->room);
    request->room = NULL;
    request->room_bytes = 0;
}

/* The reply may stay for long, if its client is slow; so what it was made from is freed now. */
void request_reply(struct request *request, const struct serving *serving)
{
    request->route->reply(request, serving);
    request->reply_size = request->reply.large_body != NULL ? request->reply.body_len : 0;
    drop_room(request);
}

size_t request_held(const struct request *request)
{
    return request->long_body_room + request->list.size + request->reply_size + request->room_bytes;
}

void request_release(struct request *request)
{
    if (request->route != NULL && request->route->release != NULL)
        request->route->release(request);
    body_drop(request);
    free(request->list_room);
    request->list_room = NULL;
    drop_room(request);
    batch_json_release(&request->list);
    request->reply_size = 0;
}
