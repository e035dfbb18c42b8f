/* /charge: take tokens of this key though it may owe them then. They have been used already. */
#include "ask/answer_json.h"
#include "http/headers.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/routes/table.h"

/* No number is assumed: what a caller forgets to say would be charged wrongly. */
static void begin(struct request *request)
{
    request->message.ask.bucket.tokens = 0;
}

static void parse_tokens(struct request *request, const char *value, size_t len)
{
    parameter_tokens.parse(request, value, len);
    if (request->fault_status == 0 && request->message.ask.bucket.tokens == 0)
        request_refuse(request, 400, "tokens is 0; give the number to charge, 1 or more");
}

static void ask(struct request *request)
{
    request_ask_bucket(request, MESSAGE_CHARGE);
    if (request->message.ask.bucket.tokens == 0)
        request_refuse(request, 400, "tokens is missing; call %s?key=KEY&tokens=NUMBER",
                       request->route->path);
}

/* Without Retry-After, as every 503: some clients would come back without end. */
static void reply_no_room(struct request *request)
{
    request_refuse(request, 503,
                   "nothing was charged, because the table of keys is full and the keys that could "
                   "be forgotten owe tokens; try again, or raise max_keys");
    request_reply_fault(request);
}

static void reply(struct request *request, const struct serving *serving)
{
    const struct message *message = &request->message;
    const struct bucket_answer *answer = &message->answer.bucket;
    if (request_reply_undone(request))
        return;
    if (answer->result == BUCKET_TABLE_FULL) {
        reply_no_room(request);
        return;
    }
    struct reply *reply = &request->reply;
    reply_begin(reply, 200, reply_type_json);
    reply->terse = TERSE_DONE;
    reply->recurs = true;
    reply_add_rate_limit(reply, message, serving);
    struct text body = reply_begin_body(reply);
    reply_write_charge(&body, &message->ask.bucket, answer);
    text_literal(&body, "\n");
    reply_end_body(reply, &body);
}

static const struct parameter parameter_charged = {.name = "tokens", .parse = parse_tokens};

static const struct parameter *const parameters[] = {&parameter_key, &parameter_charged,
                                                     &parameter_limit, &parameter_once, NULL};

const struct route route_charge = {
    .path = "/charge",
    .methods = METHOD_POST,
    .allow = "POST",
    .parameters = parameters,
    .is_admin = true,
    .changes_state = true,
    .begin = begin,
    .ask = ask,
    .reply = reply,
};
