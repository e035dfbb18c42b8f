/* /status: how full are the buckets of this key, or of a list of keys? Or how is this lease? Without
 * either: how is the daemon? */
#include "base/quantity.h"
#include "http/lease.h"
#include "http/list.h"
#include "http/parameters.h"
#include "http/question.h"
#include "http/reply_bucket.h"
#include "http/reply_fleet.h"
#include "http/reply_terms.h"
#include "http/routes/table.h"
#include "limits/runtime.h"

#include <stdio.h>
#include <string.h>

static bool is_about_daemon(const struct request *request)
{
    return request->message.kind == MESSAGE_DAEMON;
}

/* Who knows the id of a lease has the right to it. */
static bool is_for_all(const struct request *request)
{
    return request->lease.is_given;
}

/* A request that has a fault asks nothing. */
static size_t cost(const struct request *request)
{
    size_t of_list = list_cost(request);
    if (of_list > 0 || request->fault_status != 0 || request->message.ask.bucket.key != NULL ||
        is_for_all(request))
        return of_list;
    return ROUTE_COST_TURN / 8;
}

static void ask(struct request *request)
{
    const char *path = request->route->path;
    if (request->is_list)
        request->message.kind = MESSAGE_LIST;
    else if (request->lease.is_given && request->message.ask.bucket.key != NULL)
        request_refuse(request, 400, "give a key or a lease, not both");
    else if (request->lease.is_given && request->message.ask.bucket.limit_name != NULL)
        request_refuse(request, 400, "a lease knows its limit; leave limit out");
    else if (request->lease.is_given)
        lease_ask(request, MESSAGE_LEASE);
    else if (request->message.ask.bucket.key != NULL)
        request->message.kind = MESSAGE_STATUS;
    else if (request->seen != 0)
        request_refuse(request, 400, "limit needs a key; call %s?key=KEY&limit=NAME, or %s alone",
                       path, path);
    else {
        request_ask_daemon(request);
        request->own.daemon.fronts = request_take_room(request, sizeof(struct fronts_answer));
    }
}

/* ---- the daemon: limits in force, and counters ---- */

static void write_limit(struct text *body, const struct limit *limit, int64_t date_s)
{
    text_literal(body, "{\"name\":");
    text_string(body, limit->quoted_name);
    text_literal(body, ",\"match\":");
    if (limit->match[0] == '\0')
        text_literal(body, "null");
    else
        text_json(body, limit->match, strlen(limit->match));
    text_literal(body, ",");
    reply_write_terms(body, &limit->allowance);
    if (limit->is_fleet)
        text_literal(body, ",\"scope\":\"fleet\"");
    if (limit->shadow)
        text_literal(body, ",\"shadow\":true");
    if (limit->returns_on_expiry)
        text_literal(body, ",\"on_expiry\":\"return\"");
    uint32_t overrides = runtime_count_all(limit, date_s);
    if (overrides > 0) {
        text_literal(body, ",\"overrides\":");
        text_number(body, overrides);
    }
    uint32_t at_runtime = runtime_count(limit, date_s);
    if (at_runtime > 0) {
        text_literal(body, ",\"runtime_overrides\":");
        text_number(body, at_runtime);
    }
    text_literal(body, "}");
}

static void write_limits(struct text *body, const struct limits *limits, int64_t date_s)
{
    text_literal(body, "\"limits\":[");
    for (uint32_t i = 0; i < limits->count; i++) {
        if (i > 0)
            text_literal(body, ",");
        write_limit(body, &limits->limit[i], date_s);
    }
    text_literal(body, "]");
}

/* Shares with three digits behind the point. */
static void write_threads(struct text *body, const struct fronts_answer *fronts)
{
    text_literal(body, "\"threads\":[");
    for (uint32_t i = 0; i < fronts->count; i++) {
        char busy[sizeof "0.000"];
        uint32_t permille = fronts->front[i].busy_permille;
        snprintf(busy, sizeof busy, "%u.%03u", permille / 1000 % 10, permille % 1000);
        text_string(body, i == 0 ? "{\"state\":\"" : ",{\"state\":\"");
        text_string(body, fronts->front[i].goes ? "going" : "serving");
        text_literal(body, "\",\"connections\":");
        text_number(body, fronts->front[i].connections);
        text_literal(body, ",\"requests\":");
        text_number(body, fronts->front[i].requests);
        text_literal(body, ",\"busy\":");
        text_string(body, busy);
        text_literal(body, "}");
    }
    text_literal(body, "]");
}

static void write_counters(struct text *body, const struct brain_counters *counters)
{
    enum { NOT_IN_STATUS, IN_STATUS };
    const struct {
        const char *name;
        int status;
        uint64_t count;
    } rows[] = {
#define X(field, status, ...) {#field, status, counters->field},
        BRAIN_COUNTERS(X)
#undef X
    };
    const char *separator = "\"";
    text_literal(body, "\"counters\":{");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].status != IN_STATUS)
            continue;
        text_string(body, separator);
        text_string(body, rows[i].name);
        text_literal(body, "\":");
        text_number(body, rows[i].count);
        separator = ",\"";
    }
    text_literal(body, "}");
}

static void reply_daemon(struct reply *reply, const struct daemon_answer *answer,
                         const struct serving *serving)
{
    struct text body = text_begin_growing();
    text_literal(&body, "{\"version\":\"" PACKAGE_VERSION "\",\"uptime_s\":");
    text_number(&body, answer->uptime_ms / MS_PER_S);
    text_literal(&body, ",\"keys\":");
    text_number(&body, answer->keys);
    text_literal(&body, ",\"max_keys\":");
    text_number(&body, answer->max_keys);
    text_literal(&body, ",\"leases\":");
    text_number(&body, answer->leases);
    text_literal(&body, ",\"max_leases\":");
    text_number(&body, answer->max_leases);
    text_literal(&body, ",\"when_full\":\"");
    text_string(&body, when_full_names[answer->when_full]);
    text_literal(&body, "\",\"tick_ms\":");
    text_number(&body, answer->limits->tick_ms);
    text_literal(&body, ",");
    write_threads(&body, answer->fronts);
    text_literal(&body, ",");
    write_limits(&body, answer->limits, answer->date_s);
    text_literal(&body, ",");
    write_counters(&body, &answer->counters);
    reply_write_fleet(&body, answer, serving->fleet);
    text_literal(&body, "}\n");
    reply_take_body(reply, 200, reply_type_json, &body, 503, "out of memory; try again");
}

/* ---- the answers ---- */

static void reply_lease(struct request *request)
{
    const struct lease_answer *answer = &request->message.answer.lease;
    if (answer->state == LEASE_NONE)
        lease_reply_gone(request);
    else
        lease_reply_state(&request->reply, answer);
}

static void reply(struct request *request, const struct serving *serving)
{
    if (request->is_list)
        list_reply(request, serving);
    else if (is_about_daemon(request))
        reply_daemon(&request->reply, &request->own.daemon, serving);
    else if (request->message.kind == MESSAGE_LEASE)
        reply_lease(request);
    else if (!request_reply_undone(request))
        reply_bucket_status(&request->reply, &request->message, serving);
}

static const struct parameter *const parameters[] = {&parameter_key, &parameter_limit,
                                                     &parameter_lease, NULL};

const struct route route_status = {
    .path = "/status",
    .methods = METHOD_GET | METHOD_HEAD | METHOD_QUERY,
    .allow = "GET, HEAD, QUERY",
    .parameters = parameters,
    .takes_list = true,
    .is_admin = true,
    .is_for_all = is_for_all,
    .cost = cost,
    .begin = lease_begin,
    .ask = ask,
    .reply = reply,
};
