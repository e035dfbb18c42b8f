#include "http/reply.h"

#include "ask/answer_json.h"
#include "base/text.h"
#include "http/headers.h"
#include "http/status.h"
#include "limits/key.h"

#include <assert.h>
#include <string.h>

const char reply_type_json[] = "application/json";
const char reply_type_problem[] = "application/problem+json";

void reply_begin(struct reply *reply, unsigned status, const char *content_type)
{
    reply->status = status;
    reply->close = false;
    reply->recurs = false;
    reply->content_type = content_type;
    reply->allow = NULL;
    reply->authenticate = NULL;
    reply->fields_count = 0;
    reply->values_len = 0;
    reply->body_len = 0;
    reply->large_body = NULL;
}

static struct text begin_body(struct reply *reply)
{
    return text_begin(reply->body, sizeof reply->body);
}

void reply_problem(struct reply *reply, unsigned status, const char *detail)
{
    reply_begin(reply, status, reply_type_problem);
    struct text body = begin_body(reply);
    text_literal(&body, "{\"type\":\"about:blank\",\"title\":\"");
    text_string(&body, status_phrase(status));
    text_literal(&body, "\",\"status\":");
    text_number(&body, status);
    text_literal(&body, ",\"detail\":");
    text_json(&body, detail, strlen(detail));
    text_literal(&body, "}\n");
    reply->body_len = text_end(&body);
}

/* Up to the policies, of a denial that is a body of its own. */
static void write_quota_exceeded(struct text *body, unsigned status,
                                 const struct bucket_answer *answer)
{
    text_literal(body, "{\"type\":\"" REPLY_TYPE_QUOTA_EXCEEDED
                       "\",\"title\":\"" REPLY_TITLE_QUOTA_EXCEEDED "\",\"status\":");
    text_number(body, status);
    text_literal(body, ",\"violated-policies\":");
    reply_write_violated(body, answer);
}

static_assert(2 * KEY_MAX + REPLY_JSON_MAX < REPLY_BODY_MAX,
              "the longest answer, every character of its names escaped, fits");

/* ALLOW alone can be denied: the others say how the key stands, however that is. */
void reply_bucket(struct reply *reply, const struct message *message, enum headers_dialect dialect)
{
    const struct bucket_question *ask = &message->ask.bucket;
    const struct bucket_answer *answer = &message->answer.bucket;
    bool allowed = message->kind != MESSAGE_ALLOW || bucket_answer_allows(answer);
    reply_begin(reply, allowed ? 200 : 429, allowed ? reply_type_json : reply_type_problem);
    reply->recurs = true;
    reply_add_rate_limit(reply, answer, dialect);
    if (!allowed)
        reply_add_retry_after(reply, answer->retry_after_ms);

    struct text body = begin_body(reply);
    if (message->kind != MESSAGE_ALLOW) {
        text_literal(&body, "{");
        reply_write_status(&body, ask, answer);
    } else {
        if (allowed) {
            text_literal(&body, "{\"allowed\":true,");
        } else {
            write_quota_exceeded(&body, 429, answer);
            text_literal(&body, ",\"allowed\":false,");
        }
        reply_write_allow(&body, ask, answer, allowed);
    }
    text_literal(&body, "}\n");
    reply->body_len = text_end(&body);
}

void reply_check(struct reply *reply, const struct bucket_answer *answer, unsigned deny_status,
                 enum headers_dialect dialect)
{
    bool allowed = bucket_answer_allows(answer);
    reply_begin(reply, allowed ? 200 : deny_status, allowed ? NULL : reply_type_problem);
    reply->recurs = true;
    reply_add_rate_limit(reply, answer, dialect);
    if (allowed)
        return;
    reply_add_retry_after(reply, answer->retry_after_ms);
    struct text body = begin_body(reply);
    write_quota_exceeded(&body, deny_status, answer);
    text_literal(&body, ",\"retry_after_ms\":");
    reply_write_retry_after_ms(&body, answer->retry_after_ms);
    text_literal(&body, "}\n");
    reply->body_len = text_end(&body);
}

void reply_check_missing(struct reply *reply, bool allows, unsigned deny_status)
{
    if (allows)
        reply_begin(reply, 200, NULL);
    else
        reply_problem(reply, deny_status,
                      "the request lacks what the key of this check is made of; see its key in the "
                      "configuration, and what the proxy passes on");
}
