#include "ctl/commands/table.h"
#include "ctl/pages.h"

/* Only keys that hold leases are wanted. */
static bool add(struct columns *columns, const json_t *key)
{
    if (answer_number(key, "leases") == 0)
        return false;
    columns_text(columns, answer_text(key, "limit"));
    columns_number(columns, answer_number(key, "leases"));
    columns_number(columns, answer_number(key, "slots"));
    columns_text(columns, answer_text(key, "key"));
    return true;
}

static enum ctl_exit run(const struct job *job)
{
    static const struct column heads[] = {
        {"LIMIT", false},
        {"LEASES", true},
        {"SLOTS", true},
        {"KEY", false},
    };
    const struct pages_table table = {heads, sizeof heads / sizeof heads[0], add};
    return pages_show(job, NULL, &table);
}

const struct command command_leases = {
    .name = "leases",
    .arguments = "",
    .text = "which keys hold leases, and how many slots they have out",
    .options = OPTION_BIT(JSON) | OPTION_BIT(LIMIT) | OPTION_BIT(PREFIX) | OPTION_BIT(COUNT),
    .run = run,
};
