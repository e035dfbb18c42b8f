/* /metrics: all that is measured, for Prometheus. */
#include "brain/meters.h"
#include "http/question.h"
#include "http/reply_metrics.h"
#include "http/routes/table.h"

/* It takes long, because it looks at each open descriptor too. */
static size_t cost(const struct request *request)
{
    (void)request;
    return ROUTE_COST_TURN;
}

static void ask(struct request *request)
{
    request->message.kind = MESSAGE_METRICS;
    request->message.answer.metrics = request_take_room(request, sizeof(struct metrics_answer));
}

static void reply(struct request *request, const struct serving *serving)
{
    struct metrics_answer *answer = request->message.answer.metrics;
    answer->log_lines_lost = serving->log_lines_lost == NULL ? 0 : serving->log_lines_lost();
    reply_metrics(&request->reply, answer, serving->routes);
}

const struct route route_metrics = {
    .path = "/metrics",
    .methods = METHOD_GET | METHOD_HEAD,
    .allow = "GET, HEAD",
    .is_admin = true,
    .cost = cost,
    .ask = ask,
    .reply = reply,
};
