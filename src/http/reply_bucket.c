#include "http/reply_bucket.h"

#include "ask/answer_json.h"
#include "http/headers.h"
#include "http/question.h"
#include "limits/key.h"

#include <assert.h>

static_assert(2 * KEY_MAX + REPLY_JSON_MAX < REPLY_BODY_MAX,
              "the longest answer, every character of its names escaped, fits");

void reply_bucket_status(struct reply *reply, const struct message *message,
                         const struct serving *serving)
{
    const struct bucket_answer *answer = &message->answer.bucket;
    reply_begin(reply, 200, reply_type_json);
    reply->recurs = true;
    reply_add_rate_limit(reply, message, serving);
    struct text body = reply_begin_body(reply);
    text_literal(&body, "{");
    reply_write_status(&body, &message->ask.bucket, answer);
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

void reply_bucket_changed(struct request *request, const struct serving *serving)
{
    if (request_reply_no_such_limit(request))
        return;
    reply_bucket_status(&request->reply, &request->message, serving);
    request->reply.terse = TERSE_DONE;
}

void reply_write_denial(struct text *body, unsigned status, const struct bucket_answer *answer)
{
    text_literal(body, "{\"type\":\"" REPLY_TYPE_QUOTA_EXCEEDED
                       "\",\"title\":\"" REPLY_TITLE_QUOTA_EXCEEDED "\",\"status\":");
    text_number(body, status);
    text_literal(body, ",\"violated-policies\":");
    reply_write_violated(body, answer);
}
