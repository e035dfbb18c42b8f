#include "ctl/view.h"

#include "ctl/bucket.h"
#include "ctl/columns.h"
#include "ctl/screen.h"
#include "ctl/spans.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the head ---- */

static void append_rate(struct text *text, double rate)
{
    char digits[32];
    if (rate >= 100 || rate < 0.05) {
        span_append_number(text, (uint64_t)(rate + 0.5));
    } else {
        snprintf(digits, sizeof digits, "%.1f", rate);
        text_string(text, digits);
    }
}

static void append_shown(struct text *text, const struct view *view, const char *value)
{
    if (value != NULL)
        shown_append(text, view->charset, value, strlen(value));
}

static void append_named(struct text *text, const char *name, uint64_t number, uint64_t most)
{
    text_string(text, name);
    span_append_number(text, number);
    if (most > 0) {
        text_literal(text, " of ");
        span_append_number(text, most);
    }
}

static void append_bar(struct text *text, const struct view *view)
{
    text_literal(text, SCREEN_BAR "allowd ");
    append_shown(text, view, answer_text(view->status, "version"));
    text_literal(text, " at ");
    append_shown(text, view, view->server);
    text_literal(text, ", up ");
    span_append_ms(text, answer_number(view->status, "uptime_s") * 1000);
    text_string(text, view->is_paused ? " - paused\n" : "\n");
}

static void append_bound(struct text *text, const char *name, double bound_s)
{
    text_string(text, name);
    if (isinf(bound_s)) {
        text_literal(text, "long");
    } else {
        text_literal(text, "<= ");
        span_append_ns(text, (uint64_t)(bound_s * 1e9 + 0.5));
    }
}

static void append_rates(struct text *text, const struct view *view)
{
    struct limit_rate all = sample_rate_of_all(view->before, view->now);
    text_literal(text, SCREEN_PLAIN "decisions ");
    append_rate(text, all.allowed_s + all.denied_s);
    text_literal(text, "/s   allowed ");
    append_rate(text, all.allowed_s);
    text_literal(text, "/s   denied ");
    append_rate(text, all.denied_s);
    text_literal(text, "/s");
    double half = sample_quantile_s(view->before, view->now, 0.5);
    if (half > 0) {
        append_bound(text, "   half decided in ", half);
        append_bound(text, ", 99% in ", sample_quantile_s(view->before, view->now, 0.99));
    }
    text_literal(text, "\n");
}

static void append_load(struct text *text, const struct view *view)
{
    char load[96];
    append_named(text, SCREEN_PLAIN "keys ", answer_number(view->status, "keys"),
                 answer_number(view->status, "max_keys"));
    append_named(text, "   leases ", answer_number(view->status, "leases"), 0);
    append_named(text, "   waiting ", (uint64_t)view->now->waiting, 0);
    append_named(text, "   connections ", (uint64_t)view->now->connections, 0);
    snprintf(load, sizeof load, "   memory %.1f MiB   processor %.0f%%\n",
             view->now->memory_bytes / 1048576, 100 * sample_processor(view->before, view->now));
    text_string(text, load);
}

/* ---- tables ---- */

/* Gives the first line of a table the style of a title, and the others that of plain text. */
static void append_table(struct text *text, struct columns *columns)
{
    struct text table = text_begin_growing();
    size_t len;
    bool is_whole = columns_append(columns, &table);
    char *lines = text_take(&table, &len);
    columns_release(columns);
    const char *style = SCREEN_TITLE;
    for (const char *line = lines, *end; is_whole && line != NULL && *line != '\0';
         line = end + 1) {
        end = strchr(line, '\n');
        text_string(text, style);
        text_bytes(text, line, (size_t)(end + 1 - line));
        style = SCREEN_PLAIN;
    }
    free(lines);
}

static void add_rate(struct columns *columns, double rate)
{
    char digits[64];
    struct text text = text_begin(digits, sizeof digits);
    append_rate(&text, rate);
    text_end(&text);
    columns_text(columns, digits);
}

struct ranked {
    const json_t *limit;
    struct limit_rate rate;
    size_t place; /* in the configuration */
};

static double weight_of(const struct ranked *ranked)
{
    return ranked->rate.allowed_s + ranked->rate.denied_s;
}

/* The busiest first, and else as configured. */
static int compare(const void *a, const void *b)
{
    const struct ranked *first = a, *second = b;
    double difference = weight_of(second) - weight_of(first);
    if (difference != 0)
        return difference > 0 ? 1 : -1;
    return first->place > second->place ? 1 : -1;
}

static void add_limit(struct columns *columns, const struct ranked *ranked)
{
    const json_t *limit = ranked->limit;
    const char *rate = answer_text(limit, "rate");
    bool has_slots = json_object_get(limit, "concurrent") != NULL;
    columns_text(columns, answer_text(limit, "name"));
    columns_text(columns, answer_text(limit, "match"));
    if (json_object_get(limit, "buckets") != NULL)
        columns_text(columns, NULL);
    else
        columns_number(columns, answer_number(limit, has_slots ? "concurrent" : "burst"));
    columns_text(columns, has_slots ? "slots" : rate != NULL ? rate : "(buckets)");
    add_rate(columns, ranked->rate.allowed_s);
    add_rate(columns, ranked->rate.denied_s);
    columns_text(columns, answer_is_true(limit, "shadow") ? "on trial" : NULL);
}

static void append_limits(struct text *text, const struct view *view, size_t rows)
{
    static const struct column heads[] = {
        {"LIMIT", false},    {"MATCH", false},   {"BURST", true}, {"RATE", false},
        {"ALLOWED/s", true}, {"DENIED/s", true}, {"", false},
    };
    const json_t *limits = json_object_get(view->status, "limits");
    size_t count = json_array_size(limits);
    struct ranked *ranked = calloc(count + 1, sizeof *ranked);
    struct columns columns = columns_begin(heads, sizeof heads / sizeof heads[0], view->charset);
    if (ranked == NULL) {
        text->is_short = true;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *limit = json_array_get(limits, i);
        const char *name = answer_text(limit, "name");
        ranked[i] = (struct ranked){
            limit, sample_rate(view->before, view->now, name != NULL ? name : ""), i};
    }
    qsort(ranked, count, sizeof *ranked, compare);
    for (size_t i = 0; i < count && i < rows; i++)
        add_limit(&columns, &ranked[i]);
    free(ranked);
    append_table(text, &columns);
}

/* How full a bucket is, drawn. */
static void add_gauge(struct columns *columns, const json_t *key)
{
    enum { WIDTH = 10 };
    char gauge[WIDTH + 3] = "[..........]";
    uint64_t remaining = answer_number(key, "remaining"), burst = answer_number(key, "burst");
    double share = burst > 0 ? (double)remaining / (double)burst : 0;
    for (size_t i = 0; i < WIDTH && (double)i < share * WIDTH; i++)
        gauge[i + 1] = '#';
    columns_text(columns, gauge);
}

static void append_keys(struct text *text, const struct view *view, const json_t *answer,
                        const char *title, size_t rows)
{
    const struct column heads[] = {
        {"DENIED", true},  {"", false},      {"REMAINING", true}, {"BURST", true},
        {"FULL IN", true}, {"LIMIT", false}, {title, false},
    };
    struct columns columns = columns_begin(heads, sizeof heads / sizeof heads[0], view->charset);
    size_t i;
    json_t *key;
    json_array_foreach(json_object_get(answer, "keys"), i, key)
    {
        if (i == rows)
            break;
        columns_number(&columns, answer_number(key, "denied"));
        add_gauge(&columns, key);
        columns_number(&columns, answer_number(key, "remaining"));
        columns_number(&columns, answer_number(key, "burst"));
        bucket_add_ms(&columns, json_object_get(key, "reset_after_ms"));
        columns_text(&columns, answer_text(key, "limit"));
        columns_text(&columns, answer_text(key, "key"));
    }
    append_table(text, &columns);
}

/* ---- all of it ---- */

enum { HEAD_ROWS = 5, TABLE_ROWS_MIN = 3, LIMITS_ROWS_MAX = 8 };

static void append_foot(struct text *text, const struct view *view)
{
    if (view->alarm != NULL) {
        text_literal(text, SCREEN_ALARM);
        append_shown(text, view, view->alarm);
        text_literal(text, "\n");
    } else {
        text_literal(text, SCREEN_BAR "q quit   space pause   s which keys\n");
    }
}

/* Rows that are left, without the titles and the blank lines between tables, are for limits first, at
 * most a third of them, and for keys then. */
static void append_tables(struct text *text, const struct view *view, size_t rows)
{
    size_t limits = json_array_size(json_object_get(view->status, "limits"));
    size_t most = rows / 3 < LIMITS_ROWS_MAX ? rows / 3 : LIMITS_ROWS_MAX;
    if (limits > most)
        limits = most;
    append_limits(text, view, limits);
    text_literal(text, "\n");
    rows = rows > limits + 2 ? rows - limits - 2 : 0;
    size_t each = view->keys == VIEW_BOTH ? rows / 2 : rows;
    if (view->keys != VIEW_REMAINING && each > 1)
        append_keys(text, view, view->denied, "DENIED MOST", each - 1 - (view->keys == VIEW_BOTH));
    if (view->keys == VIEW_BOTH && each > 1)
        text_literal(text, "\n");
    if (view->keys != VIEW_DENIED && each > 1)
        append_keys(text, view, view->remaining, "EMPTIEST", each - 1);
}

void view_append(struct text *text, const struct view *view)
{
    append_bar(text, view);
    append_foot(text, view);
    if (view->now == NULL || view->before == NULL || view->status == NULL)
        return;
    append_rates(text, view);
    append_load(text, view);
    text_literal(text, "\n");
    if (view->rows >= HEAD_ROWS + TABLE_ROWS_MIN)
        append_tables(text, view, view->rows - HEAD_ROWS);
}
