#include "http/list.h"

#include "ask/fault_text.h"
#include "http/batch_json.h"
#include "http/batch_lines.h"
#include "http/body.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_lines.h"
#include "http/reply_list.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum batch_result read_body(struct request *request, char detail[REPLY_DETAIL_MAX])
{
    const char *body = request->long_body != NULL ? request->long_body : request->body;
    if (!request->is_lines)
        return batch_json_parse(body, request->body_len, &request->list, detail);
    enum batch_result result = batch_lines_parse(body, request->body_len, &request->list, detail);
    if (result == BATCH_OK)
        request->list.all = request->mode == LIST_MODE_ALL;
    return result;
}

static void parse(struct request *request)
{
    char detail[REPLY_DETAIL_MAX];
    switch (read_body(request, detail)) {
    case BATCH_OK:
        request->is_list = true;
        return;
    case BATCH_NONE:
        if (request->method == METHOD_QUERY)
            body_refuse_query(request, BODY_JSON_TYPE);
        else
            request_refuse(request, 415,
                           "the body must be a form: send Content-Type: " BODY_FORM_TYPE
                           "; or a batch: a JSON object with \"requests\"");
        return;
    case BATCH_BAD:
        request_refuse(request, 400, "%s", detail);
        return;
    case BATCH_NO_MEMORY:
        request_refuse(request, 503, "out of memory; try again, or send a smaller batch");
        return;
    }
}

/* Allocates the room for the reply now: after tokens are taken the reply must not fail. */
void list_parse(struct request *request, bool is_lines)
{
    request->is_lines = is_lines;
    parse(request);
    body_drop(request);
    if (request->fault_status == 0 && !parameters_suit_list(request))
        request_refuse(
            request, 400,
            "a batch brings its own keys, limits and tokens, has no once and does not wait; leave "
            "these out of the query%s",
            request->mode == LIST_MODE_NONE || is_lines
                ? ""
                : ", and say the mode of one in JSON in its body");
    if (request->fault_status != 0)
        return;
    struct list_question ask = {request->list.calls, request->list.count};
    request->message.ask.list = ask;
    request->list_room = malloc(is_lines ? reply_lines_room(&ask) : reply_list_room(&ask));
    if (request->list_room == NULL)
        request_refuse(request, 503, "out of memory; try again, or send a smaller batch");
}

/* A short body takes no longer than any other request, so it costs nothing. Of others no more have one
 * turn than what they take of memory fits into a core's own cache. */
size_t list_cost(const struct request *request)
{
    enum { SHORT = 512 };
    return request->body_len > SHORT ? ROUTE_COST_LIST_BYTE * request->body_len : 0;
}

/* Where a request stands in its body, for whoever wrote that. */
static const char *name_place(const struct request *request, uint32_t index, char place[32])
{
    if (request->is_lines)
        snprintf(place, 32, "line %u", (unsigned)index + 1);
    else
        snprintf(place, 32, "requests[%u]", (unsigned)index);
    return place;
}

/* Refuses a batch of which nothing was done. */
static void refuse(struct request *request)
{
    const struct message *message = &request->message;
    const struct bucket_call *calls = message->ask.list.calls;
    uint32_t missing = message->answer.list.no_such_limit;
    uint32_t leased = message->answer.list.needs_lease;
    char place[32];
    if (missing < message->ask.list.count)
        request_refuse(request, 400, "%s: " FAULT_NO_SUCH_LIMIT,
                       name_place(request, missing, place),
                       show(calls[missing].ask.limit_name, calls[missing].ask.limit_name_len).text);
    else
        request_refuse(
            request, 400, "%s: " FAULT_NEEDS_LEASE, name_place(request, leased, place),
            show(calls[leased].answer.limit->name, strlen(calls[leased].answer.limit->name)).text);
    request_reply_fault(request);
}

void list_reply(struct request *request, const struct serving *serving)
{
    const struct message *message = &request->message;
    if (!list_is_done(message)) {
        refuse(request);
        return;
    }
    (request->is_lines ? reply_lines : reply_list)(&request->reply, message, request->deny_status,
                                                   request->list_room, serving);
    request->list_room = NULL; /* the reply's now */
}
