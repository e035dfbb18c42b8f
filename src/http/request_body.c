#include "http/request_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>

#define FORM_TYPE "application/x-www-form-urlencoded"
#define JSON_TYPE "application/json"

static bool is_type(const char *content_type, const char *type)
{
    size_t len = strlen(type);
    if (content_type == NULL || strncasecmp(content_type, type, len) != 0)
        return false;
    return content_type[len] == '\0' || strchr("; \t", content_type[len]) != NULL;
}

bool request_may_be_list(const struct request *request, const char *content_type)
{
    return request->route != NULL && request->route->takes_list && request->method == METHOD_POST &&
           is_type(content_type, JSON_TYPE);
}

size_t request_body_max(const struct request *request, const char *content_type)
{
    bool may_be_long = request->route == &route_check || request_may_be_list(request, content_type);
    return may_be_long ? REQUEST_LONG_BODY_MAX : REQUEST_BODY_MAX;
}

size_t request_body_room(const struct request *request, size_t len)
{
    return len <= REQUEST_BODY_MAX || request->route == &route_check ? 0 : len;
}

/* Mapped, and not from the heap, which would keep what the most clients there ever
 * were at once have needed. */
bool request_expect_body(struct request *request, size_t len)
{
    size_t room = request_body_room(request, len);
    if (room == 0)
        return true;
    void *mapped = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED)
        return false;
    request->long_body = mapped;
    request->long_body_room = room;
    return true;
}

void request_drop_long_body(struct request *request)
{
    if (request->long_body != NULL)
        munmap(request->long_body, request->long_body_room);
    request->long_body = NULL;
    request->long_body_room = 0;
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

void request_parse_body(struct request *request, const char *content_type)
{
    if (request->method != METHOD_POST || request->body_len == 0)
        return;
    if (is_type(content_type, FORM_TYPE))
        request_parse_form(request, request->body, request->body_len);
    else
        request_refuse(request, 415,
                       "the body must be a form: send Content-Type: " FORM_TYPE
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
        request_refuse(request, 415,
                       "the body must be a form: send Content-Type: " FORM_TYPE
                       "; or a batch: a JSON object with \"requests\"");
        return;
    case BATCH_JSON_BAD:
        request_refuse(request, 400, "%s", detail);
        return;
    case BATCH_JSON_NO_MEMORY:
        request_refuse(request, 503, "out of memory; try again, or send a smaller batch");
        return;
    }
}

/* The room for the reply is taken now: once the tokens are, it must not fail. */
void request_ask_list(struct request *request)
{
    struct message *message = &request->message;
    parse_list(request);
    request_drop_long_body(request);
    if (request->fault_status == 0 && request->seen != 0)
        request_refuse(request, 400,
                       "a batch brings its own keys; leave the parameters out of the query");
    if (request->fault_status != 0)
        return;
    message->kind = request->route->with_key != MESSAGE_ALLOW ? MESSAGE_LIST
                    : request->list.all                       ? MESSAGE_ALL
                                                              : MESSAGE_EACH;
    message->ask.list = (struct list_question){request->list.calls, request->list.count};
    request->list_room = malloc(reply_list_room(&message->ask.list));
    if (request->list_room == NULL)
        request_refuse(request, 503, "out of memory; try again, or send a smaller batch");
}
