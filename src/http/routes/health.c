/* /healthz, /readyz: does the decider answer, and does allowd serve? And OPTIONS of "*" or "/", which
 * load balancers that are told no path ask, such as HAProxy with a bare "option httpchk".
 *
 * All get a reply at once even if the decider does not answer: that is what they tell. */
#include "http/question.h"
#include "http/reply_fleet.h"
#include "http/routes/table.h"

#include <inttypes.h>
#include <stdio.h>

static const char *tell_config(enum file_look look)
{
    switch (look) {
    case FILE_AS_READ:
        break;
    case FILE_CHANGED:
        return "the configuration's file has changed since it was read: a reload or a restart "
               "reads another one than is in force";
    case FILE_GONE:
        return "the configuration's file is gone: a reload changes nothing, and a restart fails, "
               "until it is there again";
    }
    return NULL;
}

static const char *tell_token(enum file_look look)
{
    switch (look) {
    case FILE_AS_READ:
        break;
    case FILE_CHANGED:
        return "the admin token's file has changed since it was read: a reload or a restart reads "
               "another token than is in force";
    case FILE_GONE:
        return "the admin token's file is gone: a reload changes nothing, and a restart fails, "
               "until it is there again";
    }
    return NULL;
}

/* Nothing is out of service, so it is told beside that all is well. The log names the paths, which
 * are nobody's business who may only ask. Nor is anybody better off elsewhere if the fleet's store is out of
 * reach: the others of the fleet have the same one, and all would be out of service together. */
static void tell_warnings(struct text *body, const struct daemon_answer *answer,
                          const struct fleet_view *fleet)
{
    const struct surroundings *seen = &answer->surroundings;
    const char *told[] = {tell_config(seen->config), tell_token(seen->token),
                          reply_fleet_warning(answer, fleet)};
    bool has_any = false;
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++) {
        if (told[i] == NULL)
            continue;
        text_string(body, has_any ? ",\"" : ",\"warnings\":[\"");
        text_string(body, told[i]);
        text_literal(body, "\"");
        has_any = true;
    }
    if (has_any)
        text_literal(body, "]");
}

static void reply_well(struct reply *reply, const char *status, const struct serving *serving,
                       const struct daemon_answer *answer)
{
    reply_begin(reply, 200, reply_type_json);
    struct text body = reply_begin_body(reply);
    text_literal(&body, "{\"status\":\"");
    text_string(&body, status);
    text_literal(&body, "\",\"state_answered_ms\":");
    text_number(&body, serving->waited_ns / NS_PER_MS);
    if (answer != NULL)
        tell_warnings(&body, answer, serving->fleet);
    text_literal(&body, "}\n");
    reply_end_body(reply, &body);
}

static void reply_alive(struct request *request, const struct serving *serving)
{
    reply_well(&request->reply, "alive", serving, NULL);
}

/* allowd goes on serving, but a caller that needs the state to be kept can go elsewhere. */
static void reply_degraded(struct reply *reply, const char *why)
{
    char detail[REPLY_DETAIL_MAX];
    snprintf(detail, sizeof detail, "degraded: serving, but from memory alone: %s", why);
    reply_problem(reply, 503, detail);
}

/* Whoever asks has a connection, or another address to ask at. */
static void reply_unreachable(struct reply *reply, uint32_t lost)
{
    char detail[REPLY_DETAIL_MAX];
    snprintf(detail, sizeof detail,
             "unreachable: the file of %" PRIu32 " Unix socket%s is no longer at its path, and "
             "nobody new can connect there; the log says which; a reload makes it anew",
             lost, lost == 1 ? "" : "s");
    reply_problem(reply, 503, detail);
}

static void reply_ready(struct request *request, const struct serving *serving)
{
    const char *lost_state = request->own.daemon.lost_state;
    uint32_t lost_sockets = request->own.daemon.surroundings.lost_sockets;
    if (serving->leaving)
        reply_problem(&request->reply, 503,
                      "draining: allowd is about to end; send requests elsewhere");
    else if (lost_sockets > 0)
        reply_unreachable(&request->reply, lost_sockets);
    else if (lost_state != NULL)
        reply_degraded(&request->reply, lost_state);
    else
        reply_well(&request->reply, "ready", serving, &request->own.daemon);
}

static void reply_stalled(struct request *request, uint64_t waited_ms)
{
    char detail[REPLY_DETAIL_MAX];
    snprintf(detail, sizeof detail,
             "stalled: the state thread was asked %" PRIu64
             " ms ago and has not answered; restart allowd if that goes on",
             waited_ms);
    reply_problem(&request->reply, 503, detail);
}

const struct route route_healthz = {
    .path = "/healthz",
    .methods = METHOD_GET | METHOD_HEAD,
    .allow = "GET, HEAD",
    .ask = request_ask_daemon,
    .reply = reply_alive,
    .reply_stalled = reply_stalled,
};

const struct route route_readyz = {
    .path = "/readyz",
    .methods = METHOD_GET | METHOD_HEAD,
    .allow = "GET, HEAD",
    .ask = request_ask_daemon,
    .reply = reply_ready,
    .reply_stalled = reply_stalled,
};

/* No field of it lets a web page read anything. */
static void reply_whole(struct request *request, const struct serving *serving)
{
    (void)serving;
    reply_begin(&request->reply, 200, NULL);
    request->reply.allow = route_whole.allow;
}

const struct route route_whole = {
    .path = "*",
    .methods = METHOD_OPTIONS,
    .allow = "GET, HEAD, POST, DELETE, QUERY, OPTIONS",
    .ask = request_ask_daemon,
    .reply = reply_whole,
    .reply_stalled = reply_stalled,
};
