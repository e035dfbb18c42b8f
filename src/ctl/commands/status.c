#include "ctl/bucket.h"
#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/spans.h"

#include <stdio.h>

static const struct param params[] = {{"limit", OPTION_LIMIT}, {NULL, OPTION_COUNT_OF}};

static void show_of(struct sheet *sheet, const char *name, uint64_t number, uint64_t most)
{
    sheet_name(sheet, name);
    span_append_number(&sheet->text, number);
    if (most > 0) {
        sheet_own(sheet, " of ");
        span_append_number(&sheet->text, most);
    }
    sheet_own(sheet, "\n");
}

static void show_daemon(struct sheet *sheet, const json_t *json)
{
    sheet_line(sheet, "version", answer_text(json, "version"));
    sheet_name(sheet, "up");
    span_append_ms(&sheet->text, answer_number(json, "uptime_s") * 1000);
    sheet_own(sheet, "\n");
    show_of(sheet, "keys", answer_number(json, "keys"), answer_number(json, "max_keys"));
    show_of(sheet, "leases", answer_number(json, "leases"), answer_number(json, "max_leases"));
    sheet_line(sheet, "when full", answer_text(json, "when_full"));
    sheet_name(sheet, "tick");
    bucket_show_ms(sheet, json_object_get(json, "tick_ms"));
    sheet_own(sheet, "\n");
}

/* What is set in a limit, or in one of its buckets. */
static void add_numbers(struct columns *columns, const json_t *of)
{
    const json_t *slots = json_object_get(of, "concurrent");
    if (slots != NULL) {
        columns_number(columns, answer_number(of, "concurrent"));
        columns_text(columns, "slots");
    } else if (json_object_get(of, "burst") != NULL) {
        columns_number(columns, answer_number(of, "burst"));
        columns_text(columns, answer_text(of, "rate"));
    } else {
        columns_text(columns, NULL);
        columns_text(columns, NULL);
    }
}

static void add_buckets(struct columns *columns, const json_t *buckets)
{
    size_t i;
    json_t *bucket;
    json_array_foreach(buckets, i, bucket)
    {
        columns_text(columns, NULL);
        columns_text(columns, answer_text(bucket, "name"));
        add_numbers(columns, bucket);
        columns_text(columns, NULL);
        columns_text(columns, NULL);
    }
}

static void add_limit(struct columns *columns, const json_t *limit)
{
    columns_text(columns, answer_text(limit, "name"));
    columns_text(columns, answer_text(limit, "match"));
    add_numbers(columns, limit);
    if (json_object_get(limit, "overrides") != NULL)
        columns_number(columns, answer_number(limit, "overrides"));
    else
        columns_text(columns, NULL);
    columns_text(columns, answer_is_true(limit, "shadow") ? "on trial" : NULL);
    add_buckets(columns, json_object_get(limit, "buckets"));
}

static void show_limits(struct sheet *sheet, const json_t *limits)
{
    static const struct column heads[] = {
        {"LIMIT", false}, {"MATCH", false},    {"BURST", true},
        {"RATE", false},  {"OVERRIDES", true}, {"", false},
    };
    struct columns columns = columns_begin(heads, sizeof heads / sizeof heads[0], sheet->charset);
    size_t i;
    json_t *limit;
    json_array_foreach(limits, i, limit)
    {
        add_limit(&columns, limit);
    }
    sheet_own(sheet, "\n");
    sheet_columns(sheet, &columns);
}

static void show_threads(struct sheet *sheet, const json_t *threads)
{
    static const struct column heads[] = {
        {"THREAD", true},   {"STATE", false}, {"CONNECTIONS", true},
        {"REQUESTS", true}, {"BUSY", true},
    };
    struct columns columns = columns_begin(heads, sizeof heads / sizeof heads[0], sheet->charset);
    size_t i;
    json_t *thread;
    json_array_foreach(threads, i, thread)
    {
        char busy[32];
        snprintf(busy, sizeof busy, "%.0f%%",
                 100 * json_number_value(json_object_get(thread, "busy")));
        columns_number(&columns, i + 1);
        columns_text(&columns, answer_text(thread, "state"));
        columns_number(&columns, answer_number(thread, "connections"));
        columns_number(&columns, answer_number(thread, "requests"));
        columns_text(&columns, busy);
    }
    sheet_own(sheet, "\n");
    sheet_columns(sheet, &columns);
}

/* Only where a limit is of scope fleet. */
static void show_fleet(struct sheet *sheet, json_t *fleet)
{
    static const struct column heads[] = {{"FLEET", false}, {"", false}};
    static const char *const names[] = {"store", "server", "trouble", "on_partition"};
    if (fleet == NULL)
        return;
    struct columns columns = columns_begin(heads, sizeof heads / sizeof heads[0], sheet->charset);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!json_is_string(json_object_get(fleet, names[i])))
            continue;
        columns_text(&columns, names[i]);
        columns_text(&columns, answer_text(fleet, names[i]));
    }
    columns_text(&columns, "keys");
    columns_number(&columns, answer_number(fleet, "keys"));
    columns_text(&columns, "tokens in hand");
    columns_number(&columns, answer_number(fleet, "hand"));
    sheet_own(sheet, "\n");
    sheet_columns(sheet, &columns);
}

/* Those that are 0 tell nothing. */
static void show_counters(struct sheet *sheet, json_t *counters)
{
    static const struct column heads[] = {{"COUNTED", false}, {"", true}};
    struct columns columns = columns_begin(heads, sizeof heads / sizeof heads[0], sheet->charset);
    const char *name;
    json_t *count;
    json_object_foreach(counters, name, count)
    {
        if (json_integer_value(count) <= 0)
            continue;
        columns_text(&columns, name);
        columns_number(&columns, (uint64_t)json_integer_value(count));
    }
    sheet_own(sheet, "\n");
    sheet_columns(sheet, &columns);
}

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_query(job, "GET", "/status", "key", params);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL && job->words_count > 0) {
        bucket_show(&sheet, answer.json);
    } else if (answer.json != NULL) {
        show_daemon(&sheet, answer.json);
        show_limits(&sheet, json_object_get(answer.json, "limits"));
        show_threads(&sheet, json_object_get(answer.json, "threads"));
        show_fleet(&sheet, json_object_get(answer.json, "fleet"));
        show_counters(&sheet, json_object_get(answer.json, "counters"));
    }
    return call_show(&sheet, &answer);
}

const struct command command_status = {
    .name = "status",
    .arguments = "[KEY]",
    .text = "how the daemon is, or how full the key's bucket is",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT),
    .words_max = 1,
    .run = run,
};
