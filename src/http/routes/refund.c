/* /refund: give tokens back to this key. */
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/routes/table.h"

static void ask(struct request *request)
{
    request_ask_bucket(request, MESSAGE_REFUND);
}

static const struct parameter *const parameters[] = {&parameter_key, &parameter_tokens,
                                                     &parameter_limit, &parameter_once, NULL};

const struct route route_refund = {
    .path = "/refund",
    .methods = METHOD_POST,
    .allow = "POST",
    .parameters = parameters,
    .is_admin = true,
    .changes_state = true,
    .ask = ask,
    .reply = reply_bucket_changed,
};
