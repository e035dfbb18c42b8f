#include "ctl/call.h"
#include "ctl/commands/table.h"
#include "ctl/override.h"

static const struct param params[] = {{"limit", OPTION_LIMIT}, {NULL, OPTION_COUNT_OF}};

static enum ctl_exit run(const struct job *job)
{
    struct answer answer = call_query(job, "GET", "/overrides", "key", params);
    struct sheet sheet = sheet_begin(job->charset);
    if (answer.json != NULL) {
        struct columns columns = override_columns(job->charset);
        size_t i;
        json_t *override;
        json_array_foreach(json_object_get(answer.json, "overrides"), i, override)
        {
            override_add(&columns, override);
        }
        sheet_columns(&sheet, &columns);
    }
    return call_show(&sheet, &answer);
}

const struct command command_override_list = {
    .name = "override list",
    .arguments = "[KEY]",
    .text = "the overrides in force, of the configuration and of run time",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT),
    .words_max = 1,
    .run = run,
};
