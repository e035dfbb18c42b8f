#include "http/reply.h"

#include "http/phrase.h"

#include <string.h>

const char reply_type_json[] = "application/json";
const char reply_type_problem[] = "application/problem+json";

void reply_begin(struct reply *reply, unsigned status, const char *content_type)
{
    reply->status = status;
    reply->terse = TERSE_UNAVAILABLE;
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

void reply_problem(struct reply *reply, unsigned status, const char *detail)
{
    reply_begin(reply, status, reply_type_problem);
    struct text body = reply_begin_body(reply);
    text_literal(&body, "{\"type\":\"about:blank\",\"title\":\"");
    text_string(&body, status_phrase(status));
    text_literal(&body, "\",\"status\":");
    text_number(&body, status);
    text_literal(&body, ",\"detail\":");
    text_json(&body, detail, strlen(detail));
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

void reply_take_body(struct reply *reply, unsigned status, const char *content_type,
                     struct text *body, unsigned short_status, const char *short_detail)
{
    size_t body_len = 0;
    char *large_body = text_take(body, &body_len);
    if (large_body == NULL) {
        reply_problem(reply, short_status, short_detail);
        return;
    }
    reply_begin(reply, status, content_type);
    reply->large_body = large_body;
    reply->body_len = body_len;
}
