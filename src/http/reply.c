#include "http/reply.h"

#include "http/phrase.h"

#include <assert.h>
#include <string.h>

const char reply_type_json[] = "application/json";
const char reply_type_problem[] = "application/problem+json";

void reply_begin(struct reply *reply, unsigned status, const char *content_type)
{
    reply->status = status;
    reply->terse = TERSE_UNAVAILABLE;
    reply->close = false;
    reply->goes_on = false;
    reply->recurs = false;
    reply->content_type = content_type;
    reply->allow = NULL;
    reply->authenticate = NULL;
    reply->fields_count = 0;
    reply->values_len = 0;
    reply->body_len = 0;
    reply->large_body = NULL;
    reply->large_spare = 0;
}

void reply_add_field(struct reply *reply, const char *name, const char *value)
{
    assert(reply->fields_count < REPLY_FIELDS_MAX);
    reply->fields[reply->fields_count++] = (struct reply_field){name, value};
}

struct text reply_begin_value(struct reply *reply)
{
    return text_begin(reply->values + reply->values_len, sizeof reply->values - reply->values_len);
}

void reply_end_value(struct reply *reply, const char *name, struct text *value)
{
    reply->values_len += text_end(value) + 1;
    reply_add_field(reply, name, value->start);
}

void reply_add_number(struct reply *reply, const char *name, uint64_t number)
{
    struct text value = reply_begin_value(reply);
    text_number(&value, number);
    reply_end_value(reply, name, &value);
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
