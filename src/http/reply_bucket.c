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
    if (request_reply_undone(request))
        return;
    reply_bucket_status(&request->reply, &request->message, serving);
    request->reply.terse = TERSE_DONE;
}

/* With status 200 the body is no problem: its "status" would mislead who looks only at the body. */
void reply_bucket_decided(struct reply *reply, const struct message *message, unsigned deny_status,
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

void reply_write_denial(struct text *body, unsigned status, const struct bucket_answer *answer)
{
    text_literal(body, "{\"type\":\"" REPLY_TYPE_QUOTA_EXCEEDED
                       "\",\"title\":\"" REPLY_TITLE_QUOTA_EXCEEDED "\",\"status\":");
    text_number(body, status);
    text_literal(body, ",\"violated-policies\":");
    reply_write_violated(body, answer);
}
