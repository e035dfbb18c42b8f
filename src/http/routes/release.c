/* /release: end this lease now, and say what of it was used. */
#include "ask/fault_text.h"
#include "http/lease.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/routes/table.h"

static void parse_used(struct request *request, const char *value, size_t len)
{
    struct lease_question *question = &request->lease.ask;
    question->has_used =
        parameter_read(value, len, quantity_parse_number, 0, TOKENS_MAX, &question->used_tokens);
    if (!question->has_used)
        request_refuse(request, 400,
                       "used is \"%s\"; give how many of its tokens were used, a whole number from "
                       "0 to %" PRIu64 ", in digits only",
                       show(value, len).text, (uint64_t)TOKENS_MAX);
}

static void ask(struct request *request)
{
    lease_ask(request, MESSAGE_RELEASE);
}

static void reply_released(struct reply *reply, const struct lease_answer *answer)
{
    reply_begin(reply, 200, reply_type_json);
    reply->terse = TERSE_DONE;
    struct text body = reply_begin_body(reply);
    text_literal(&body, "{\"released\":true,");
    lease_write_terms(&body, answer);
    text_literal(&body, ",\"returned\":");
    text_number(&body, answer->returned_tokens);
    text_literal(&body, ",\"charged\":");
    text_number(&body, answer->charged_tokens);
    text_literal(&body, ",\"forgiven\":");
    text_number(&body, answer->forgiven_tokens);
    text_literal(&body, ",\"owed\":");
    text_number(&body, answer->owed_tokens);
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

static void reply(struct request *request, const struct serving *serving)
{
    const struct lease_answer *answer = &request->message.answer.lease;
    (void)serving;
    if (answer->state == LEASE_RELEASED)
        reply_released(&request->reply, answer);
    else
        lease_reply_gone(request);
}

static const struct parameter parameter_used = {.name = "used", .parse = parse_used};

static const struct parameter *const parameters[] = {&parameter_lease, &parameter_used, NULL};

const struct route route_release = {
    .path = "/release",
    .methods = METHOD_POST,
    .allow = "POST",
    .parameters = parameters,
    .changes_state = true,
    .begin = lease_begin,
    .ask = ask,
    .reply = reply,
};
