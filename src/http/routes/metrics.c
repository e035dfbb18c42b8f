/*
 * /metrics: all that is measured, in the text format of Prometheus, version 0.0.4.
 *
 * No key is in it, nor anything else that a caller chooses: labels are names of the
 * configuration, statuses, and words of our own.
 */
#include "actor/fleet_view.h"
#include "base/process.h"
#include "brain/meters.h"
#include "http/question.h"
#include "http/routes/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

/* A text that grows. */
struct sheet {
    FILE *stream;
    bool is_short; /* some of it found no memory: the stream forgets that with the next that does */
};

__attribute__((format(printf, 2, 3))) static void put(struct sheet *sheet, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    sheet->is_short |= vfprintf(sheet->stream, format, values) < 0;
    va_end(values);
}

/* The answer of the brain, what only the front-end knows, and how the fleet's store is. */
struct told {
    const struct metrics_answer *answer;
    const struct route_table *routes;
    struct fleet_seen seen; /* all zeros: there is none */
    const struct histogram_bounds *fleet_bounds_ns;
};

/* A row of the table: a family and its samples, or one sample more. */
struct row {
    const char *family, *kind, *help; /* of a family that begins with this row; else NULL */
    bool is_same_family;              /* of the rows before; if neither, it is no metric */
    bool is_ns;                       /* told in seconds */
    bool is_of_fleet;                 /* left out if no limit is of scope fleet */
    const char *labels;               /* in braces, or NULL */
    uint64_t (*value)(const struct metrics_answer *answer, const struct process *process,
                      const struct fleet_seen *seen);
    /* of OWN: prints all samples of the family */
    void (*print)(struct sheet *out, const char *name, const struct told *told);
};

/* ---- rows that print their samples themselves ---- */

/* A limit's name is in quotes as in JSON. That is right for a label's value too: both escape '"'
 * and '\', and a name has no other character that either would escape. */
static void print_decisions(struct sheet *out, const char *name, const struct told *told)
{
    const struct limits *limits = told->answer->daemon.limits;
    for (uint32_t i = 0; i < limits->count; i++)
        for (int j = 0; j < DECISION_COUNT; j++)
            put(out, "%s{limit=%s,result=\"%s\"} %" PRIu64 "\n", name, limits->limit[i].quoted_name,
                decision_names[j], told->answer->meters.decisions[i][j]);
}

static void print_requests(struct sheet *out, const char *name, const struct told *told)
{
    for (unsigned route = 0; route_path(told->routes, route) != NULL; route++)
        for (unsigned i = 0; i < TALLY_STATUSES; i++) {
            unsigned status = TALLY_STATUS_MIN + i;
            uint64_t count = told->answer->meters.requests[tally_cell(route, status)];
            if (count > 0)
                put(out, "%s{route=\"%s\",status=\"%u\"} %" PRIu64 "\n", name,
                    route_path(told->routes, route), status, count);
        }
}

static void print_events(struct sheet *out, const char *name, const struct told *told)
{
    for (int kind = 0; kind < EVENT_KIND_COUNT; kind++)
        if (kind != EVENT_lost) /* readers have their own number of them */
            put(out, "%s{kind=\"%s\"} %" PRIu64 "\n", name, event_rows[kind].word,
                told->answer->meters.events[kind]);
}

/* per_unit: how many of the histogram's units are one of the metric's. */
static void histogram(struct sheet *out, const char *name, const struct histogram *histogram,
                      const struct histogram_bounds *bounds, uint64_t per_unit)
{
    uint64_t below = 0;
    for (size_t i = 0; i < bounds->count; i++) {
        below += histogram->count[i];
        put(out, "%s_bucket{le=\"%.9g\"} %" PRIu64 "\n", name,
            (double)bounds->bound[i] / (double)per_unit, below);
    }
    below += histogram->count[bounds->count];
    put(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
    put(out, "%s_sum %.15g\n", name, (double)histogram->sum / (double)per_unit);
    put(out, "%s_count %" PRIu64 "\n", name, below);
}

static void print_decision_ns(struct sheet *out, const char *name, const struct told *told)
{
    histogram(out, name, &told->answer->meters.decision_ns, &meters_decision_bounds_ns, NS_PER_S);
}

static void print_batch_size(struct sheet *out, const char *name, const struct told *told)
{
    histogram(out, name, &told->answer->meters.batch_size, &meters_batch_bounds, 1);
}

static void print_waited_ns(struct sheet *out, const char *name, const struct told *told)
{
    histogram(out, name, &told->answer->meters.waited_ns, &meters_wait_bounds_ns, NS_PER_S);
}

static void print_fleet_call_ns(struct sheet *out, const char *name, const struct told *told)
{
    static const struct histogram_bounds none = {0};
    const struct histogram_bounds *bounds = told->fleet_bounds_ns;
    histogram(out, name, &told->seen.latency, bounds == NULL ? &none : bounds, NS_PER_S);
}

/* ---- the values of the others ---- */

#define VALUE(name, expression)                                                                    \
    static uint64_t value_of_##name(const struct metrics_answer *answer,                           \
                                    const struct process *process, const struct fleet_seen *seen)  \
    {                                                                                              \
        (void)answer, (void)process, (void)seen;                                                   \
        return (expression);                                                                       \
    }
#define COUNTED(field, ...) VALUE(field, answer->daemon.counters.field)
#define FRONT(field, ...) VALUE(field, (uint64_t)answer->meters.field)
#define READ(name, expression, ...) VALUE(name, expression)
COUNTERS(COUNTED, COUNTED, FRONT, READ, COUNTERS_NONE)
#undef FRONT
#undef READ

/* ---- the table ---- */

#define COUNTER "counter"
#define GAUGE "gauge"
#define HISTOGRAM "histogram"
#define NO_METRIC .family = NULL
#define FAMILY(name, what, text) .family = (name), .kind = (what), .help = (text)
#define SAME_FAMILY .is_same_family = true
#define LABEL(name, value) .labels = "{" name "=\"" value "\"}"
#define IN_NANOSECONDS .is_ns = true
#define IF_FLEET .is_of_fleet = true

#define STATE(name, status, ...) {.value = value_of_##name, __VA_ARGS__},
#define TOLD(name, status, line, ...) {.value = value_of_##name, __VA_ARGS__},
#define FRONT(name, ...) {.value = value_of_##name, __VA_ARGS__},
#define READ(name, expression, ...) {.value = value_of_##name, __VA_ARGS__},
#define OWN(name, ...) {.print = print_##name, __VA_ARGS__},

static const struct row rows[] = {COUNTERS(STATE, TOLD, FRONT, READ, OWN)};

static void print_sample(struct sheet *out, const char *name, const struct row *row, uint64_t value)
{
    put(out, "%s%s ", name, row->labels == NULL ? "" : row->labels);
    if (row->is_ns) /* exactly */
        put(out, "%" PRIu64 ".%09" PRIu64 "\n", value / NS_PER_S, value % NS_PER_S);
    else
        put(out, "%" PRIu64 "\n", value);
}

static void print_rows(struct sheet *out, const struct told *told)
{
    const struct process process = process_look();
    const char *name = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *row = &rows[i];
        uint64_t value = row->value == NULL ? 0 : row->value(told->answer, &process, &told->seen);
        if ((row->family == NULL && !row->is_same_family) || value == PROCESS_UNKNOWN ||
            (row->is_of_fleet && !told->answer->daemon.fleet.is_there))
            continue;
        if (row->family != NULL) {
            name = row->family;
            put(out, "# HELP %s %s\n# TYPE %s %s\n", name, row->help, name, row->kind);
        }
        if (row->print != NULL)
            row->print(out, name, told);
        else
            print_sample(out, name, row, value);
    }
}

static void reply_metrics(struct reply *reply, const struct told *told)
{
    char *body = NULL;
    size_t body_len = 0;
    struct sheet out = {.stream = open_memstream(&body, &body_len)};
    if (out.stream == NULL) {
        reply_problem(reply, 503, "out of memory; try again");
        return;
    }
    print_rows(&out, told);
    /* If only the NUL has no room, glibc reports nothing. */
    if (fclose(out.stream) != 0 || out.is_short || body == NULL) {
        free(body);
        reply_problem(reply, 503, "out of memory; try again");
        return;
    }
    reply_begin(reply, 200, type_metrics);
    reply->large_body = body;
    reply->body_len = body_len;
}

/* ---- the route ---- */

/* It takes long, because it looks at each open descriptor too. */
static size_t cost(const struct request *request)
{
    (void)request;
    return ROUTE_COST_TURN;
}

static void ask(struct request *request)
{
    request->message.kind = MESSAGE_METRICS;
    request->message.answer.metrics = request_take_room(request, sizeof(struct metrics_answer));
}

static void reply(struct request *request, const struct serving *serving)
{
    struct metrics_answer *answer = request->message.answer.metrics;
    answer->log_lines_lost = serving->log_lines_lost == NULL ? 0 : serving->log_lines_lost();
    struct told told = {.answer = answer, .routes = serving->routes};
    if (fleet_view_look(serving->fleet, &told.seen))
        told.fleet_bounds_ns = serving->fleet->latency_bounds_ns;
    reply_metrics(&request->reply, &told);
}

const struct route route_metrics = {
    .path = "/metrics",
    .methods = METHOD_GET | METHOD_HEAD,
    .allow = "GET, HEAD",
    .is_admin = true,
    .cost = cost,
    .ask = ask,
    .reply = reply,
};
