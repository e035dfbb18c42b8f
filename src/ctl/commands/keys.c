#include "ctl/bucket.h"
#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/numbers.h"
#include "ctl/pages.h"

enum { KEYS_SHOWN = 100 };

static void add_denied(struct columns *columns, const json_t *key)
{
    if (answer_number(key, "denied") > 0)
        columns_number(columns, answer_number(key, "denied"));
    else
        columns_text(columns, NULL);
}

static bool add(void *context, const json_t *key)
{
    struct columns *columns = context;
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
    struct columns columns = columns_begin(heads, sizeof heads / sizeof heads[0], job->charset);
    struct sheet sheet = sheet_begin(job->charset);
    uint64_t most = KEYS_SHOWN;
    if (!number_of_option(job, OPTION_COUNT, 1, UINT32_MAX, &most))
        return CTL_USAGE;
    struct pages_sink sink = {add, &columns};
    enum ctl_exit exit = pages_of_keys(job, job_option(job, OPTION_SORT), most, &sink);
    if (!job_wants_json(job) && exit == CTL_DONE)
        sheet_columns(&sheet, &columns);
    columns_release(&columns);
    enum ctl_exit written = sheet_write(&sheet);
    return exit == CTL_DONE ? written : exit;
}

const struct command command_keys = {
    .name = "keys",
    .arguments = "",
    .text = "which keys are tracked, and how full their buckets are",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(PREFIX) | OPTION_BIT(SORT) |
               OPTION_BIT(COUNT),
    .run = run,
};
