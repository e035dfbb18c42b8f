/* /explain: how would the next question about this key be decided, and why? */
#include "ask/explain_json.h"
#include "ask/fault_text.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/routes/table.h"

#include <string.h>

static void ask(struct request *request)
{
    request_ask_bucket(request, MESSAGE_EXPLAIN);
    if (request->fault_status == 0)
        request->message.answer.explain = request_take_room(request, sizeof(struct explain_answer));
}

static void reply(struct request *request, const struct serving *serving)
{
    const struct message *message = &request->message;
    struct text body = text_begin_growing();
    (void)serving;
    if (message->answer.explain->next.result == BUCKET_NO_SUCH_LIMIT) {
        request_refuse(request, 400, FAULT_NO_SUCH_LIMIT,
                       show(request->limit_name, strlen(request->limit_name)).text);
        request_reply_fault(request);
        return;
    }
    const struct explanation explanation =
        explanation_of(&message->ask.bucket, message->answer.explain);
    explain_json_write(&body, &explanation);
    text_literal(&body, "\n");
    reply_take_body(&request->reply, 200, reply_type_json, &body, 503, "out of memory; try again");
}

/* The cost of looking through the last events. */
static size_t cost(const struct request *request)
{
    (void)request;
    return ROUTE_COST_TURN / 4;
}

static const struct parameter *const parameters[] = {&parameter_key, &parameter_limit,
                                                     &parameter_tokens, NULL};

const struct route route_explain = {
    .path = "/explain",
    .methods = METHOD_GET | METHOD_HEAD,
    .allow = "GET, HEAD",
    .parameters = parameters,
    .is_admin = true,
    .cost = cost,
    .ask = ask,
    .reply = reply,
};
