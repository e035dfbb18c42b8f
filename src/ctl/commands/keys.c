#include "ctl/bucket.h"
#include "ctl/commands/table.h"
#include "ctl/pages.h"

static void add_denied(struct columns *columns, const json_t *key)
{
    if (answer_number(key, "denied") > 0)
        columns_number(columns, answer_number(key, "denied"));
    else
        columns_text(columns, NULL);
}

static bool add(struct columns *columns, const json_t *key)
{
    columns_text(columns, answer_text(key, "limit"));
    columns_number(columns, answer_number(key, "remaining"));
    columns_number(columns, answer_number(key, "burst"));
    columns_number(columns, answer_number(key, "owed"));
    bucket_add_ms(columns, json_object_get(key, "reset_after_ms"));
    add_denied(columns, key);
    columns_text(columns, answer_text(key, "key"));
    return true;
}

static enum ctl_exit run(const struct job *job)
{
    static const struct column heads[] = {
        {"LIMIT", false},  {"REMAINING", true}, {"BURST", true}, {"OWED", true},
        {"FULL IN", true}, {"DENIED", true},    {"KEY", false},
    };
    const struct pages_table table = {heads, sizeof heads / sizeof heads[0], add};
    return pages_show(job, job_option(job, OPTION_SORT), &table);
}

const struct command command_keys = {
    .name = "keys",
    .arguments = "",
    .text = "which keys are tracked, and how full their buckets are",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(PREFIX) | OPTION_BIT(SORT) |
               OPTION_BIT(COUNT),
    .run = run,
};
