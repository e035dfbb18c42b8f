/* /reset: make this key's buckets full. */
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/routes/table.h"

static void ask(struct request *request)
{
    request_ask_bucket(request, MESSAGE_RESET);
}

static const struct parameter *const parameters[] = {&parameter_key, &parameter_limit, NULL};

const struct route route_reset = {
    .path = "/reset",
    .methods = METHOD_POST | METHOD_DELETE,
    .allow = "POST, DELETE",
    .parameters = parameters,
    .is_admin = true,
    .changes_state = true,
    .ask = ask,
    .reply = reply_bucket_changed,
};
