/* /renew: let this lease end later. */
#include "http/lease.h"
#include "http/routes/table.h"

static void parse_ttl(struct request *request, const char *value, size_t len)
{
    lease_read_ttl(request, value, len, &request->lease.ask.ttl_ms);
}

static void ask(struct request *request)
{
    lease_ask(request, MESSAGE_RENEW);
}

static void reply(struct request *request, const struct serving *serving)
{
    const struct lease_answer *answer = &request->message.answer.lease;
    (void)serving;
    if (answer->state == LEASE_UNRENEWED) {
        lease_reply_unrenewed(request);
        return;
    }
    if (answer->state != LEASE_HELD) {
        lease_reply_gone(request);
        return;
    }
    lease_reply_state(&request->reply, answer);
    request->reply.terse = TERSE_DONE;
}

static const struct parameter parameter_ttl = {.name = "ttl", .parse = parse_ttl};

static const struct parameter *const parameters[] = {&parameter_lease, &parameter_ttl, NULL};

const struct route route_renew = {
    .path = "/renew",
    .methods = METHOD_POST,
    .allow = "POST",
    .parameters = parameters,
    .changes_state = true,
    .begin = lease_begin,
    .ask = ask,
    .reply = reply,
};
