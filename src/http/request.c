#include "http/request.h"

#include "base/form.h"
#include "http/authority.h"
#include "http/batch_lines.h"
#include "http/body.h"
#include "http/list.h"
#include "http/parameters.h"
#include "http/question.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
    unsigned number = route_find_below(routes, raw, len);
    if (number == 0 && memchr(raw, '%', len) == NULL) /* as nearly always */
        number = route_find(routes, raw, len);
    else if (number == 0)
        number = decode_path(request, routes, raw, len);
    if (number == 0)
        request_refuse(request, 404, "%s", routes->no_such_path);
    return number;
}

/* The bytes of "http://HOST:PORT" that a target begins with in place of a path, as if it were sent to
 * a proxy. Whoever sends it means this server all the same (RFC 9112, 3.2.2). Anything else is
 * refused. */
static size_t parse_origin(struct request *request, const struct route_table *routes,
                           const char *target)
{
    static const char https[] = "https://";
    const size_t scheme_len = strlen(REQUEST_SCHEME);
    if (strncasecmp(target, https, strlen(https)) == 0) {
        request_refuse(
            request, 421,
            "the target is of https, and this connection is not encrypted; send its path "
            "alone, or http://");
        return 0;
    }
    if (strcmp(target, "*") == 0)
        request->if_options = routes->whole;
    if (strncasecmp(target, REQUEST_SCHEME, scheme_len) != 0) {
        request_refuse(request, 400,
                       "the target must be a path that begins with '/', such as /allow?key=alice");
        return 0;
    }
    size_t len = strcspn(target + scheme_len, "/?");
    if (len == 0 || !authority_is_valid(target + scheme_len, len))
        request_refuse(request, 400,
                       "the target's host is no name or address, with or without a port");
    return scheme_len + len;
}

/* Whether all characters of a target may stand in it unescaped (RFC 3986, 2; RFC 9112, 3.2):
 * visible ASCII except '#', which would begin a fragment. */
static bool is_escaped(const char *target)
{
    while (*target > ' ' && *target < 0x7f && *target != '#')
        target++;
    return *target == '\0';
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
    request->prefix_len = 0;
    request->is_list = request->is_lines = request->is_object = false;
    request->mode = LIST_MODE_NONE;
    request->keeps_body = false;
    request->ignores_proxy = false;
    request->key_is_private = false;
    request->verdict = ACCESS_GRANTED;
    request->wants_tag = request->wants_absence = false;
    request->message.once = NULL;
    request->message.ask.bucket = (struct bucket_question){.tokens = 1};
    request->target_len = strlen(target);
    request->origin_len = 0;
    request->if_options = NULL;
    request->target_parameters = 1;
    for (const char *at = target; (at = strchr(at, '&')) != NULL; at++)
        request->target_parameters++;

    if (!is_escaped(target)) {
        request_refuse(request, 400,
                       "the target holds a space, a '#', a control character or a byte above "
                       "127; escape it as %%XX");
        return;
    }
    if (target[0] != '/') /* as hardly ever */
        request->origin_len = parse_origin(request, routes, target);
    if (request->fault_status != 0)
        return;
    const char *query = memchr(target, '?', request->target_len);
    const char *path = target + request->origin_len;
    size_t path_len =
        (query == NULL ? request->target_len : (size_t)(query - target)) - request->origin_len;
    if (path_len == 0 || (path_len == 1 && path[0] == '/'))
        request->if_options = routes->whole;
    request->route_number =
        parse_path(request, routes, path_len > 0 ? path : "/", path_len > 0 ? path_len : 1);
    const struct route *route = route_at(routes, request->route_number);
    request->route = route;
    if (route == NULL)
        return;
    if (route->begin != NULL)
        route->begin(request);
    if (!route->header_only && query != NULL)
        parameters_parse(request, query + 1, request->target_len - (size_t)(query + 1 - target));
}

/* Refuses what is not to be done on the conditions that the header makes (RFC 9110, 13). What is sent
 * to a check says them of something else. */
static void judge_conditions(struct request *request)
{
    if (request->wants_tag)
        request_refuse(
            request, 412,
            "If-Match names an entity tag, and nothing here has one; leave the field out");
    else if (request->wants_absence && (request->method & (METHOD_GET | METHOD_HEAD)) == 0)
        request_refuse(request, 412,
                       "If-None-Match: * asks for something that is not there yet, and everything "
                       "here is; leave the field out");
}

/* Tells the most general fault: of the target itself, then path, access, method, parameters. */
static void make_message(struct request *request, const char *content_type)
{
    if (request->if_options != NULL && request->method == METHOD_OPTIONS) {
        request->route = request->if_options;
        request->route_number = 0;
        request->fault_status = 0;
        request->route->ask(request);
        return;
    }
    const struct route *route = request->route;
    if (route == NULL)
        return;
    if (request->verdict != ACCESS_GRANTED) {
        request->fault_status = 0;
        request_refuse(request, access_status(request->verdict), "%s",
                       access_detail(request->verdict));
        return;
    }
    bool is_lines = body_is_lines(content_type);
    if (body_may_be_list(request, content_type) && (request->body_len > 0 || is_lines)) {
        list_parse(request, is_lines);
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
    if (request->fault_status == 0 && !route->header_only)
        judge_conditions(request);
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
        reply_add_field(&request->reply, "Accept-Query", BODY_JSON_TYPE ", " BATCH_LINES_TYPE);
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
    const struct reply *reply = &request->reply;
    request->reply_size = reply->large_body != NULL ? reply->body_len + reply->large_spare : 0;
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
    batch_release(&request->list);
    request->reply_size = 0;
}
