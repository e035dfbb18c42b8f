#include "http/reply_health.h"

#include "pure/text.h"

#include <inttypes.h>
#include <stdio.h>

void reply_health(struct reply *reply, enum route_purpose purpose, bool draining,
                  uint64_t waited_ms)
{
    if (purpose == ROUTE_READYZ && draining) {
        reply_problem(reply, 503, "draining: allowd is about to end; send requests elsewhere");
        return;
    }
    reply_begin(reply, 200, reply_type_json);
    struct text body = text_begin(reply->body, sizeof reply->body);
    text_literal(&body, "{\"status\":\"");
    text_string(&body, purpose == ROUTE_READYZ ? "ready" : "alive");
    text_literal(&body, "\",\"state_answered_ms\":");
    text_number(&body, waited_ms);
    text_literal(&body, "}\n");
    reply->body_len = text_end(&body);
}

void reply_health_stalled(struct reply *reply, uint64_t waited_ms)
{
    char detail[REPLY_DETAIL_MAX];
    snprintf(detail, sizeof detail,
             "stalled: the state thread was asked %" PRIu64
             " ms ago and has not answered; restart allowd if that goes on",
             waited_ms);
    reply_problem(reply, 503, detail);
}
