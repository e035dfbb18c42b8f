#include "ctl/bucket.h"
#include "ctl/call.h"
#include "ctl/commands/table.h"

static const struct param params[] = {{"limit", OPTION_LIMIT}, {NULL, OPTION_COUNT_OF}};

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_post(job, "/reset", "key", params, 0);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL)
        bucket_show(&sheet, answer.json);
    return call_show(&sheet, &answer);
}

const struct command command_reset = {
    .name = "reset",
    .arguments = "KEY",
    .text = "make the key's bucket full again",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
