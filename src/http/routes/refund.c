/* /refund: give tokens back to this key. */
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/routes/table.h"

static void ask(struct request *request)
{
    request_ask_bucket(request, MESSAGE_REFUND);
}

static void reply(struct request *request, const struct serving *serving)
{
    if (request_reply_no_such_limit(request))
        return;
    reply_bucket_status(&request->reply, &request->message, serving->headers);
    request->reply.terse = TERSE_DONE;
}

static const struct parameter *const parameters[] = {&parameter_key, &parameter_tokens,
                                                     &parameter_limit, NULL};

const struct route route_refund = {
    .path = "/refund",
    .methods = METHOD_POST,
    .allow = "POST",
    .parameters = parameters,
    .is_admin = true,
    .changes_state = true,
    .ask = ask,
    .reply = reply,
};
