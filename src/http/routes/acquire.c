/* /acquire: may this key take so many tokens, and slots, for a lease? */
#include "ask/answer_json.h"
#include "ask/fault_text.h"
#include "http/headers.h"
#include "http/lease.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/routes/table.h"

#include <assert.h>

static void begin(struct request *request)
{
    request->message.ask.acquire.slots = 1;
    request->message.ask.acquire.ttl_ms = LEASE_TTL_MS;
}

static void parse_slots(struct request *request, const char *value, size_t len)
{
    uint64_t slots = 0;
    if (parameter_read(value, len, quantity_parse_number, 1, SLOTS_MAX, &slots))
        request->message.ask.acquire.slots = (uint32_t)slots;
    else
        request_refuse(request, 400,
                       "slots is \"%s\"; give a whole number from 1 to %u, in digits only",
                       show(value, len).text, SLOTS_MAX);
}

static void parse_ttl(struct request *request, const char *value, size_t len)
{
    lease_read_ttl(request, value, len, &request->message.ask.acquire.ttl_ms);
}

static void ask(struct request *request)
{
    request_ask_bucket(request, MESSAGE_ACQUIRE);
    request_judge_wait(request);
    lease_draw_id(&request->message.ask.acquire.id);
}

#define LEASE_JSON_MAX 100 /* bytes of the members that only an answer to ACQUIRE has */
static_assert(2 * KEY_MAX + REPLY_JSON_MAX + LEASE_JSON_MAX < REPLY_BODY_MAX,
              "the longest answer has room");

/* If there is no memory to send it, its client is not told that it may go on, because it could not
 * release what it got; the lease ends by itself. */
static void reply_granted(struct reply *reply, const struct message *message,
                          const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    reply_begin(reply, 200, reply_type_json);
    reply->recurs = true;
    reply_add_rate_limit(reply, message, serving);
    struct text body = reply_begin_body(reply);
    text_literal(&body, "{\"allowed\":true,\"lease\":");
    lease_write_id(&body, &message->ask.acquire.id);
    text_literal(&body, ",\"expires_after_ms\":");
    text_number(&body, answer->expires_after_ms);
    text_literal(&body, ",\"slots\":");
    text_number(&body, message->ask.acquire.slots);
    text_literal(&body, ",");
    reply_write_allow(&body, &message->ask.bucket, answer, true);
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

static void reply(struct request *request, const struct serving *serving)
{
    const struct message *message = &request->message;
    if (request_reply_undone(request))
        return;
    if (bucket_answer_allows(&message->answer.bucket))
        reply_granted(&request->reply, message, serving);
    else
        reply_bucket_decided(&request->reply, message, request->deny_status, serving);
}

static const struct parameter parameter_slots = {.name = "slots", .parse = parse_slots};
static const struct parameter parameter_ttl = {.name = "ttl", .parse = parse_ttl};

static const struct parameter *const parameters[] = {
    &parameter_key,         &parameter_tokens, &parameter_slots,
    &parameter_limit,       &parameter_ttl,    &parameter_wait,
    &parameter_deny_status, &parameter_once,   NULL};

const struct route route_acquire = {
    .path = "/acquire",
    .methods = METHOD_POST,
    .allow = "POST",
    .parameters = parameters,
    .changes_state = true,
    .begin = begin,
    .ask = ask,
    .reply = reply,
};
