/* /allow: may this key take so many tokens? With a list: may each key, or all of them or none? */
#include "ask/answer_json.h"
#include "base/form.h"
#include "base/quantity.h"
#include "http/fault_text.h"
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

/* With status 200 the body is no problem: its "status" would mislead who looks only at the body. */
static void reply_bucket(struct reply *reply, const struct message *message, unsigned deny_status,
                         const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    bool allowed = bucket_answer_allows(answer);
    unsigned status = allowed ? 200 : deny_status;
    reply_begin(reply, status, status == 200 ? reply_type_json : reply_type_problem);
    reply->terse = allowed ? TERSE_ALLOWED : TERSE_DENIED;
    reply->recurs = true;
    reply_add_rate_limit(reply, message, serving);
    if (!allowed)
        reply_add_retry(reply, answer->retry_after_ms, serving);

    struct text body = reply_begin_body(reply);
    if (status == 200) {
        reply_write_verdict(&body, &message->ask.bucket, answer, allowed);
        text_literal(&body, "\n");
    } else {
        reply_write_denial(&body, status, answer);
        text_literal(&body, ",\"allowed\":false,");
        reply_write_allow(&body, &message->ask.bucket, answer, false);
        text_literal(&body, "}\n");
    }
    reply_end_body(reply, &body);
}

static void reply(struct request *request, const struct serving *serving)
{
    if (request->is_list)
        list_reply(request, serving);
    else if (!request_reply_no_such_limit(request))
        reply_bucket(&request->reply, &request->message, request->deny_status, serving);
}

static void parse_deny_status(struct request *request, const char *value, size_t len)
{
    char number[4];
    size_t number_len = 0;
    uint64_t status = 0;
    if (form_decode(value, len, true, number, sizeof number - 1, &number_len) == FORM_OK &&
        quantity_parse_number(number, number_len, 200, CHECK_DENY_STATUS_MAX, &status) ==
            QUANTITY_OK &&
        (status == 200 || status >= CHECK_DENY_STATUS_MIN))
        request->deny_status = (unsigned)status;
    else
        request_refuse(request, 400, "deny_status is \"%s\"; give 200, or %d to %d",
                       show(value, len).text, CHECK_DENY_STATUS_MIN, CHECK_DENY_STATUS_MAX);
}

static const struct parameter parameter_deny_status = {
    .name = "deny_status",
    .parse = parse_deny_status,
    .suits_list = true,
};

static const struct parameter *const parameters[] = {
    &parameter_key, &parameter_tokens, &parameter_limit, &parameter_deny_status, NULL};

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
