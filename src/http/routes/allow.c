/* /allow: may this key take so many tokens? With a list: may each key, or all of them or none? */
#include "http/list.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/routes/table.h"

static void ask(struct request *request)
{
    const struct bucket_question *question = &request->message.ask.bucket;
    if (request->is_list) {
        request->message.kind = request->list.all ? MESSAGE_ALL : MESSAGE_EACH;
        return;
    }
    request_ask_bucket(request, MESSAGE_ALLOW);
    if (request->mode != LIST_MODE_NONE)
        request_refuse(request, 400, "mode is there, and only a batch has one; leave it out");
    if (question->wait_ms == 0)
        return; /* as mostly */
    request_judge_wait(request);
    if (question->tokens == 0)
        request_refuse(request, 400,
                       "tokens is 0, and nobody waits for none; leave wait out, or give tokens of "
                       "1 or more");
}

static void reply(struct request *request, const struct serving *serving)
{
    if (request->is_list)
        list_reply(request, serving);
    else if (!request_reply_undone(request))
        reply_bucket_decided(&request->reply, &request->message, request->deny_status, serving);
}

static const struct parameter *const parameters[] = {
    &parameter_key,         &parameter_tokens, &parameter_limit, &parameter_wait,
    &parameter_deny_status, &parameter_once,   &parameter_mode,  NULL};

const struct route route_allow = {
    .path = "/allow",
    .methods = METHOD_GET | METHOD_POST,
    .allow = "GET, POST",
    .parameters = parameters,
    .takes_list = true,
    .changes_state = true,
    .cost = list_cost,
    .ask = ask,
    .reply = reply,
};
