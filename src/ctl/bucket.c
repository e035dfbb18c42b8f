#include "ctl/bucket.h"

#include "ctl/spans.h"

#include <stdio.h>

void bucket_show_ms(struct sheet *sheet, const json_t *ms)
{
    if (json_is_integer(ms) && json_integer_value(ms) >= 0)
        span_append_ms(&sheet->text, (uint64_t)json_integer_value(ms));
    else
        sheet_own(sheet, "never");
}

static void show_number(struct sheet *sheet, const json_t *answer, const char *name)
{
    span_append_number(&sheet->text, answer_number(answer, name));
}

static void show_numbers(struct sheet *sheet, const json_t *answer)
{
    sheet_name(sheet, "remaining");
    show_number(sheet, answer, "remaining");
    sheet_own(sheet, " of ");
    show_number(sheet, answer, "burst");
    sheet_own(sheet, "\n");
    if (answer_number(answer, "owed") > 0) {
        sheet_name(sheet, "owed");
        show_number(sheet, answer, "owed");
        sheet_own(sheet, "\n");
    }
    sheet_name(sheet, "full in");
    bucket_show_ms(sheet, json_object_get(answer, "reset_after_ms"));
    sheet_own(sheet, "\n");
}

static const struct column heads[] = {
    {"BUCKET", false}, {"REMAINING", true}, {"BURST", true}, {"OWED", true}, {"FULL IN", true},
};

void bucket_add_ms(struct columns *columns, const json_t *ms)
{
    char buffer[64];
    struct text text = text_begin(buffer, sizeof buffer);
    if (json_is_integer(ms))
        span_append_ms(&text, (uint64_t)json_integer_value(ms));
    else
        text_literal(&text, "never");
    text_end(&text);
    columns_text(columns, buffer);
}

static void show_buckets(struct sheet *sheet, const json_t *buckets)
{
    size_t i;
    json_t *bucket;
    struct columns columns = columns_begin(heads, sizeof heads / sizeof heads[0], sheet->charset);
    if (json_array_size(buckets) == 0)
        return;
    json_array_foreach(buckets, i, bucket)
    {
        columns_text(&columns, answer_text(bucket, "name"));
        columns_number(&columns, answer_number(bucket, "remaining"));
        columns_number(&columns, answer_number(bucket, "burst"));
        columns_number(&columns, answer_number(bucket, "owed"));
        bucket_add_ms(&columns, json_object_get(bucket, "reset_after_ms"));
    }
    sheet_columns(sheet, &columns);
}

void bucket_show(struct sheet *sheet, const json_t *answer)
{
    sheet_line(sheet, "key", answer_text(answer, "key"));
    sheet_line(sheet, "limit", answer_text(answer, "limit"));
    if (json_object_get(answer, "remaining") != NULL)
        show_numbers(sheet, answer);
    if (answer_text(answer, "override") != NULL)
        sheet_line(sheet, "override", answer_text(answer, "override"));
    if (answer_is_true(answer, "shadow"))
        sheet_line(sheet, "on trial", "yes: the limit denies nobody");
    show_buckets(sheet, json_object_get(answer, "buckets"));
}
