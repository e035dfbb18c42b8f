#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/override.h"

static const struct param params[] = {
    {"limit", OPTION_LIMIT},       {"burst", OPTION_BURST},   {"rate", OPTION_RATE},
    {"debt_max", OPTION_DEBT_MAX}, {"action", OPTION_ACTION}, {"concurrent", OPTION_CONCURRENT},
    {"until", OPTION_UNTIL},       {"reason", OPTION_REASON}, {NULL, OPTION_COUNT_OF},
};

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_query(job, "PUT", "/overrides", "key", params);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL) {
        struct columns columns = override_columns(job->charset);
        override_add(&columns, answer.json);
        sheet_columns(&sheet, &columns);
        if (json_is_false(json_object_get(answer.json, "persistent")))
            sheet_own(&sheet, "A restart forgets it: the server keeps no state.\n");
        call_show_warnings(&sheet, answer.json);
    }
    return call_show(&sheet, &answer);
}

const struct command command_override_put = {
    .name = "override put",
    .arguments = "KEY",
    .text = "set an override of the key under --limit, or replace it",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(BURST) | OPTION_BIT(RATE) |
               OPTION_BIT(DEBT_MAX) | OPTION_BIT(ACTION) | OPTION_BIT(CONCURRENT) |
               OPTION_BIT(UNTIL) | OPTION_BIT(REASON),
    .words_min = 1,
    .words_max = 1,
    .run = run,
};
