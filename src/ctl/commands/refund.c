#include "ctl/bucket.h"
#include "ctl/call.h"
#include "ctl/commands/table.h"

static const struct param params[] = {
    {"limit", OPTION_LIMIT},
    {"tokens", OPTION_TOKENS},
    {"once", OPTION_ONCE},
    {NULL, OPTION_COUNT_OF},
};

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_post(job, "/refund", "key", params, 0);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL)
        bucket_show(&sheet, answer.json);
    return call_show(&sheet, &answer);
}

const struct command command_refund = {
    .name = "refund",
    .arguments = "KEY",
    .text = "give tokens back to the key",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(TOKENS) | OPTION_BIT(ONCE),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
