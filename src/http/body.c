#include "http/body.h"

#include "http/batch_lines.h"
#include "http/parameters.h"
#include "http/question.h"

#include <assert.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#define JSON_SUFFIX "+json"

static bool is_type(const char *content_type, const char *type)
{
    size_t len = strlen(type);
    if (content_type == NULL || strncasecmp(content_type, type, len) != 0)
        return false;
    return content_type[len] == '\0' || strchr("; \t", content_type[len]) != NULL;
}

bool body_is_form(const char *content_type)
{
    return is_type(content_type, BODY_FORM_TYPE);
}

bool body_is_json(const char *content_type)
{
    if (content_type == NULL || is_type(content_type, BODY_JSON_TYPE))
        return content_type != NULL;
    size_t len = strcspn(content_type, "; \t"), suffix_len = strlen(JSON_SUFFIX);
    return len > suffix_len &&
           strncasecmp(content_type + len - suffix_len, JSON_SUFFIX, suffix_len) == 0;
}

bool body_is_lines(const char *content_type)
{
    return is_type(content_type, BATCH_LINES_TYPE);
}

bool body_may_be_list(const struct request *request, const char *content_type)
{
    const struct route *route = request->route;
    return route != NULL && route->takes_list &&
           (request->method == METHOD_POST ||
            (request->method == METHOD_QUERY && (route->methods & METHOD_QUERY) != 0)) &&
           (is_type(content_type, BODY_JSON_TYPE) || body_is_lines(content_type));
}

static bool has_body_of_another(const struct request *request)
{
    return request->route != NULL && request->route->header_only;
}

size_t request_body_max(const struct request *request, const char *content_type)
{
    bool may_be_long = has_body_of_another(request) || body_may_be_list(request, content_type);
    return may_be_long ? REQUEST_LONG_BODY_MAX : REQUEST_BODY_MAX;
}

size_t request_body_room(const struct request *request, size_t len)
{
    return len <= REQUEST_BODY_MAX || has_body_of_another(request) ? 0 : len;
}

static_assert((REQUEST_LONG_BODY_MAX & (REQUEST_LONG_BODY_MAX - 1)) == 0 &&
                  (REQUEST_BODY_MAX & (REQUEST_BODY_MAX - 1)) == 0,
              "doubled again and again, the room of a body is that of the longest one at last");

/* The room is mapped. The heap would keep for ever what the greatest crowd of clients needed. */
static bool map_room(struct request *request, size_t room)
{
    void *mapped = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return false;
    request->long_body = mapped;
    request->long_body_room = room;
    return true;
}

bool request_expect_body(struct request *request, size_t len)
{
    size_t room = request_body_room(request, len);
    return room == 0 || map_room(request, room);
}

size_t request_body_room_grown(const struct request *request, size_t len)
{
    enum { FIRST_ROOM = 4 * REQUEST_BODY_MAX };
    size_t needed = request->body_len + len;
    size_t has = request->long_body != NULL ? request->long_body_room : REQUEST_BODY_MAX;
    if (has_body_of_another(request) || needed <= has)
        return 0;
    size_t room = request->long_body != NULL ? has : FIRST_ROOM / 2;
    do
        room *= 2;
    while (room < needed);
    return room;
}

/* A mapping moves without its bytes being copied. */
bool request_grow_body(struct request *request, size_t room)
{
    if (request->long_body == NULL) {
        if (!map_room(request, room))
            return false;
        memcpy(request->long_body, request->body, request->body_len);
        return true;
    }
    void *moved = mremap(request->long_body, request->long_body_room, room, MREMAP_MAYMOVE);
    if (moved == MAP_FAILED)
        return false;
    request->long_body = moved;
    request->long_body_room = room;
    return true;
}

void body_drop(struct request *request)
{
    if (request->long_body != NULL)
        munmap(request->long_body, request->long_body_room);
    request->long_body = NULL;
    request->long_body_room = 0;
}

/* Of a body that a check reads, the beginning is no use without the rest. */
static void add_body_of_another(struct request *request, const char *bytes, size_t len)
{
    if (!request->keeps_body)
        return;
    if (len > REQUEST_BODY_MAX - request->body_len) {
        request->keeps_body = false;
        request->body_len = 0;
        return;
    }
    memcpy(request->body + request->body_len, bytes, len);
    request->body_len += len;
}

void request_add_body(struct request *request, const char *bytes, size_t len)
{
    if (has_body_of_another(request)) {
        add_body_of_another(request, bytes, len);
        return;
    }
    bool is_long = request->long_body != NULL;
    assert(len <= (is_long ? request->long_body_room : REQUEST_BODY_MAX) - request->body_len);
    memcpy((is_long ? request->long_body : request->body) + request->body_len, bytes, len);
    request->body_len += len;
}

/* RFC 10008, 2: without a type, or with one that the body belies, a QUERY must fail. */
void body_refuse_query(struct request *request, const char *content_type)
{
    bool is_other = content_type != NULL && !is_type(content_type, BODY_JSON_TYPE) &&
                    !body_is_lines(content_type);
    request_refuse(request, is_other ? 415 : 400,
                   "a QUERY brings a batch: send Content-Type: " BODY_JSON_TYPE
                   " and a JSON object with \"requests\", or " BATCH_LINES_TYPE
                   " and a line for each key");
}

static bool takes_object(const struct request *request)
{
    return request->method == METHOD_PUT && request->route->takes_object;
}

/* JSON that says it is a form, as curl -d does unless it is told otherwise. No parameter begins so. */
static bool is_mislabelled_json(const struct request *request)
{
    bool may_be_json =
        takes_object(request) || (request->method == METHOD_POST && request->route->takes_list);
    return may_be_json && (request->body[0] == '{' || request->body[0] == '[');
}

/* Likewise a batch in lines. No form holds a line feed, and each parameter has a '='. */
static bool is_mislabelled_lines(const struct request *request)
{
    const char *feed = memchr(request->body, '\n', request->body_len);
    return request->method == METHOD_POST && request->route->takes_list && feed != NULL &&
           memchr(request->body, '=', (size_t)(feed - request->body)) == NULL;
}

void body_parse_form(struct request *request, const char *content_type)
{
    if ((request->method & (METHOD_POST | METHOD_PUT)) == 0 || request->body_len == 0 ||
        has_body_of_another(request))
        return;
    if (body_is_form(content_type) && is_mislabelled_json(request))
        request_refuse(request, 415,
                       "the body is JSON, but its Content-Type says that it is a form: send "
                       "Content-Type: " BODY_JSON_TYPE);
    else if (body_is_form(content_type) && is_mislabelled_lines(request))
        request_refuse(request, 415,
                       "the body is lines, but its Content-Type says that it is a form: send "
                       "Content-Type: " BATCH_LINES_TYPE);
    else if (body_is_form(content_type))
        parameters_parse(request, request->body, request->body_len);
    else if (takes_object(request) && body_is_json(content_type))
        request->is_object = true;
    else if (takes_object(request))
        request_refuse(request, 415,
                       "the body must be JSON or a form: send Content-Type: " BODY_JSON_TYPE
                       " or " BODY_FORM_TYPE ", or put the parameters into the query");
    else
        request_refuse(request, 415,
                       "the body must be a form: send Content-Type: " BODY_FORM_TYPE
                       ", or put the parameters into the query%s",
                       request->route->takes_list && request->method == METHOD_POST
                           ? "; or a batch: " BODY_JSON_TYPE " or " BATCH_LINES_TYPE
                           : "");
}
