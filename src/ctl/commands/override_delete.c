#include "ctl/call.h"
#include "ctl/commands/table.h"

static const struct param params[] = {{"limit", OPTION_LIMIT}, {NULL, OPTION_COUNT_OF}};

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_query(job, "DELETE", "/overrides", "key", params);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL) {
        sheet_own(&sheet, "dropped\n");
        sheet_line(&sheet, "key", answer_text(answer.json, "key"));
        sheet_line(&sheet, "limit", answer_text(answer.json, "limit"));
    }
    return call_show(&sheet, &answer);
}

const struct command command_override_delete = {
    .name = "override delete",
    .arguments = "KEY",
    .text = "drop the override of the key under --limit that was set at run time",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
