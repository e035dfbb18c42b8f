/* /status: how full are the buckets of this key, or of a list of keys? Without a key: how is the
 * daemon? */
#include "http/list.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/reply_daemon.h"
#include "http/routes/table.h"

static bool is_about_daemon(const struct request *request)
{
    return request->message.kind == MESSAGE_DAEMON;
}

/* A request that has a fault asks nothing. */
static size_t cost(const struct request *request)
{
    size_t of_list = list_cost(request);
    if (of_list > 0 || request->fault_status != 0 || request->message.ask.bucket.key != NULL)
        return of_list;
    return ROUTE_COST_TURN / 8;
}

static void ask(struct request *request)
{
    const char *path = request->route->path;
    if (request->is_list)
        request->message.kind = MESSAGE_LIST;
    else if (request->message.ask.bucket.key != NULL)
        request->message.kind = MESSAGE_STATUS;
    else if (request->seen != 0)
        request_refuse(request, 400, "limit needs a key; call %s?key=KEY&limit=NAME, or %s alone",
                       path, path);
    else
        request_ask_daemon(request);
}

static void reply(struct request *request, const struct serving *serving)
{
    if (request->is_list)
        list_reply(request);
    else if (is_about_daemon(request))
        reply_daemon(&request->reply, &request->own.daemon);
    else if (!request_reply_no_such_limit(request))
        reply_bucket_status(&request->reply, &request->message, serving->headers);
}

static const struct parameter *const parameters[] = {&parameter_key, &parameter_limit, NULL};

const struct route route_status = {
    .path = "/status",
    .methods = METHOD_GET | METHOD_HEAD,
    .allow = "GET, HEAD",
    .parameters = parameters,
    .takes_list = true,
    .is_admin = true,
    .cost = cost,
    .ask = ask,
    .reply = reply,
};
