#include "http/reply_health.h"

#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>

/* It goes on serving, and whoever needs what it was asked to keep can go elsewhere. */
static void reply_degraded(struct reply *reply, const char *why)
{
    char detail[REPLY_DETAIL_MAX];
    snprintf(detail, sizeof detail, "degraded: serving, but from memory alone: %s", why);
    reply_problem(reply, 503, detail);
}

void reply_health(struct reply *reply, enum route_purpose purpose, bool draining,
                  const char *lost_state, uint64_t waited_ms)
{
    if (purpose == ROUTE_READYZ && draining) {
        reply_problem(reply, 503, "draining: allowd is about to end; send requests elsewhere");
        return;
    }
    if (purpose == ROUTE_READYZ && lost_state != NULL) {
        reply_degraded(reply, lost_state);
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
