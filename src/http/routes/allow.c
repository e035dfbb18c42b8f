/* /allow: may this key take so many tokens? With a list: may each key, or all of them or none? */
#include "ask/answer_json.h"
#include "http/headers.h"
#include "http/list.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/routes/table.h"

static void ask(struct request *request)
{
    if (request->is_list)
        request->message.kind = request->list.all ? MESSAGE_ALL : MESSAGE_EACH;
    else
        request_ask_bucket(request, MESSAGE_ALLOW);
}

static void reply_bucket(struct reply *reply, const struct message *message,
                         const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    bool allowed = bucket_answer_allows(answer);
    reply_begin(reply, allowed ? 200 : 429, allowed ? reply_type_json : reply_type_problem);
    reply->terse = allowed ? TERSE_ALLOWED : TERSE_DENIED;
    reply->recurs = true;
    reply_add_rate_limit(reply, message, serving);
    if (!allowed)
        reply_add_retry(reply, answer->retry_after_ms, serving);

    struct text body = reply_begin_body(reply);
    if (allowed) {
        text_literal(&body, "{\"allowed\":true,");
    } else {
        reply_write_denial(&body, 429, answer);
        text_literal(&body, ",\"allowed\":false,");
    }
    reply_write_allow(&body, &message->ask.bucket, answer, allowed);
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

static void reply(struct request *request, const struct serving *serving)
{
    if (request->is_list)
        list_reply(request, serving);
    else if (!request_reply_no_such_limit(request))
        reply_bucket(&request->reply, &request->message, serving);
}

static const struct parameter *const parameters[] = {&parameter_key, &parameter_tokens,
                                                     &parameter_limit, NULL};

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
