#include "http/reply_metrics.h"

#include "base/process.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

const char reply_type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

static void family(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
    family(out, name, type, help);
    fprintf(out, "%s %" PRIu64 "\n", name, value);
}

/* Of a number in nanoseconds, exactly. */
static void single_ns(FILE *out, const char *name, const char *type, const char *help,
                      uint64_t value_ns)
{
    family(out, name, type, help);
    fprintf(out, "%s %" PRIu64 ".%09" PRIu64 "\n", name, value_ns / NS_PER_S, value_ns % NS_PER_S);
}

/* Left out when it is not known. */
static void known(FILE *out, const char *name, const char *help, uint64_t value)
{
    if (value != PROCESS_UNKNOWN)
        single(out, name, "gauge", help, value);
}

/* per_unit: how many of the histogram's units are one of the metric's. */
static void histogram(FILE *out, const char *name, const char *help,
                      const struct histogram *histogram, const struct histogram_bounds *bounds,
                      uint64_t per_unit)
{
    uint64_t below = 0;
    family(out, name, "histogram", help);
    for (size_t i = 0; i < bounds->count; i++) {
        below += histogram->count[i];
        fprintf(out, "%s_bucket{le=\"%.9g\"} %" PRIu64 "\n", name,
                (double)bounds->bound[i] / (double)per_unit, below);
    }
    below += histogram->count[bounds->count];
    fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
    fprintf(out, "%s_sum %.15g\n", name, (double)histogram->sum / (double)per_unit);
    fprintf(out, "%s_count %" PRIu64 "\n", name, below);
}

/* ---- the families ---- */

/* A limit's name in quotes is a label's value as well: both escape '"' and '\', and
 * there is no other character in it that either would. */
static void print_decisions(FILE *out, const struct metrics_answer *answer)
{
    const struct limits *limits = answer->daemon.limits;
    family(out, "allowd_decisions_total", "counter",
           "Questions whether a key may go on, by the limit and by what was decided.");
    for (uint32_t i = 0; i < limits->count; i++)
        for (int j = 0; j < DECISION_COUNT; j++)
            fprintf(out, "allowd_decisions_total{limit=%s,result=\"%s\"} %" PRIu64 "\n",
                    limits->limit[i].quoted_name, decision_names[j],
                    answer->meters.decisions[i][j]);
}

static void print_requests(FILE *out, const struct meters *meters, const struct route_table *routes)
{
    family(out, "allowd_requests_total", "counter",
           "Requests replied to, by the path called and the status of the reply.");
    for (unsigned route = 0; route_path(routes, route) != NULL; route++)
        for (unsigned i = 0; i < TALLY_STATUSES; i++) {
            unsigned status = TALLY_STATUS_MIN + i;
            uint64_t count = meters->requests[tally_cell(route, status)];
            if (count > 0)
                fprintf(out, "allowd_requests_total{route=\"%s\",status=\"%u\"} %" PRIu64 "\n",
                        route_path(routes, route), status, count);
        }
}

static void print_evictions(FILE *out, const struct brain_counters *counters)
{
    family(out, "allowd_evictions_total", "counter",
           "Keys forgotten: full, which loses nothing; unlimited, their limit being gone; "
           "or live, to make room for others.");
    fprintf(out,
            "allowd_evictions_total{kind=\"full\"} %" PRIu64 "\n"
            "allowd_evictions_total{kind=\"unlimited\"} %" PRIu64 "\n"
            "allowd_evictions_total{kind=\"live\"} %" PRIu64 "\n",
            counters->dropped_full, counters->dropped_unlimited, counters->evicted);
}

static void print_reloads(FILE *out, const struct metrics_answer *answer)
{
    family(out, "allowd_config_reloads_total", "counter", "Reloads of the configuration.");
    fprintf(out,
            "allowd_config_reloads_total{result=\"success\"} %" PRIu64 "\n"
            "allowd_config_reloads_total{result=\"failure\"} %" PRIu64 "\n",
            answer->daemon.counters.reloads, answer->meters.reloads_failed);
    single(out, "allowd_config_last_reload_successful", "gauge",
           "Whether the last reload succeeded, or there was none: 1, else 0.",
           !answer->meters.last_reload_failed);
    single(out, "allowd_config_last_reload_success_timestamp_seconds", "gauge",
           "When the configuration in force was put into force, the start included.",
           (uint64_t)answer->meters.reloaded_s);
}

static void print_state(FILE *out, const struct metrics_answer *answer)
{
    const struct meters *meters = &answer->meters;
    histogram(out, "allowd_decision_duration_seconds",
              "Time the state thread takes for a decision: that of a batch, shared out evenly.",
              &meters->decision_ns, &meters_decision_bounds_ns, NS_PER_S);
    histogram(out, "allowd_batch_size", "Messages that reached the state thread together.",
              &meters->batch_size, &meters_batch_bounds, 1);
    single(out, "allowd_keys", "gauge", "Keys tracked now.", answer->daemon.keys);
    single(out, "allowd_keys_max", "gauge", "Keys there is room for.", answer->daemon.max_keys);
    print_evictions(out, &answer->daemon.counters);
    single(out, "allowd_ticks_total", "counter", "Ticks credited.", answer->ticks);
    single_ns(out, "allowd_tick_lag_seconds", "gauge",
              "The longest that a tick was late in the last minute or two.", answer->tick_lag_ns);
}

static void print_kept_state(FILE *out, const struct metrics_answer *answer)
{
    const struct state_meters *state = &answer->state;
    single(out, "allowd_state_degraded", "gauge",
           "Whether the state will not outlive the process, though it should: 1, else 0.",
           answer->daemon.lost_state != NULL);
    single(out, "allowd_state_restored_keys", "gauge", "Keys taken up from the state at the start.",
           state->restored_keys);
    single(out, "allowd_state_refused_total", "counter",
           "State files that were refused and put aside.", state->refused);
    family(out, "allowd_state_damaged_total", "counter",
           "Entries of the state that were found damaged: mended, or believed to be empty, or "
           "dropped.");
    fprintf(out,
            "allowd_state_damaged_total{result=\"mended\"} %" PRIu64 "\n"
            "allowd_state_damaged_total{result=\"emptied\"} %" PRIu64 "\n"
            "allowd_state_damaged_total{result=\"dropped\"} %" PRIu64 "\n",
            state->mended, state->emptied, state->dropped);
}

static void print_process(FILE *out, const struct meters *meters)
{
    struct process process = process_look();
    known(out, "process_resident_memory_bytes", "Resident memory in bytes.",
          process.resident_bytes);
    known(out, "process_open_fds", "Open descriptors.", process.descriptors);
    known(out, "process_max_fds", "Descriptors there may be.", process.descriptors_max);
    single(out, "process_start_time_seconds", "gauge", "When the process started, in Unix time.",
           (uint64_t)meters->started_s);
    if (process.cpu_ns != PROCESS_UNKNOWN)
        single_ns(out, "process_cpu_seconds_total", "counter", "Processor time used.",
                  process.cpu_ns);
}

void reply_metrics(struct reply *reply, const struct metrics_answer *answer,
                   const struct route_table *routes)
{
    char *body = NULL;
    size_t body_len = 0;
    FILE *out = open_memstream(&body, &body_len);
    if (out == NULL) {
        reply_problem(reply, 503, "out of memory; try again");
        return;
    }
    print_decisions(out, answer);
    print_requests(out, &answer->meters, routes);
    family(out, "allowd_connections", "gauge", "Connections open now.");
    fprintf(out, "allowd_connections %" PRId64 "\n", answer->meters.connections);
    family(out, "allowd_connections_shed_total", "counter",
           "Connections answered 503 for want of room, or ended because their client was slow.");
    fprintf(out,
            "allowd_connections_shed_total{reason=\"full\"} %" PRIu64 "\n"
            "allowd_connections_shed_total{reason=\"slow\"} %" PRIu64 "\n",
            answer->meters.turned_away, answer->meters.overdue);
    print_state(out, answer);
    print_kept_state(out, answer);
    print_reloads(out, answer);
    single(out, "allowd_log_lines_lost_total", "counter",
           "Log lines that standard error had no room for, or did not take.",
           answer->log_lines_lost);
    family(out, "allowd_build_info", "gauge", "The version, as a label of the number 1.");
    fputs("allowd_build_info{version=\"" PACKAGE_VERSION "\"} 1\n", out);
    print_process(out, &answer->meters);
    if (fclose(out) != 0 || body == NULL) { /* glibc finds no room for its NUL in silence */
        free(body);
        reply_problem(reply, 503, "out of memory; try again");
        return;
    }
    reply_begin(reply, 200, reply_type_metrics);
    reply->large_body = body;
    reply->body_len = body_len;
}
